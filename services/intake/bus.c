#include "services/intake/bus.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/kafka/admin.h"

enum {
    TURN_MS = 200,
    STALLED_TURNS = 10, /* records wait and none is acknowledged: 2 s */
    GIVE_UP_MS =
        10000, /* the sender was answered long before; what comes late is a repeat of its repeat */
};

struct bus {
    struct bus_conf conf;
    pthread_rwlock_t lock; /* written only to put a producer in or to take it out */
    struct producer *producer;
    bool topics_checked;
    _Atomic int64_t acked_n;
};

bool bus_open(struct bus **ret, const struct bus_conf *conf, struct err *err)
{
    struct bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return err_memory(err);
    bus->conf = *conf;
    (void)pthread_rwlock_init(&bus->lock, NULL);
    *ret = bus;
    return true;
}

/* Nobody sends through the old one when this returns. */
static struct producer *exchange(struct bus *bus, struct producer *fresh)
{
    struct producer *old;

    pthread_rwlock_wrlock(&bus->lock);
    old = bus->producer;
    bus->producer = fresh;
    pthread_rwlock_unlock(&bus->lock);
    return old;
}

void bus_close(struct bus *bus)
{
    if (!bus)
        return;
    producer_close(exchange(bus, NULL));
    (void)pthread_rwlock_destroy(&bus->lock);
    free(bus);
}

bool bus_send(struct bus *bus, const struct record *rec, producer_ack_fn *fn, void *ctx,
              struct err *err)
{
    bool ok;

    if (pthread_rwlock_tryrdlock(&bus->lock) != 0)
        return err_set(err, ERR_TRANSIENT, "the bus is being opened");
    ok = bus->producer ? producer_send(bus->producer, rec, fn, ctx, err)
                       : err_set(err, ERR_TRANSIENT, "the bus is not there");
    pthread_rwlock_unlock(&bus->lock);
    return ok;
}

static bool open_producer(struct bus *bus, struct err *err)
{
    const struct bus_conf *own = &bus->conf;
    struct producer_conf conf = {.kafka = own->kafka,
                                 .inflight_max = own->inflight_max,
                                 .give_up_ms = GIVE_UP_MS,
                                 .topics = own->outputs,
                                 .topics_n = own->outputs_n};
    struct producer *fresh = NULL;

    if (!bus->topics_checked && own->topics_n > 0 &&
        !topics_check(&own->kafka, own->topics, own->topics_n, err))
        return false;
    bus->topics_checked = true;
    if (!producer_open(&fresh, &conf, err))
        return false;
    producer_close(exchange(bus, fresh));
    return true;
}

void bus_acked(struct bus *bus)
{
    atomic_fetch_add_explicit(&bus->acked_n, 1, memory_order_relaxed);
}

/* Says whether acknowledgements come in. */
static void watch(struct bus *bus, struct service *svc, int64_t *last_acked_n, unsigned *stalled)
{
    int64_t acked_n = atomic_load_explicit(&bus->acked_n, memory_order_relaxed);
    bool waits = producer_inflight(bus->producer) > 0 && acked_n == *last_acked_n;

    *stalled = waits ? *stalled + 1 : 0;
    *last_acked_n = acked_n;
    if (*stalled < STALLED_TURNS)
        service_check(svc, "kafka", true, "acknowledges");
    else
        service_check(svc, "kafka", false, "acknowledges nothing: reports are answered 503");
}

bool bus_once(void *ctx, struct service *svc, struct err *err)
{
    struct bus *bus = ctx;
    int64_t last_acked_n = 0;
    unsigned stalled = 0;

    service_check(svc, "kafka", false, "no producer: reports are answered 503");
    service_alive(svc, "bus");
    if (!open_producer(bus, err))
        return false;
    while (!service_stopping(svc) && !producer_broken(bus->producer)) {
        service_alive(svc, "bus");
        watch(bus, svc, &last_acked_n, &stalled);
        service_pause(svc, TURN_MS);
    }
    if (service_stopping(svc))
        return true;
    producer_close(exchange(bus, NULL)); /* what waited is answered 503 */
    return err_set(err, ERR_TRANSIENT, "the producer broke and is opened anew");
}
