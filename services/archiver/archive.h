/*
 * archive - what the archiver's sink calls: each batch to the store; the coming months at the start and once an hour.
 *
 * Threads     The sink's.
 * Ownership   The struct is the caller's and outlives the sink; `store` is borrowed.
 */
#ifndef SERVICES_ARCHIVER_ARCHIVE_H
#define SERVICES_ARCHIVER_ARCHIVE_H

#include "common/flow/sink.h"
#include "services/archiver/store.h"

#define ARCHIVE_SCHEMA  "archive"
#define ARCHIVE_TICK_MS (60 * 60 * 1000)

struct archive {
    struct store *store;
    int64_t months_ahead;
};

/* Before the sink reads: without its month a record cannot be archived. */
bool archive_prepare(const struct archive *a, const char *pg, struct err *err) MUST_CHECK;

sink_apply_fn archive_apply; /* ctx: struct archive */
sink_tick_fn archive_tick;

#endif
