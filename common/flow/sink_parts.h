/*
 * sink_parts - the sink's insides: what its files share. The promise stands in sink.h.
 *
 * sink_store.c    the statements: beginnings, offsets, seen ids, how far everything was heard
 * sink_apply.c    a batch into transactions; poison found by halving; suspects tried in a child
 * sink.c          the loop, and what happens between the batches
 */
#ifndef COMMON_FLOW_SINK_PARTS_H
#define COMMON_FLOW_SINK_PARTS_H

#include "common/db/columns.h"
#include "common/flow/ends.h"
#include "common/flow/outbox.h"
#include "common/flow/reader.h"
#include "common/flow/sink.h"

#define ANSWER_MS 10000 /* PostgreSQL is taken for gone when it is silent so long */

struct batch { /* records that were read, as they came; `max` of the configuration at most */
    struct flow_record *records;
    struct reader_part **parts;
    size_t n;
    int64_t due_ms; /* of what is gathered */
};

struct sink {
    struct sink_conf conf;
    struct db_statement *all_statements;
    struct db *db;
    struct outbox *outbox;
    struct reader *reader;
    struct ends *ends;
    struct batch batch;     /* what is applied next */
    struct batch gathered;  /* what is not urgent, until it is due */
    struct columns columns; /* of the statement that is put together */
    bool is_ends_set;
    bool has_begun; /* it had partitions, and with them the database, once */
    int64_t tick_due_ms, caught_up_due_ms, hint_due_ms, forget_due_ms;
};

/* ---- sink_store.c */

extern const struct db_statement sink_statements[];
extern const size_t sink_statements_n;

/* What the reader asks; ctx is the sink. */
bool sink_begin(void *ctx, struct reader_part *parts, size_t n, struct err *err);
bool sink_rewind(void *ctx, struct reader_part *part, int64_t to_offset, struct err *err);
bool sink_gap(void *ctx, struct reader_part *part, int64_t log_start, struct err *err);

/* The first statement of every transaction: moves the offsets of all partitions in [from, to). */
bool sink_advance(struct sink *s, size_t from, size_t to, struct err *err);

/* Marks the ids of [from, to) as applied, and the records whose id was applied before. */
bool sink_mark_seen(struct sink *s, size_t from, size_t to, struct err *err);

/* Takes the ends that were asked for, and notes up to when each partition is heard. Inside a
 * transaction. */
bool sink_store_caught_up(struct sink *s, struct reader_part *parts, size_t n, struct err *err);

/* ---- sink_apply.c */

/* Applies the whole batch: true, or an error after which the sink is to be opened again. */
bool sink_apply_batch(struct sink *s, struct err *err);

/* Ends the transaction that applied [from, to), or a tick (0, 0): outbox, commit, positions, relay. */
bool sink_finish(struct sink *s, size_t from, size_t to, struct err *err);
void sink_undo(struct sink *s);

#endif
