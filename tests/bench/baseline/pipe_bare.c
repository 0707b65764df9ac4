/*
 * pipe_bare - what classifier.pipe is compared with: the bare libraries and nothing else. One thread takes up to 1 000 records, parses each with jansson, sets
 * one field, dumps it, produces it under the same key (idempotent, acks=all, linger 0), waits for the acks and commits. No checks, ids, headers of events,
 * rules, dead letters.
 *
 *     pipe_bare BROKERS FROM TO          runs until a signal ends it
 *     pipe_bare BROKERS FROM TO one      the same for classifier.added: takes each record when it comes, and commits every 200 ms what is acked
 */
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_MAX = 1000, WAIT_MS = 100, FLUSH_MS = 60000, COMMIT_MS = 200 };

static volatile sig_atomic_t is_stopped;

static void stop(int number)
{
    (void)number;
    is_stopped = 1;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "pipe_bare: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static rd_kafka_conf_t *conf_of(const char *const pairs[][2], size_t n)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    for (size_t i = 0; i < n; i++)
        if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], why, sizeof(why)))
            fail(pairs[i][0], why);
    return conf;
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));

    if (!rk)
        fail("librdkafka", why);
    return rk;
}

static rd_kafka_t *open_consumer(const char *brokers, const char *topic)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    char group[64];
    const char *const pairs[][2] = {{"bootstrap.servers", brokers},
                                    {"group.id", group},
                                    {"auto.offset.reset", "earliest"},
                                    {"enable.auto.commit", "false"}};
    rd_kafka_t *rk;

    snprintf(group, sizeof(group), "pipe-bare-%d", (int)getpid());
    rk = open_client(RD_KAFKA_CONSUMER, conf_of(pairs, sizeof(pairs) / sizeof(pairs[0])));
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    if (rd_kafka_subscribe(rk, topics))
        fail("subscribe", topic);
    rd_kafka_topic_partition_list_destroy(topics);
    return rk;
}

static rd_kafka_t *open_producer(const char *brokers)
{
    const char *const pairs[][2] = {{"bootstrap.servers", brokers},
                                    {"enable.idempotence", "true"},
                                    {"acks", "all"},
                                    {"linger.ms", "0"},
                                    {"partitioner", "murmur2_random"}};

    return open_client(RD_KAFKA_PRODUCER, conf_of(pairs, sizeof(pairs) / sizeof(pairs[0])));
}

static void pass_on(rd_kafka_t *producer, const char *topic, const rd_kafka_message_t *in)
{
    json_t *doc = json_loadb(in->payload, in->len, JSON_REJECT_DUPLICATES, NULL);
    char *text;

    if (!doc)
        fail("record", "not JSON");
    json_object_set_new(doc, "level", json_string("general"));
    text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(doc);
    while (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
                             RD_KAFKA_V_KEY(in->key, in->key_len),
                             RD_KAFKA_V_VALUE(text, strlen(text)),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_FREE), RD_KAFKA_V_END))
        rd_kafka_poll(producer, 10);
}

static void run(rd_kafka_t *consumer, rd_kafka_t *producer, const char *topic)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t *batch[BATCH_MAX];

    while (!is_stopped) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, WAIT_MS, batch, BATCH_MAX);

        for (ssize_t i = 0; i < n; i++) {
            if (!batch[i]->err)
                pass_on(producer, topic, batch[i]);
            rd_kafka_message_destroy(batch[i]);
        }
        if (n > 0 && (rd_kafka_flush(producer, FLUSH_MS) || rd_kafka_commit(consumer, NULL, 0)))
            break; /* a rebalance on the way out */
    }
    rd_kafka_queue_destroy(queue);
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void run_one_by_one(rd_kafka_t *consumer, rd_kafka_t *producer, const char *topic)
{
    int64_t due_ms = now_ms() + COMMIT_MS;

    while (!is_stopped) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(consumer, 10);

        if (msg && !msg->err)
            pass_on(producer, topic, msg);
        if (msg)
            rd_kafka_message_destroy(msg);
        rd_kafka_poll(producer, 0);
        if (now_ms() < due_ms || rd_kafka_outq_len(producer) > 0)
            continue; /* all that was read is acked, or nothing is committed */
        rd_kafka_commit(consumer, NULL, 1);
        due_ms = now_ms() + COMMIT_MS;
    }
}

int main(int argc, char **argv)
{
    bool is_one = argc == 5 && strcmp(argv[4], "one") == 0;
    rd_kafka_t *consumer, *producer;

    if (argc != 4 && !is_one) {
        fprintf(stderr, "usage: pipe_bare BROKERS FROM TO [one]\n");
        return 2;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    consumer = open_consumer(argv[1], argv[2]);
    producer = open_producer(argv[1]);
    (is_one ? run_one_by_one : run)(consumer, producer, argv[3]);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    return EXIT_SUCCESS;
}
