/*
 * outbox - what a transaction has to say to Kafka: rows written with it, sent after it, marked in a
 * later one.
 *
 * Threads     The sink's thread; acks of the producer only flip the state of a flight.
 * Order       outbox_write() also reads what is still unsent of the same incidents, whoever wrote
 *             it, and outbox_relay() sends all of it in the order it was written (hard case 2).
 *             Rows that this process has under way are left out.
 * Life        written, sent, acked; marked in a transaction every 100 ms, or after a second of rest;
 *             kept 10 minutes; deleted.
 */
#ifndef COMMON_FLOW_OUTBOX_H
#define COMMON_FLOW_OUTBOX_H

#include "common/db/db.h"
#include "common/flow/flow.h"
#include "common/kafka/producer.h"

struct outbox;

extern const struct db_statement outbox_statements[];
extern const size_t outbox_statements_n;

bool outbox_open(struct outbox **ret, const struct producer_conf *conf, struct err *err) MUST_CHECK;
void outbox_close(struct outbox *o);
DEFINE_AUTO(auto_outbox, struct outbox, outbox_close)

bool outbox_add(struct outbox *o, const struct record *rec,
                struct err *err) MUST_CHECK;  /* into the open transaction's rows */
bool outbox_has_rows(const struct outbox *o); /* of the open transaction */
bool outbox_write(struct outbox *o, struct db *db,
                  struct err *err) MUST_CHECK; /* the last statements before COMMIT */
void outbox_relay(struct outbox *o);           /* after COMMIT */
void outbox_forget(struct outbox *o);          /* after ROLLBACK */

/* Between transactions: marks after a second of rest, sweeps rows that wait longer than 5 s,
 * deletes old ones. */
bool outbox_upkeep(struct outbox *o, struct db *db, struct err *err) MUST_CHECK;

/* An orderly end: waits up to wait_ms for what is under way, and marks it. */
bool outbox_settle(struct outbox *o, struct db *db, int64_t wait_ms, struct err *err) MUST_CHECK;

/* The log was another one: rows acked within the last 10 minutes are sent again (hard case 7).
 * Inside a transaction. */
bool outbox_again(struct db *db, struct err *err) MUST_CHECK;

bool outbox_broken(const struct outbox *o); /* open a new one */

#endif
