/*
 * feed - keeps the registry's picture fresh: from PostgreSQL when it is there, from a file when
 * intake starts without it.
 *
 * Threads     A thread of its own asks for registry.version every refresh_ms and reads the rest
 *             only when that changed. feed_current() belongs to one thread (the HTTP server's): it
 *             takes a new picture out of a mailbox, so looking up a key needs no lock.
 *             feed_database_there() from any.
 * File        snapshot_path, mode 0600 (it holds hashes of secrets), written beside and renamed:
 *             never half a file. "" = none.
 * Errors      None while it runs: the last picture stays, the change is logged once, and readiness
 *             tells.
 * Ready       Check "registry": a picture is there. Check "postgresql" is always ready; its detail
 *             tells when it is away.
 */
#ifndef SERVICES_INTAKE_FEED_H
#define SERVICES_INTAKE_FEED_H

#include "common/service/service.h"
#include "services/intake/registry.h"

struct feed;

struct feed_conf {
    const char *pg;
    const char *snapshot_path;
    int64_t refresh_ms;
};

bool feed_open(struct feed **ret, const struct feed_conf *conf, struct service *svc,
               struct err *err) MUST_CHECK;
void feed_close(struct feed *feed);
DEFINE_AUTO(auto_feed, struct feed, feed_close)

/* NULL: no picture yet. Borrowed until the next call; registry_ref() keeps it. */
struct registry *feed_current(struct feed *feed);

/* PostgreSQL has answered within the last few refreshes. */
bool feed_database_there(const struct feed *feed);

#endif
