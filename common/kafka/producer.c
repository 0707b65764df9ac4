#include "common/kafka/producer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"

#define OPEN_TIMEOUT_MS  10000
#define CLOSE_TIMEOUT_MS 5000

struct sent { /* one per record under way; librdkafka carries it as the message's opaque */
    producer_ack_fn *fn;
    void *ctx;
};

/* The broker takes one request of a connection at a time, and librdkafka puts one partition into a
 * request: while one partition's records are flushed the others wait, unless they have a connection
 * of their own. A lane is such a connection; a key has always the same one. */
#define LANES 4

struct lane {
    rd_kafka_t *rk;
    pthread_t poller;
    bool has_poller;
    struct producer *owner;
};

struct producer {
    struct lane lanes[LANES];
    pthread_mutex_t settling; /* the pollers call back one at a time */
    atomic_bool stop, broken;
    _Atomic int64_t inflight;
    int64_t inflight_max;
};

static void settle(struct producer *p, struct sent *sent, const struct err *err)
{
    pthread_mutex_lock(&p->settling);
    sent->fn(sent->ctx, err);
    pthread_mutex_unlock(&p->settling);
    free(sent);
    atomic_fetch_sub(&p->inflight, 1);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    struct producer *p = opaque;
    struct err why = {0};

    (void)rk;
    FAILPOINT("producer.acked");
    if (!msg->err) {
        settle(p, msg->_private, NULL);
        return;
    }
    err_set(&why, ERR_TRANSIENT, "not acknowledged: %s", rd_kafka_err2str(msg->err));
    settle(p, msg->_private, &why);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct producer *p = opaque;
    char text[256];

    if (code != RD_KAFKA_RESP_ERR__FATAL)
        return; /* connections come and go; librdkafka's log says so */
    rd_kafka_fatal_error(rk, text, sizeof(text));
    atomic_store(&p->broken, true);
    log_at(LOG_ERROR, "producer is fatally broken and has to be opened anew", log_str("why", text),
           log_str("detail", reason));
}

static void *poll_loop(void *arg)
{
    struct lane *lane = arg;

    while (!atomic_load(&lane->owner->stop))
        rd_kafka_poll(lane->rk, 100);
    return NULL;
}

static bool set_int(rd_kafka_conf_t *conf, const char *key, int64_t value, struct err *err)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    return kafka_set(conf, key, text, err);
}

static bool open_lane(struct producer *p, struct lane *lane, const struct producer_conf *conf,
                      struct err *err)
{
    rd_kafka_conf_t *rk_conf = NULL;

    if (!kafka_conf_new(&rk_conf, &conf->kafka, err))
        return false;
    if (!kafka_set(rk_conf, "enable.idempotence", "true", err) ||
        !kafka_set(rk_conf, "acks", "all", err) ||
        !kafka_set(rk_conf, "partitioner", "murmur2_random", err) ||
        !kafka_set(rk_conf, "linger.ms", "0", err) ||
        !set_int(rk_conf, "message.timeout.ms", conf->give_up_ms, err) ||
        !set_int(rk_conf, "queue.buffering.max.messages", conf->inflight_max, err) ||
        !kafka_set(rk_conf, "message.max.bytes", "2097152", err)) {
        rd_kafka_conf_destroy(rk_conf);
        return false;
    }
    rd_kafka_conf_set_opaque(rk_conf, p);
    rd_kafka_conf_set_dr_msg_cb(rk_conf, on_delivery);
    rd_kafka_conf_set_error_cb(rk_conf, on_error);
    lane->owner = p;
    if (!kafka_new(&lane->rk, RD_KAFKA_PRODUCER, rk_conf, err))
        return false;
    if (pthread_create(&lane->poller, NULL, poll_loop, lane) != 0)
        return err_set(err, ERR_FATAL, "no thread for the producer");
    return lane->has_poller = true;
}

/* All are opened before the first is waited for. */
static bool start(struct producer *p, const struct producer_conf *conf, struct err *err)
{
    for (size_t i = 0; i < LANES; i++)
        if (!open_lane(p, &p->lanes[i], conf, err))
            return false;
    for (size_t i = 0; i < LANES; i++)
        if (!kafka_warm(p->lanes[i].rk, conf->topics, conf->topics_n, OPEN_TIMEOUT_MS, err))
            return false;
    return true;
}

bool producer_open(struct producer **ret, const struct producer_conf *conf, struct err *err)
{
    AUTO(auto_producer) struct producer *p = calloc(1, sizeof(*p));

    if (!p)
        return err_memory(err);
    p->inflight_max = conf->inflight_max;
    pthread_mutex_init(&p->settling, NULL);
    if (!start(p, conf, err))
        return err_wrap(err, "producer");
    *ret = TAKE(p);
    return true;
}

static void wait_for_acks(const struct producer *p, int64_t wait_ms)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;

    while (atomic_load(&p->inflight) > 0 && clock_mono_ms() < until_ms)
        clock_sleep_ms(1);
}

void producer_close(struct producer *p)
{
    if (!p)
        return;
    wait_for_acks(p, CLOSE_TIMEOUT_MS);
    if (atomic_load(&p->inflight) > 0) {
        for (size_t i = 0; i < LANES; i++)
            rd_kafka_purge(p->lanes[i].rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        wait_for_acks(p, 1000);
    }
    atomic_store(&p->stop, true);
    for (size_t i = 0; i < LANES; i++) {
        if (p->lanes[i].has_poller)
            pthread_join(p->lanes[i].poller, NULL);
        if (p->lanes[i].rk)
            rd_kafka_destroy(p->lanes[i].rk);
    }
    pthread_mutex_destroy(&p->settling);
    free(p);
}

/* librdkafka owns the list only when the send succeeded. */
static rd_kafka_headers_t *headers_of(const struct record *rec)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(rec->headers_n);

    for (size_t i = 0; i < rec->headers_n; i++)
        rd_kafka_header_add(headers, rec->headers[i].name, -1, rec->headers[i].value,
                            (ssize_t)rec->headers[i].value_len);
    return headers;
}

/* As many lanes as divide the partitions: then a partition has one lane, too. */
static rd_kafka_t *lane_of(const struct producer *p, const struct record *rec)
{
    int32_t at =
        rec->key ? rd_kafka_msg_partitioner_murmur2(NULL, rec->key, rec->key_len, LANES, NULL, NULL)
                 : 0;

    return p->lanes[at].rk;
}

static bool hand_on(struct producer *p, const struct record *rec, struct sent *sent,
                    struct err *err)
{
    rd_kafka_headers_t *headers = headers_of(rec);
    union { /* librdkafka copies (F_COPY) but takes plain pointers */
        const void *in;
        void *out;
    } value = {.in = rec->value}, key = {.in = rec->key};
    rd_kafka_resp_err_t rc = rd_kafka_producev(
        lane_of(p, rec), RD_KAFKA_V_TOPIC(rec->topic), RD_KAFKA_V_KEY(key.out, rec->key_len),
        RD_KAFKA_V_VALUE(value.out, rec->value_len), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(sent), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);

    if (!rc)
        return true;
    rd_kafka_headers_destroy(headers);
    return err_set(err, rc == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? ERR_INPUT : ERR_TRANSIENT,
                   "send to %s: %s", rec->topic, rd_kafka_err2str(rc));
}

bool producer_send(struct producer *p, const struct record *rec, producer_ack_fn *fn, void *ctx,
                   struct err *err)
{
    struct sent *sent;

    if (atomic_load(&p->broken))
        return err_set(err, ERR_TRANSIENT, "the producer is broken");
    if (atomic_fetch_add(&p->inflight, 1) >= p->inflight_max) {
        atomic_fetch_sub(&p->inflight, 1);
        return err_set(err, ERR_TRANSIENT, "%lld records wait for their acknowledgement already",
                       (long long)p->inflight_max);
    }
    sent = malloc(sizeof(*sent));
    if (!sent) {
        atomic_fetch_sub(&p->inflight, 1);
        return err_memory(err);
    }
    *sent = (struct sent){fn, ctx};
    if (hand_on(p, rec, sent, err)) {
        FAILPOINT("producer.sent");
        return true;
    }
    free(sent);
    atomic_fetch_sub(&p->inflight, 1);
    return false;
}

bool producer_broken(const struct producer *p)
{
    return atomic_load(&p->broken);
}

int64_t producer_inflight(const struct producer *p)
{
    return atomic_load(&p->inflight);
}
