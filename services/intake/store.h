/*
 * store - what intake reads of incidents: whose one is and how far it is, and all that is known of
 * it. Reads only the views of schema analytics.
 *
 * Threads     One per store (each reader thread has its own).
 * Time        Bounded by deadlines; see ask.h.
 * Errors      STORE_AWAY sets err: PostgreSQL does not answer, or the views are not there.
 */
#ifndef SERVICES_INTAKE_STORE_H
#define SERVICES_INTAKE_STORE_H

#include "services/intake/intake.h"

struct store;

enum store_answer { STORE_FOUND, STORE_UNKNOWN, STORE_AWAY };

bool store_open(struct store **ret, const char *pg, struct err *err) MUST_CHECK;
void store_close(struct store *store);
DEFINE_AUTO(auto_store, struct store, store_close)

enum store_answer store_find(struct store *store, const struct incident_name *name,
                             struct target *ret, struct err *err);

/* The document that GET answers with. `out` is emptied first. */
enum store_answer store_view(struct store *store, const struct id *incident_id, struct buf *out,
                             struct err *err);

#endif
