/* The producer against librdkafka's mock cluster: each record's fate is told exactly once. */
#include "common/kafka/producer.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "tests/support/test.h"

#define TOPIC "mock.topic"

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *cluster;
static const char *const topics[] = {TOPIC};

struct fates {
    atomic_int acked, failed;
};

static void on_ack(void *ctx, const struct err *err)
{
    struct fates *fates = ctx;

    atomic_fetch_add(err ? &fates->failed : &fates->acked, 1);
}

static int begin(void **state)
{
    char why[128];

    (void)state;
    host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));
    cluster = rd_kafka_mock_cluster_new(host, 1);
    return rd_kafka_mock_topic_create(cluster, TOPIC, 2, 1);
}

static int end(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
    return 0;
}

static struct producer_conf conf_of(int64_t inflight_max, int64_t give_up_ms)
{
    return (struct producer_conf){
        .kafka = {.brokers = rd_kafka_mock_cluster_bootstraps(cluster), .client_id = "test"},
        .inflight_max = inflight_max,
        .give_up_ms = give_up_ms,
        .topics = topics,
        .topics_n = 1};
}

static struct record record_of(const char *value, size_t len)
{
    return (struct record){
        .topic = TOPIC, .key = "k", .key_len = 1, .value = value, .value_len = len};
}

static void wait_for(struct fates *fates, int n)
{
    int64_t until_ms = clock_mono_ms() + 10000;

    while (atomic_load(&fates->acked) + atomic_load(&fates->failed) < n &&
           clock_mono_ms() < until_ms)
        clock_sleep_ms(1);
}

static void acks_each_once(void **state)
{
    struct producer_conf conf = conf_of(1000, 5000);
    AUTO(auto_producer) struct producer *p = NULL;
    struct fates fates = {0};
    struct record rec = record_of("value", 5);
    struct err err = {0};

    (void)state;
    assert_ok(producer_open(&p, &conf, &err), &err);
    assert_true(record_header_add(&rec, "ce_id", "x"));
    for (int i = 0; i < 500; i++)
        assert_ok(producer_send(p, &rec, on_ack, &fates, &err), &err);
    wait_for(&fates, 500);
    assert_int_equal(atomic_load(&fates.acked), 500);
    assert_int_equal(atomic_load(&fates.failed), 0);
    assert_int_equal(producer_inflight(p), 0);
    assert_false(producer_broken(p));
}

#define KEYS     16
#define PER_KEY  50
#define OVERLAPS 1000000 /* what an overlapping callback adds: more than any order could */

struct sequence { /* one key's acknowledgements */
    struct fates *fates;
    atomic_int *inside;
    int number, *next;
    atomic_int *wrong;
};

static void on_ack_in_order(void *ctx, const struct err *err)
{
    struct sequence *seq = ctx;

    if (atomic_fetch_add(seq->inside, 1) != 0)
        atomic_fetch_add(seq->wrong, OVERLAPS);
    if (seq->number != (*seq->next)++)
        atomic_fetch_add(seq->wrong, 1);
    on_ack(seq->fates, err);
    atomic_fetch_sub(seq->inside, 1);
}

static void keeps_a_keys_order_and_calls_back_one_at_a_time(void **state)
{
    static struct sequence sequences[PER_KEY][KEYS];
    struct producer_conf conf = conf_of(KEYS * PER_KEY, 5000);
    AUTO(auto_producer) struct producer *p = NULL;
    struct fates fates = {0};
    atomic_int inside = 0, wrong = 0;
    int next[KEYS] = {0};
    struct err err = {0};

    (void)state;
    assert_ok(producer_open(&p, &conf, &err), &err);
    for (int n = 0; n < PER_KEY; n++)
        for (int k = 0; k < KEYS; k++) {
            const char key = (char)('a' + k);
            struct record rec = record_of("value", 5);

            rec.key = &key;
            sequences[n][k] = (struct sequence){&fates, &inside, n, &next[k], &wrong};
            assert_ok(producer_send(p, &rec, on_ack_in_order, &sequences[n][k], &err), &err);
        }
    wait_for(&fates, KEYS * PER_KEY);
    assert_int_equal(atomic_load(&fates.acked), KEYS * PER_KEY);
    assert_int_equal(atomic_load(&wrong), 0);
}

static void tells_of_a_broker_that_is_gone(void **state)
{
    struct producer_conf conf = conf_of(10, 500);
    AUTO(auto_producer) struct producer *p = NULL;
    struct fates fates = {0};
    struct record rec = record_of("value", 5);
    struct err err = {0};

    (void)state;
    assert_ok(producer_open(&p, &conf, &err), &err);
    rd_kafka_mock_broker_set_down(cluster, 1);
    assert_ok(producer_send(p, &rec, on_ack, &fates, &err), &err);
    wait_for(&fates, 1);
    rd_kafka_mock_broker_set_up(cluster, 1);
    assert_int_equal(atomic_load(&fates.failed), 1);
    assert_int_equal(atomic_load(&fates.acked), 0);
}

static void is_bounded(void **state)
{
    struct producer_conf conf = conf_of(3, 5000);
    AUTO(auto_producer) struct producer *p = NULL;
    struct fates fates = {0};
    struct record rec = record_of("value", 5);
    struct err err = {0};
    int taken = 0;

    (void)state;
    assert_ok(producer_open(&p, &conf, &err), &err);
    rd_kafka_mock_broker_set_down(cluster, 1); /* so that nothing is acked meanwhile */
    for (int i = 0; i < 10; i++)
        taken += producer_send(p, &rec, on_ack, &fates, &err);
    assert_int_equal(taken, 3);
    assert_int_equal(err.kind, ERR_TRANSIENT);
    rd_kafka_mock_broker_set_up(cluster, 1);
    wait_for(&fates, 3);
    assert_int_equal(atomic_load(&fates.acked) + atomic_load(&fates.failed), 3);
}

static void refuses_what_is_too_large(void **state)
{
    struct producer_conf conf = conf_of(10, 5000);
    AUTO(auto_producer) struct producer *p = NULL;
    AUTO(auto_free) char *large = calloc(1, 4 * 1024 * 1024);
    struct fates fates = {0};
    struct record rec = record_of(large, 4 * 1024 * 1024);
    struct err err = {0};

    (void)state;
    assert_ok(producer_open(&p, &conf, &err), &err);
    assert_false(producer_send(p, &rec, on_ack, &fates, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(producer_inflight(p), 0);
}

static void settles_everything_when_it_closes(void **state)
{
    struct producer_conf conf = conf_of(100, 60000);
    struct producer *p = NULL;
    struct fates fates = {0};
    struct record rec = record_of("value", 5);
    struct err err = {0};

    (void)state;
    assert_ok(producer_open(&p, &conf, &err), &err);
    rd_kafka_mock_broker_set_down(cluster, 1);
    for (int i = 0; i < 20; i++)
        assert_ok(producer_send(p, &rec, on_ack, &fates, &err), &err);
    producer_close(p);
    rd_kafka_mock_broker_set_up(cluster, 1);
    assert_int_equal(atomic_load(&fates.acked) + atomic_load(&fates.failed), 20);
}

static const struct row {
    const char *name, *properties, *wanted, *never;
} rows[] = {
    {"no equals sign", "security.protocol", "KEY=VALUE", NULL},
    {"unknown property", "linger.mss=1", "linger.mss", NULL},
    {"bad value is named", "security.protocol=tls", "security.protocol=tls", NULL},
    {"a secret is never shown", "sasl.password.x=hunter2", "sasl.password.x", "hunter2"},
};

static void refuses_properties(void **state)
{
    const struct row *row = *state;
    struct producer_conf conf = conf_of(10, 5000);
    struct producer *p = NULL;
    struct err err = {0};

    conf.kafka.properties = row->properties;
    assert_false(producer_open(&p, &conf, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_contains(err.text, row->wanted);
    if (row->never)
        assert_null(strstr(err.text, row->never));
}

static void takes_several_properties(void **state)
{
    struct producer_conf conf = conf_of(10, 5000);
    AUTO(auto_producer) struct producer *p = NULL;
    struct err err = {0};

    (void)state;
    conf.kafka.properties = " security.protocol = plaintext ;\n# a remark\nsocket.timeout.ms=9000;";
    assert_ok(producer_open(&p, &conf, &err), &err);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, acks_each_once);
    TEST_ADD(&list, keeps_a_keys_order_and_calls_back_one_at_a_time);
    TEST_ADD(&list, tells_of_a_broker_that_is_gone);
    TEST_ADD(&list, is_bounded);
    TEST_ADD(&list, refuses_what_is_too_large);
    TEST_ADD(&list, settles_everything_when_it_closes);
    TEST_ADD(&list, takes_several_properties);
    TEST_ADD_ROWS(&list, rows, refuses_properties);
    return _cmocka_run_group_tests("kafka_producer", list.tests, list.n, begin, end);
}
