/*
 * way_bare - what report.to_escalation is compared with: the same hops by the bare libraries and nothing else.
 *
 *     one thread produces 1 KB records at a fixed rate                                    topic 1
 *     one consumes each and produces it again                                             topic 2
 *     one consumes what is there, and in one transaction moves an offset, writes five clocks and an outbox row for each, commits,
 *     and produces one record for each                                                    topic 3
 *     one consumes that
 *
 * Idempotent, acks=all, linger 0; no HTTP, checks, rules, ids, locks; nothing is read back from PostgreSQL. Times as in escalation_latency.
 *
 *     way_bare BROKERS CONNINFO RATE_PER_S COUNT TOPIC TOPIC TOPIC        prints "p50_ms p99_ms max_ms seen"
 *
 * The tables are its own (schema way_bare), and made anew.
 */
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COUNT_MAX = 100000, BATCH_MAX = 1000, PARTITIONS = 8, VALUE_BYTES = 1000, TAIL_S = 10 };

struct hop {
    rd_kafka_t *consumer, *producer; /* one of them may be missing */
    const char *to;
    PGconn *db;
};

static int64_t took_us[COUNT_MAX];
static _Atomic size_t arrived_n;
static atomic_bool is_stopped;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "way_bare: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
    const char *const pairs[][2] = {
        {"bootstrap.servers", brokers},
        {"socket.nagle.disable", "true"},
        {type == RD_KAFKA_CONSUMER ? "group.id" : "acks",
         type == RD_KAFKA_CONSUMER ? "way-bare" : "all"},
        {type == RD_KAFKA_CONSUMER ? "enable.auto.commit" : "enable.idempotence",
         type == RD_KAFKA_CONSUMER ? "false" : "true"},
        {type == RD_KAFKA_CONSUMER ? "check.crcs" : "linger.ms",
         type == RD_KAFKA_CONSUMER ? "false" : "0"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_t *rk;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], why, sizeof(why)))
            fail(pairs[i][0], why);
    rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (!rk)
        fail("librdkafka", why);
    return rk;
}

static void *poll_loop(void *arg)
{
    while (!atomic_load(&is_stopped))
        rd_kafka_poll(arg, 100);
    return NULL;
}

static rd_kafka_t *producer(const char *brokers)
{
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, brokers);
    pthread_t thread;

    pthread_create(&thread, NULL, poll_loop, rk);
    pthread_detach(thread);
    return rk;
}

static rd_kafka_t *consumer(const char *brokers, const char *topic)
{
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, brokers);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

    rd_kafka_poll_set_consumer(rk);
    for (int32_t p = 0; p < PARTITIONS; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_END;
    if (rd_kafka_assign(rk, list))
        fail("assign", topic);
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}

static void pass_on(rd_kafka_t *rk, const char *topic, const void *value)
{
    union { /* librdkafka copies, but takes plain pointers */
        const void *in;
        void *out;
    } bytes = {.in = value};

    while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(bytes.out, VALUE_BYTES),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END))
        usleep(1000);
}

static void *pipe_loop(void *arg)
{
    const struct hop *hop = arg;

    while (!atomic_load(&is_stopped)) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(hop->consumer, 100);

        if (msg && !msg->err)
            pass_on(hop->producer, hop->to, msg->payload);
        if (msg)
            rd_kafka_message_destroy(msg);
    }
    return NULL;
}

/* One round trip: what is asked is answered with the commit. */
static void store(PGconn *db, ssize_t n)
{
    char count[24];
    const char *const args[] = {count};
    static const char *const statements[] = {"BEGIN", "advance", "clocks", "outbox", "COMMIT"};

    snprintf(count, sizeof(count), "%zd", n);
    PQenterPipelineMode(db);
    for (size_t i = 0; i < 5; i++)
        if (i == 0 || i == 4)
            PQsendQueryParams(db, statements[i], 0, NULL, NULL, NULL, NULL, 0);
        else
            PQsendQueryPrepared(db, statements[i], 1, args, NULL, NULL, 0);
    PQpipelineSync(db);
    for (size_t i = 0; i < 5; i++) {
        PGresult *res = PQgetResult(db);

        if (PQresultStatus(res) != PGRES_COMMAND_OK)
            fail(statements[i], PQresultErrorMessage(res));
        PQclear(res);
        PQclear(PQgetResult(db));
    }
    PQclear(PQgetResult(db));
    PQexitPipelineMode(db);
}

static void *sink_loop(void *arg)
{
    const struct hop *hop = arg;
    rd_kafka_message_t *batch[BATCH_MAX];

    while (!atomic_load(&is_stopped)) {
        size_t n = 0;

        for (rd_kafka_message_t *msg;
             n < BATCH_MAX && (msg = rd_kafka_consumer_poll(hop->consumer, n ? 0 : 100));)
            if (msg->err)
                rd_kafka_message_destroy(msg);
            else
                batch[n++] = msg;
        if (n > 0)
            store(hop->db, (ssize_t)n);
        for (size_t i = 0; i < n; i++) {
            pass_on(hop->producer, hop->to, batch[i]->payload);
            rd_kafka_message_destroy(batch[i]);
        }
    }
    return NULL;
}

static void *listen_loop(void *arg)
{
    const struct hop *hop = arg;

    while (!atomic_load(&is_stopped)) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(hop->consumer, 100);
        int64_t due_us;

        if (msg && !msg->err) {
            memcpy(&due_us, msg->payload, sizeof(due_us));
            took_us[atomic_load(&arrived_n)] = now_us() - due_us;
            atomic_fetch_add(&arrived_n, 1);
        }
        if (msg)
            rd_kafka_message_destroy(msg);
    }
    return NULL;
}

static PGconn *database(const char *conninfo)
{
    static const char *const sql[] = {
        "SET client_min_messages = error",
        "DROP SCHEMA IF EXISTS way_bare CASCADE",
        "CREATE SCHEMA way_bare",
        "SET search_path = way_bare",
        "CREATE TABLE place (next bigint)",
        "INSERT INTO place VALUES (0)",
        "CREATE TABLE clock (id uuid PRIMARY KEY, kind text, due_at timestamptz)",
        "CREATE INDEX ON clock (due_at)",
        "CREATE TABLE outbox (seq bigserial PRIMARY KEY, value bytea)"};
    PGconn *db = PQconnectdb(conninfo);

    for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
        PQclear(PQexec(db, sql[i]));
    PQclear(PQprepare(db, "advance", "UPDATE place SET next = next + $1::bigint", 0, NULL));
    PQclear(
        PQprepare(db, "clocks",
                  "INSERT INTO clock SELECT gen_random_uuid(), 'call', now() + interval '1 hour'"
                  " FROM generate_series(1, 5 * $1::bigint)",
                  0, NULL));
    PQclear(PQprepare(db, "outbox",
                      "INSERT INTO outbox (value) SELECT convert_to(repeat('x', 1000), 'UTF8')"
                      " FROM generate_series(1, $1::bigint)",
                      0, NULL));
    return db;
}

static void produce_all(const struct hop *hop, int rate_per_s, size_t count)
{
    char value[VALUE_BYTES] = {0};
    int64_t begin_us = now_us();

    for (size_t i = 0; i < count; i++) {
        int64_t due_us = begin_us + (int64_t)i * 1000000 / rate_per_s, left_us = due_us - now_us();

        if (left_us > 0)
            usleep((useconds_t)left_us);
        memcpy(value, &due_us, sizeof(due_us));
        pass_on(hop->producer, hop->to, value);
    }
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void report(size_t n, size_t skipped)
{
    if (n <= skipped)
        fail("arrivals", "none");
    qsort(took_us + skipped, n - skipped, sizeof(took_us[0]), by_value);
    printf("%.2f %.2f %.2f %zu\n", (double)took_us[skipped + (n - skipped) / 2] / 1000,
           (double)took_us[skipped + (n - skipped) * 99 / 100] / 1000,
           (double)took_us[n - 1] / 1000, n);
}

int main(int argc, char **argv)
{
    size_t count = argc == 8 ? strtoul(argv[4], NULL, 10) : 0;
    struct hop hops[4];
    void *(*const loops[])(void *) = {NULL, pipe_loop, sink_loop, listen_loop};
    pthread_t threads[4];

    if (count == 0 || count > COUNT_MAX)
        return 64;
    for (size_t i = 0; i < 4; i++)
        hops[i] = (struct hop){.consumer = i > 0 ? consumer(argv[1], argv[4 + i]) : NULL,
                               .producer = i < 3 ? producer(argv[1]) : NULL,
                               .to = i < 3 ? argv[5 + i] : NULL,
                               .db = i == 2 ? database(argv[2]) : NULL};
    sleep(2); /* the consumers stand at the ends */
    for (size_t i = 1; i < 4; i++)
        pthread_create(&threads[i], NULL, loops[i], &hops[i]);
    produce_all(&hops[0], (int)strtol(argv[3], NULL, 10), count);
    for (int64_t until_us = now_us() + TAIL_S * INT64_C(1000000);
         atomic_load(&arrived_n) < count && now_us() < until_us;)
        usleep(10000);
    atomic_store(&is_stopped, true);
    for (size_t i = 1; i < 4; i++)
        pthread_join(threads[i], NULL);
    report(atomic_load(&arrived_n), count / 2); /* the first half warms */
    return EXIT_SUCCESS;
}
