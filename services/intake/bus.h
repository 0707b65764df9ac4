/*
 * bus - the producer that the handlers send through, opened anew behind their backs when it breaks.
 *
 * Threads     bus_send() from any, never blocks; bus_once() on the main thread, inside
 *             service_loop().
 * Guarantee   As producer.h. While there is no producer bus_send() is ERR_TRANSIENT at once.
 * Ready       The check "kafka" of the service: false until a producer is open, while records wait
 *             and none is acknowledged, and while no broker answers (asked every second when none
 *             is acknowledged).
 * Stop        bus_once() returns with the producer open, so that acknowledgements still come in;
 *             bus_close() waits for the last.
 */
#ifndef SERVICES_INTAKE_BUS_H
#define SERVICES_INTAKE_BUS_H

#include "common/base/topic.h"
#include "common/kafka/producer.h"
#include "common/service/service.h"

struct bus;

struct bus_conf {
    struct kafka_conf kafka;
    int64_t inflight_max;
    const struct topic *topics; /* checked before the first opening; none: not */
    size_t topics_n;
    const char *const *outputs; /* topics that are written, warmed */
    size_t outputs_n;
};

bool bus_open(struct bus **ret, const struct bus_conf *conf, struct err *err) MUST_CHECK;
void bus_close(struct bus *bus);
DEFINE_AUTO(auto_bus, struct bus, bus_close)

bool bus_send(struct bus *bus, const struct record *rec, producer_ack_fn *fn, void *ctx,
              struct err *err) MUST_CHECK;

/* The callbacks of bus_send() tell each acknowledgement: that is what readiness goes by. */
void bus_acked(struct bus *bus);

/* A service_once_fn: ctx is the bus. */
bool bus_once(void *ctx, struct service *svc, struct err *err);

#endif
