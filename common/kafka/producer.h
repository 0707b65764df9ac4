/*
 * producer - hands records to Kafka and reports the fate of each exactly once.
 *
 * Threads     producer_send() from any. Callbacks run on the producer's own thread, one at a time;
 *             they must not block. All else: the thread that opened it.
 * Ownership   The record is copied. `ctx` is borrowed until its callback has run.
 * Bounds      inflight_max records; one more is ERR_TRANSIENT at once.
 * Guarantee   Acked: every in-sync replica has it (acks=all, idempotent).
 * Time        Stops trying after give_up_ms; the callback comes LATER (librdkafka 2.0.2, broker
 *             gone: 3 s set, 4 to 10 s seen). Hard limit? Keep your own clock.
 * Fatal       When librdkafka declares the idempotent producer fatally broken, every later send is
 *             ERR_TRANSIENT and producer_broken() is true: close it, open a new one, send again
 *             what was not acked (derived ids make that harmless).
 */
#ifndef COMMON_KAFKA_PRODUCER_H
#define COMMON_KAFKA_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/kafka/client.h"
#include "common/kafka/record.h"

struct producer;

struct producer_conf {
    struct kafka_conf kafka;
    int64_t inflight_max;      /* records */
    int64_t give_up_ms;        /* message.timeout.ms */
    const char *const *topics; /* warmed before producer_open() returns */
    size_t topics_n;
};

typedef void producer_ack_fn(void *ctx, const struct err *err); /* NULL err: acked */

/* ERR_CONFIG: unknown or out-of-range property, or a missing topic. ERR_TRANSIENT: no broker
 * answered within 10 s. */
bool producer_open(struct producer **ret, const struct producer_conf *conf,
                   struct err *err) MUST_CHECK;

/* Waits up to 5 s for the last acks; what is then still unsettled gets its callback with
 * ERR_TRANSIENT. */
void producer_close(struct producer *p);
DEFINE_AUTO(auto_producer, struct producer, producer_close)

/* Never blocks. True: `fn` will run once. False: it will never run. ERR_INPUT: too large. */
bool producer_send(struct producer *p, const struct record *rec, producer_ack_fn *fn, void *ctx,
                   struct err *err) MUST_CHECK;

bool producer_broken(const struct producer *p);
int64_t producer_inflight(const struct producer *p);

#endif
