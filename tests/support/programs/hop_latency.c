/*
 * hop_latency - from a report's record on one topic to the record that somebody makes of it on another.
 *
 *     hop_latency BROKERS FROM TO VALUE KEY RATE_PER_S COUNT
 *
 * VALUE is a file with the body of a report.submitted, KEY its incident id: each record gets one of its own in the places of KEY. The headers
 * are intake's. A record's time runs from the moment at which it was due, so that a stall is not hidden by the records that it held back, to
 * the first record with its key on TO. The first second is not counted: in it this program's own producer asks for its id and the topic's leaders, which
 * takes it half a second. Prints: "p50_ms p99_ms max_ms seen sent" of the COUNT records after it.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/id.h"

#define COUNT_MAX       100000
#define PARTITIONS      8
#define TAIL_MS         10000
#define VALUE_MAX_BYTES 65536

static int64_t due_us[COUNT_MAX];
static _Atomic int64_t arrived_us[COUNT_MAX]; /* 0: not yet */
static _Atomic size_t arrived_n;
static atomic_bool stop;
static unsigned run; /* tells this run's keys from others' */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "hop_latency: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* The key says which record it is. */
static void format_key(char ret[ID_TEXT_LEN + 1], size_t number)
{
    snprintf(ret, ID_TEXT_LEN + 1, "%08x-0000-8000-8000-%012x", run, (unsigned)number);
}

static bool number_of(const rd_kafka_message_t *msg, size_t *ret)
{
    char key[ID_TEXT_LEN + 1], again[ID_TEXT_LEN + 1];

    if (msg->err || msg->key_len != ID_TEXT_LEN)
        return false;
    memcpy(key, msg->key, ID_TEXT_LEN);
    key[ID_TEXT_LEN] = '\0';
    *ret = strtoul(key + 24, NULL, 16);
    format_key(again, *ret);
    return *ret < COUNT_MAX && strcmp(key, again) == 0;
}

static rd_kafka_t *open_client(rd_kafka_type_t type, const char *const pairs[][2], size_t n)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_t *rk;

    for (size_t i = 0; i < n; i++)
        if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], why, sizeof(why)))
            fail(pairs[i][0], why);
    rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (!rk)
        fail("librdkafka", why);
    return rk;
}

static rd_kafka_t *open_consumer(const char *brokers, const char *topic)
{
    const char *const pairs[][2] = {{"bootstrap.servers", brokers},
                                    {"group.id", "hop-latency"},
                                    {"socket.nagle.disable", "true"},
                                    {"enable.auto.commit", "false"}};
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    rd_kafka_t *rk = open_client(RD_KAFKA_CONSUMER, pairs, sizeof(pairs) / sizeof(pairs[0]));

    rd_kafka_poll_set_consumer(rk);
    for (int32_t p = 0; p < PARTITIONS; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}

static rd_kafka_t *open_producer(const char *brokers)
{
    const char *const pairs[][2] = {{"bootstrap.servers", brokers},
                                    {"enable.idempotence", "true"},
                                    {"acks", "all"},
                                    {"linger.ms", "0"},
                                    {"partitioner", "murmur2_random"},
                                    {"socket.nagle.disable", "true"}};

    return open_client(RD_KAFKA_PRODUCER, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void *listen_loop(void *arg)
{
    while (!atomic_load(&stop)) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(arg, 50);
        size_t number;

        if (!msg)
            continue;
        if (number_of(msg, &number) && atomic_load(&arrived_us[number]) == 0) {
            atomic_store(&arrived_us[number], clock_mono_us());
            atomic_fetch_add(&arrived_n, 1);
        }
        rd_kafka_message_destroy(msg);
    }
    return NULL;
}

static size_t read_file(char *ret, size_t max, const char *path)
{
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(ret, 1, max, file) : 0;

    if (len == 0 || len == max)
        fail(path, "cannot be read, is empty or too large");
    fclose(file);
    return len;
}

/* A record as intake writes it. */
static void send_one(rd_kafka_t *producer, const char *topic, char *key, char *value, size_t len)
{
    struct id event_id;
    char at[CLOCK_TEXT_MAX];

    id_new(&event_id);
    clock_format_utc(at, clock_wall_ms());
    while (rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, ID_TEXT_LEN),
        RD_KAFKA_V_VALUE(value, len), RD_KAFKA_V_HEADER("ce_specversion", "1.0", -1),
        RD_KAFKA_V_HEADER("ce_id", event_id.text, -1),
        RD_KAFKA_V_HEADER("ce_type", "report.submitted", -1),
        RD_KAFKA_V_HEADER("ce_source", "/tongbao/intake", -1), RD_KAFKA_V_HEADER("ce_time", at, -1),
        RD_KAFKA_V_HEADER("ce_dataschema", "/proto/schemas/events/report.submitted.schema.json",
                          -1),
        RD_KAFKA_V_HEADER("content-type", "application/json", -1),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END))
        rd_kafka_poll(producer, 1);
}

static void send_all(rd_kafka_t *producer, char **argv, long rate_per_s, size_t count)
{
    static char value[VALUE_MAX_BYTES];
    size_t len = read_file(value, sizeof(value), argv[4]);
    const char *old = argv[5];
    int64_t began_us;
    char keys[2][ID_TEXT_LEN + 1];

    if (strlen(old) != ID_TEXT_LEN || !memmem(value, len, old, ID_TEXT_LEN))
        fail(old, "is no incident id of the report");
    began_us = clock_mono_us();
    for (size_t i = 0; i < count; i++, old = keys[!(i % 2)]) {
        char *key = keys[i % 2];
        int64_t left_us;

        format_key(key, i);
        for (char *at = value; (at = memmem(at, len - (size_t)(at - value), old, ID_TEXT_LEN));)
            memcpy(at, key, ID_TEXT_LEN);
        due_us[i] = began_us + (int64_t)i * 1000000 / rate_per_s;
        left_us = due_us[i] - clock_mono_us();
        if (left_us > 0)
            usleep((useconds_t)left_us);
        send_one(producer, argv[2], key, value, len);
        rd_kafka_poll(producer, 0);
    }
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void report(size_t from, size_t sent)
{
    static int64_t took_us[COUNT_MAX];
    size_t n = 0;

    for (size_t i = from; i < sent; i++)
        if (atomic_load(&arrived_us[i]) > 0)
            took_us[n++] = atomic_load(&arrived_us[i]) - due_us[i];
    if (n == 0)
        fail("no record", "came back");
    qsort(took_us, n, sizeof(took_us[0]), by_value);
    printf("%.2f %.2f %.2f %zu %zu\n", (double)took_us[n / 2] / 1000,
           (double)took_us[n * 99 / 100] / 1000, (double)took_us[n - 1] / 1000, n, sent - from);
}

int main(int argc, char **argv)
{
    long rate_per_s = argc == 8 ? strtol(argv[6], NULL, 10) : 0;
    size_t count = argc == 8 ? strtoul(argv[7], NULL, 10) : 0;
    rd_kafka_t *consumer, *producer;
    pthread_t thread;

    if (count == 0 || rate_per_s < 1 || rate_per_s > COUNT_MAX ||
        count > COUNT_MAX - (size_t)rate_per_s) {
        fprintf(stderr, "usage: hop_latency BROKERS FROM TO VALUE KEY RATE_PER_S COUNT\n");
        return 2;
    }
    count += (size_t)rate_per_s;
    run = (unsigned)clock_wall_ms();
    consumer = open_consumer(argv[1], argv[3]);
    producer = open_producer(argv[1]);
    if (pthread_create(&thread, NULL, listen_loop, consumer))
        fail("thread", "none");
    clock_sleep_ms(1500); /* the listener stands at the ends */
    send_all(producer, argv, rate_per_s, count);
    for (int64_t until_ms = clock_mono_ms() + TAIL_MS;
         atomic_load(&arrived_n) < count && clock_mono_ms() < until_ms;)
        rd_kafka_poll(producer, 10);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    report((size_t)rate_per_s, count);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    return EXIT_SUCCESS;
}
