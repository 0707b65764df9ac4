/*
 * readers - a few threads with a database connection each, so that the HTTP thread never waits for
 * PostgreSQL.
 *
 * Threads     readers_add() from any; `run` on a reader's thread.
 * Ownership   A job is its own; `run` takes it, and runs exactly once for each that was added.
 * Bounds      waiting_max jobs; one more is refused.
 * Stop        readers_close() runs what still waits, and joins the threads.
 */
#ifndef SERVICES_INTAKE_READERS_H
#define SERVICES_INTAKE_READERS_H

#include "services/intake/store.h"

struct readers;

/* What a thread has of its own. */
struct reader {
    struct store *store;
    struct workshop workshop;
    struct buf document;
};

struct job {
    struct job *next; /* the readers' */
    void (*run)(struct job *job, struct reader *reader);
};

struct readers_conf {
    const char *pg;
    int64_t threads, waiting_max;
};

bool readers_open(struct readers **ret, const struct readers_conf *conf,
                  struct err *err) MUST_CHECK;
void readers_close(struct readers *r);
DEFINE_AUTO(auto_readers, struct readers, readers_close)

bool readers_add(struct readers *r,
                 struct job *job) MUST_CHECK; /* false: too many wait; the job stays the caller's */

#endif
