/*
 * store - rows of the schema escalator into the core's state, and back. Decides nothing.
 *
 * Threads     The sink's.
 * Transaction All inside the caller's. store_load() locks the incidents, in order of their ids, before anything else of
 *             them is read (hard case 12).
 * Ownership   Everything in a batch lives in its arena.
 * Bounds      BATCH_ARENA_MAX_BYTES of memory for a batch; a few statements for any number of rows.
 * Errors      As db.h says.
 */
#ifndef SERVICES_ESCALATOR_STORE_H
#define SERVICES_ESCALATOR_STORE_H

#include "common/db/db.h"
#include "services/escalator/incident.h"

#define BATCH_ARENA_MAX_BYTES ((size_t)512 * 1024 * 1024)

/* An action that came before its incident's grade. */
struct early {
    struct id event_id, incident_id, enterprise_id;
    const char *type, *topic, *value;
    size_t value_len;
    int32_t partition;
    int64_t offset, appended_at, kept_at;
    int64_t waiting; /* how many its enterprise has with it; of those of this batch only */
    bool is_stored;  /* it came from the table */
    bool is_done;    /* it was applied, or given up */
};

struct batch {
    struct arena arena;
    struct incident *incidents; /* in order of their ids */
    size_t incidents_n;
    struct early *early; /* of one incident: in the order in which they came */
    size_t early_n, early_cap;
};

void batch_init(struct batch *b);
void batch_done(struct batch *b);
struct incident *batch_find(struct batch *b, const char *incident_id); /* NULL: not in it */
struct early *batch_add_early(struct batch *b);                        /* NULL: out of memory */

struct store;
bool store_open(struct store **ret, struct err *err) MUST_CHECK;
void store_close(struct store *s);
DEFINE_AUTO(auto_store, struct store, store_close)

/* `ids` in ascending order, each once. Waits for their locks. Those that are not known stand in the batch too, not open. Early actions of incidents
 * without a grade come along. */
bool store_load(struct store *s, struct db *db, const struct id *ids, size_t n, struct batch *b,
                struct err *err) MUST_CHECK;
/* The same for known incidents whose lock is free: the others are left out. */
bool store_load_free(struct store *s, struct db *db, const struct id *ids, size_t n,
                     struct batch *b, struct err *err) MUST_CHECK;
/* Writes what is marked as changed, and what became of the early actions. */
bool store_save(struct store *s, struct db *db, struct batch *b, struct err *err) MUST_CHECK;

/* What has been heard of the bus, by partition. */
struct heard {
    int64_t until_ms; /* all news of the partition's incidents is known up to then; 0: not */
    int64_t deaf_ms;  /* it has not moved for so long */
    bool is_deaf;     /* for the whole grace */
};
#define HEARD_MAX 256 /* partitions */
/* until_ms of each partition; `names`: the n topics that the group reads now. */
bool store_heard(struct db *db, const char *group, const char *const *names, size_t n,
                 int64_t ret_until_ms[HEARD_MAX], struct err *err) MUST_CHECK;

struct due_query {
    const struct heard *heard; /* HEARD_MAX of them */
    int64_t now_ms, limit;     /* clocks */
};
/* The incidents with a clock that can fire, the oldest clocks first; *ret in the arena, in order of the ids. */
bool store_due(struct store *s, struct db *db, const struct due_query *q, struct arena *arena,
               struct id **ret, size_t *ret_n, struct err *err) MUST_CHECK;
/* When the oldest clock that can fire was due; 0: none. */
bool store_oldest_due(struct store *s, struct db *db, const struct due_query *q, int64_t *ret_ms,
                      struct err *err) MUST_CHECK;

/* How many early actions an enterprise has in the table. */
bool store_count_early(struct db *db, const struct id *enterprise_id, int64_t *ret,
                       struct err *err) MUST_CHECK;
/* Early actions kept before that time, at most `limit`, into the batch. */
bool store_expired(struct db *db, int64_t before_ms, int64_t limit, struct batch *b,
                   struct err *err) MUST_CHECK;

#endif
