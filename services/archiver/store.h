/*
 * store - writes a batch of records and what they come to, in the sink's transaction.
 *
 * Threads     One at a time.
 * Guarantee   Every record of the batch becomes one row of archive.event, whatever it holds: ERR_INPUT is never returned for a single record, so the
 *             archiver has no dead letters. Events that had no effect before have it once.
 * Repeats     The sink only says that an id was seen. Here a record is a repeat when an earlier record with its id is an event (no dead letter, not
 *             unreadable); a conflict when that one had other bytes (hard case 14).
 * Bounds      COLUMN_MAX_BYTES for one column of a batch's projections; a batch beyond it is ERR_INPUT, and the sink halves it.
 * Errors      As in common/db/db.h; a month without a partition is ERR_TRANSIENT: the sink pauses until it is made.
 */
#ifndef SERVICES_ARCHIVER_STORE_H
#define SERVICES_ARCHIVER_STORE_H

#include "common/db/db.h"
#include "common/flow/flow.h"

struct store;

struct store_tally { /* of one batch */
    size_t events, repeats, conflicts, dead_letters, unreadable;
};

bool store_open(struct store **ret, struct err *err) MUST_CHECK;
void store_close(struct store *s);
DEFINE_AUTO(auto_store, struct store, store_close)

bool store_batch(struct store *s, struct db *db, const struct flow_record *records, size_t n,
                 struct store_tally *ret, struct err *err) MUST_CHECK;

/* Makes the partitions of the coming months. */
bool store_make_months(struct db *db, int64_t ahead, struct err *err) MUST_CHECK;

#endif
