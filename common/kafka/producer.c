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
/* What is there when a request is made travels together anyway; a wait would be a whole millisecond,
 * however short it is asked for. */
#define LINGER_MS "0"

struct sent { /* one per record under way; librdkafka carries it as the message's opaque */
    producer_ack_fn *fn;
    void *ctx;
};

struct producer {
    rd_kafka_t *rk;
    pthread_t poller;
    bool has_poller;
    atomic_bool stop, broken;
    _Atomic int64_t inflight;
    int64_t inflight_max;
};

static void settle(struct producer *p, struct sent *sent, const struct err *err)
{
    sent->fn(sent->ctx, err);
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
    struct producer *p = arg;

    while (!atomic_load(&p->stop))
        rd_kafka_poll(p->rk, 100);
    return NULL;
}

static bool set_int(rd_kafka_conf_t *conf, const char *key, int64_t value, struct err *err)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    return kafka_set(conf, key, text, err);
}

static bool start(struct producer *p, const struct producer_conf *conf, struct err *err)
{
    rd_kafka_conf_t *rk_conf = NULL;

    if (!kafka_conf_new(&rk_conf, &conf->kafka, err))
        return false;
    if (!kafka_set(rk_conf, "enable.idempotence", "true", err) ||
        !kafka_set(rk_conf, "acks", "all", err) ||
        !kafka_set(rk_conf, "partitioner", "murmur2_random", err) ||
        !kafka_set(rk_conf, "linger.ms", LINGER_MS, err) ||
        !set_int(rk_conf, "message.timeout.ms", conf->give_up_ms, err) ||
        !set_int(rk_conf, "queue.buffering.max.messages", conf->inflight_max, err) ||
        !kafka_set(rk_conf, "message.max.bytes", "2097152", err)) {
        rd_kafka_conf_destroy(rk_conf);
        return false;
    }
    rd_kafka_conf_set_opaque(rk_conf, p);
    rd_kafka_conf_set_dr_msg_cb(rk_conf, on_delivery);
    rd_kafka_conf_set_error_cb(rk_conf, on_error);
    if (!kafka_new(&p->rk, RD_KAFKA_PRODUCER, rk_conf, err))
        return false;
    if (pthread_create(&p->poller, NULL, poll_loop, p) != 0)
        return err_set(err, ERR_FATAL, "no thread for the producer");
    p->has_poller = true;
    return kafka_warm(p->rk, conf->topics, conf->topics_n, OPEN_TIMEOUT_MS, err);
}

bool producer_open(struct producer **ret, const struct producer_conf *conf, struct err *err)
{
    AUTO(auto_producer) struct producer *p = calloc(1, sizeof(*p));

    if (!p)
        return err_memory(err);
    p->inflight_max = conf->inflight_max;
    if (!start(p, conf, err))
        return err_wrap(err, "producer");
    *ret = TAKE(p);
    return true;
}

void producer_close(struct producer *p)
{
    int64_t until_ms = clock_mono_ms() + CLOSE_TIMEOUT_MS;

    if (!p)
        return;
    while (p->has_poller && atomic_load(&p->inflight) > 0 && clock_mono_ms() < until_ms)
        clock_sleep_ms(1); /* the poller delivers the last acks */
    if (p->rk && atomic_load(&p->inflight) > 0) {
        rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        until_ms = clock_mono_ms() + 1000;
        while (atomic_load(&p->inflight) > 0 && clock_mono_ms() < until_ms)
            clock_sleep_ms(1);
    }
    atomic_store(&p->stop, true);
    if (p->has_poller)
        pthread_join(p->poller, NULL);
    if (p->rk)
        rd_kafka_destroy(p->rk);
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

static bool hand_on(struct producer *p, const struct record *rec, struct sent *sent,
                    struct err *err)
{
    rd_kafka_headers_t *headers = headers_of(rec);
    union { /* librdkafka copies (F_COPY) but takes plain pointers */
        const void *in;
        void *out;
    } value = {.in = rec->value}, key = {.in = rec->key};
    rd_kafka_resp_err_t rc = rd_kafka_producev(
        p->rk, RD_KAFKA_V_TOPIC(rec->topic), RD_KAFKA_V_KEY(key.out, rec->key_len),
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
