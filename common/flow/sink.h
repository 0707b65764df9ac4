/*
 * sink - records → one PostgreSQL transaction {offsets, seen ids, changes, outbox} → relay;
 * exactly-once effects without distributed transactions.
 *
 *     poll · begin · advance offsets · seen · apply · outbox · commit · relay · mark
 *
 * Killed before the commit: nothing was stored. After it: the outbox waits for the relay.
 *
 * Tables      In the service's schema, made by common/flow/sql: kafka_offset, kafka_gap, seen,
 *             outbox, and the function sink_advance (see there).
 * Threads     sink_run() on one thread: it polls, applies, and calls `tick`. Acks of relayed
 *             records come on librdkafka's thread. A thread of the sink's own asks the broker for
 *             the ends of the partitions every 250 ms.
 * Batches     Take what is already there, up to batch_max records; wait only when nothing is. A
 *             batch that fails with ERR_INPUT is rolled back and halved until the poison is found;
 *             that one goes to the dead letters through the outbox. Everything else pauses and
 *             repeats.
 * Offsets     From PostgreSQL, given to rd_kafka_assign(); committed to Kafka as a hint only.
 *             sink_advance() raises when another instance moved them. With PostgreSQL away nothing
 *             is assigned until they are read, and polling goes on.
 * Caught up   caught_up_to of a partition: the time at which the broker said where its end is, once
 *             everything before that end is applied. Stored beside the offset (hard case 1), so
 *             timers know up to when they have heard everything.
 * Outbox      sink_publish() inside apply or tick. After the commit all unsent rows of the
 *             incidents concerned are sent in order, whoever wrote them (hard case 2); acked rows
 *             are marked in a transaction every 100 ms or after 1 s of rest, kept 10 minutes (hard
 *             case 7), then deleted. Rows that wait longer than 5 s are swept by any process.
 * Poison, beginning, fencing   as in pipe.h.
 */
#ifndef COMMON_FLOW_SINK_H
#define COMMON_FLOW_SINK_H

#include <stdatomic.h>

#include "common/db/db.h"
#include "common/flow/flow.h"

struct sink;

/* What apply and tick may use. Valid during the call. */
struct sink_tx {
    struct db *db; /* inside a transaction */
    struct sink *sink;
    int64_t now_ms;
};

/* Applies records in order. Repeats (is_repeat) are passed too: most services skip them, the
 * archiver keeps them. Returning false with ERR_INPUT says that one of these n records is poison;
 * any other kind pauses. */
typedef bool sink_apply_fn(void *ctx, struct sink_tx *tx, const struct flow_record *records,
                           size_t n, struct err *err);

/* Work that time gives: called between batches, at most every tick_ms, inside its own transaction;
 * *ret_more asks for another call at once. */
typedef bool sink_tick_fn(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err);

struct sink_conf {
    struct kafka_conf kafka;
    const char *pg;
    const char *schema; /* "escalator": where the tables of common/flow/sql are */
    const char *group, *instance;
    struct flow_topics input;
    const char *const *outputs; /* topics that sink_publish() may name; may be empty */
    size_t outputs_n;
    const char *dead_topic;
    int64_t batch_max, tick_ms;
    /* How long a record may wait for others to be applied with it, unless it is of an urgent topic:
     * a transaction and a flush cost as much for one as for a hundred. What is urgent is applied
     * without them. With nothing urgent the broker does the waiting, for each of its answers costs
     * it a look at every partition. */
    int64_t gather_ms;
    struct flow_topics urgent;
    /* The service's own statements, prepared on the sink's connection. */
    const struct db_statement *statements;
    size_t statements_n;
    sink_apply_fn *apply;
    sink_tick_fn *tick; /* NULL: none */
    /* Called once a turn of the loop (readiness, reload); may be NULL. */
    void (*turn)(void *ctx, bool database_there);
    void *ctx;
};

bool sink_open(struct sink **ret, const struct sink_conf *conf, struct err *err) MUST_CHECK;
bool sink_run(struct sink *s, const atomic_bool *stop, struct err *err) MUST_CHECK;
void sink_close(struct sink *s);
DEFINE_AUTO(auto_sink, struct sink, sink_close)

/* Puts a record into the outbox of this transaction. All is copied. rec->key is the incident's id;
 * the header ce_id is its event id. */
bool sink_publish(struct sink_tx *tx, const struct record *rec, struct err *err) MUST_CHECK;

/* Refuses an event that could be read, for what it says: its dead letter goes out with this
 * transaction. Once it may_come_back its id is forgotten, so that `tongbao replay` is applied as if
 * it were the first. `in` may be put together from what was kept of it (message NULL). */
bool sink_refuse(struct sink_tx *tx, const struct flow_record *in, const char *reason,
                 bool may_come_back, struct err *err) MUST_CHECK;

#endif
