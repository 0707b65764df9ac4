/* The bus against librdkafka's mock cluster: a producer that broke for good is replaced behind the
 * senders' backs, and no sender ever waits. */
#include "services/intake/bus.h"

#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/http/client.h"
#include "tests/support/test.h"

#define TOPIC "mock.topic"

enum { DEADLINE_MS = 20000, WINDOW_MS = 200 };

static const char *const outputs[] = {TOPIC};

struct bench {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    struct service *svc;
    struct bus *bus;
    pthread_t main_thread; /* stands for a service's main thread */
    struct err err;
    bool ended_well;
    atomic_int acked, failed;
};

static void *main_loop(void *ctx)
{
    struct bench *b = ctx;

    b->ended_well = service_loop(b->svc, "bus", bus_once, b->bus, &b->err);
    return NULL;
}

static void begin(struct bench *b)
{
    struct service_conf service = {.name = "test", .instance = "a", .admin_listen = "127.0.0.1:0"};
    struct bus_conf conf = {.inflight_max = 1000, .outputs = outputs, .outputs_n = 1};
    struct err err = {0};
    char why[128];

    log_open("test", "", LOG_ERROR);
    b->host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));
    b->cluster = rd_kafka_mock_cluster_new(b->host, 1);
    assert_int_equal(rd_kafka_mock_topic_create(b->cluster, TOPIC, 1, 1), 0);
    conf.kafka = (struct kafka_conf){.brokers = rd_kafka_mock_cluster_bootstraps(b->cluster),
                                     .client_id = "test"};
    assert_ok(service_open(&b->svc, &service, &err), &err);
    assert_ok(bus_open(&b->bus, &conf, &err), &err);
}

static void end(struct bench *b)
{
    service_request_stop(b->svc);
    (void)pthread_join(b->main_thread, NULL);
    assert_true(b->ended_well);
    bus_close(b->bus);
    service_close(b->svc);
    rd_kafka_mock_cluster_destroy(b->cluster);
    rd_kafka_destroy(b->host);
}

static void on_ack(void *ctx, const struct err *err)
{
    struct bench *b = ctx;

    atomic_fetch_add(err ? &b->failed : &b->acked, 1);
    if (!err)
        bus_acked(b->bus);
}

static bool send_one(struct bench *b, struct err *err)
{
    struct record rec = {.topic = TOPIC, .key = "k", .key_len = 1, .value = "v", .value_len = 1};
    int64_t began_ms = clock_mono_ms();
    bool ok = bus_send(b->bus, &rec, on_ack, b, err);

    assert_true(clock_mono_ms() - began_ms < WINDOW_MS); /* never waits */
    return ok;
}

/* Sends until `n` more are acknowledged; refused sends are repeated, as clients do. */
static int send_until_acked(struct bench *b, int n)
{
    int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
    int wanted = atomic_load(&b->acked) + n, refused = 0;

    while (atomic_load(&b->acked) < wanted) {
        struct err err = {0};

        assert_true(clock_mono_ms() < until_ms);
        if (!send_one(b, &err)) {
            assert_int_equal(err.kind, ERR_TRANSIENT);
            refused++;
        }
        clock_sleep_ms(5);
    }
    return refused;
}

static void before_there_is_a_producer_sends_are_refused(void **state)
{
    struct bench b = {0};
    struct err err = {0};

    (void)state;
    begin(&b);
    assert_fails(send_one(&b, &err), &err, ERR_TRANSIENT, "not there");
    assert_int_equal(pthread_create(&b.main_thread, NULL, main_loop, &b), 0);
    (void)send_until_acked(&b, 10);
    end(&b);
    assert_int_equal(atomic_load(&b.failed), 0);
}

static void a_producer_that_broke_is_opened_anew(void **state)
{
    struct bench b = {0};

    (void)state;
    begin(&b);
    assert_int_equal(pthread_create(&b.main_thread, NULL, main_loop, &b), 0);
    (void)send_until_acked(&b, 10);
    rd_kafka_mock_push_request_errors(b.cluster, 0 /* Produce */, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    (void)send_until_acked(&b, 1); /* the old producer's, or the new one's */
    assert_true(send_until_acked(&b, 200) > 0 || atomic_load(&b.failed) > 0);
    (void)send_until_acked(&b, 10);
    end(&b);
}

static bool is_ready(const struct bench *b)
{
    AUTO(auto_free) char *body = NULL;
    char url[64];
    struct http_transfer t = {.url = url, .method = "GET", .timeout_ms = DEADLINE_MS};
    struct err err = {0};
    size_t len = 0;
    int status = 0;

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/readyz", service_admin_port(b->svc));
    assert_ok(http_fetch(&t, NULL, &status, &body, &len, &err), &err);
    return strstr(body, "\"kafka\",\"ready\":true") != NULL;
}

static void wait_ready(const struct bench *b, bool wanted)
{
    int64_t until_ms = clock_mono_ms() + DEADLINE_MS;

    while (is_ready(b) != wanted) {
        assert_true(clock_mono_ms() < until_ms);
        clock_sleep_ms(20);
    }
}

/* A record that was given up leaves nothing waiting, and Kafka is away all the same. */
static void without_kafka_it_is_not_ready(void **state)
{
    struct bench b = {0};
    struct err err = {0};
    int64_t until_ms;

    (void)state;
    begin(&b);
    assert_int_equal(pthread_create(&b.main_thread, NULL, main_loop, &b), 0);
    wait_ready(&b, true);
    rd_kafka_mock_broker_set_down(b.cluster, 1);
    wait_ready(&b, false); /* without any traffic */
    assert_ok(send_one(&b, &err), &err);
    until_ms = clock_mono_ms() + 2 * DEADLINE_MS;
    while (atomic_load(&b.failed) == 0) {
        assert_true(clock_mono_ms() < until_ms);
        assert_false(is_ready(&b));
        clock_sleep_ms(20);
    }
    for (int i = 0; i < 20; i++, clock_sleep_ms(50)) /* a few turns of the bus */
        assert_false(is_ready(&b));
    rd_kafka_mock_broker_set_up(b.cluster, 1);
    wait_ready(&b, true);
    end(&b);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, before_there_is_a_producer_sends_are_refused);
    TEST_ADD(&list, a_producer_that_broke_is_opened_anew);
    TEST_ADD(&list, without_kafka_it_is_not_ready);
    return test_run("intake bus", &list);
}
