#include "services/intake/bus.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/kafka/admin.h"

enum {
    TURN_MS = 200,
    STALLED_MS = 2000, /* records wait so long and none is acknowledged */
    ASK_MS = 1000,     /* between two questions to the brokers while none is acknowledged */
    SILENT_MS = 3000,  /* no answer either */
    GIVE_UP_MS =
        10000, /* the sender was answered long before; what comes late is a repeat of its repeat */
};

struct bus {
    struct bus_conf conf;
    pthread_rwlock_t lock; /* written only to put a producer in or to take it out */
    struct producer *producer;
    rd_kafka_t *asker; /* the main thread's */
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
    if (bus->asker)
        rd_kafka_destroy(bus->asker);
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

static bool open_asker(struct bus *bus, struct err *err)
{
    rd_kafka_conf_t *conf = NULL;

    return bus->asker || (kafka_conf_new(&conf, &bus->conf.kafka, err) &&
                          kafka_new(&bus->asker, RD_KAFKA_PRODUCER, conf, err));
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
    if (!open_asker(bus, err) || !producer_open(&fresh, &conf, err))
        return false;
    producer_close(exchange(bus, fresh));
    return true;
}

void bus_acked(struct bus *bus)
{
    atomic_fetch_add_explicit(&bus->acked_n, 1, memory_order_relaxed);
}

struct watch {
    int64_t acked_n;
    int64_t moved_ms;    /* the last acknowledgement, or that nothing waited for one */
    int64_t answered_ms; /* the last sign of a broker */
    int64_t ask_due_ms;
};

/* A record that was given up leaves nothing waiting: without a question Kafka would seem back. */
static bool answers(struct bus *bus)
{
    struct err ignored = {0};

    return kafka_warm(bus->asker, bus->conf.outputs, 1, ASK_MS, &ignored);
}

static void watch(struct bus *bus, struct service *svc, struct watch *w)
{
    int64_t acked_n = atomic_load_explicit(&bus->acked_n, memory_order_relaxed);
    int64_t now_ms = clock_mono_ms();
    bool acked = acked_n != w->acked_n;

    w->acked_n = acked_n;
    if (acked || producer_inflight(bus->producer) == 0)
        w->moved_ms = now_ms;
    if (!acked && now_ms >= w->ask_due_ms) {
        w->ask_due_ms = now_ms + ASK_MS;
        acked = answers(bus);
        now_ms = clock_mono_ms();
    }
    if (acked)
        w->answered_ms = now_ms;
    if (now_ms - w->moved_ms >= STALLED_MS)
        service_check(svc, "kafka", false, "acknowledges nothing: reports are answered 503");
    else if (now_ms - w->answered_ms >= SILENT_MS)
        service_check(svc, "kafka", false, "no broker answers: reports are answered 503");
    else
        service_check(svc, "kafka", true, "answers");
}

bool bus_once(void *ctx, struct service *svc, struct err *err)
{
    struct bus *bus = ctx;
    struct watch w = {0};

    service_check(svc, "kafka", false, "no producer: reports are answered 503");
    service_alive(svc, "bus");
    if (!open_producer(bus, err))
        return false;
    w.moved_ms = w.answered_ms = clock_mono_ms();
    while (!service_stopping(svc) && !producer_broken(bus->producer)) {
        service_alive(svc, "bus");
        watch(bus, svc, &w);
        service_pause(svc, TURN_MS);
    }
    if (service_stopping(svc))
        return true;
    producer_close(exchange(bus, NULL)); /* what waited is answered 503 */
    return err_set(err, ERR_TRANSIENT, "the producer broke and is opened anew");
}
