/*
 * registry - reads who holds which role into a directory.
 *
 * Threads     The sink's.
 * Transaction The caller's. The version is read first: what changes while the rest is read gives another version, and is read again next time.
 * Bounds      As directory.h says.
 * Errors      As db.h says.
 */
#ifndef SERVICES_ESCALATOR_REGISTRY_H
#define SERVICES_ESCALATOR_REGISTRY_H

#include "common/db/db.h"
#include "services/escalator/directory.h"

/* Asks for the version, with what the transaction asks next (db_ask()). */
bool registry_ask(struct db *db, PGresult **ret_answer, struct err *err) MUST_CHECK;

/* *ret stays as it is when the version of the answer is still *version. */
bool registry_read(struct db *db, const PGresult *answer, int64_t now_ms, int64_t *version,
                   struct directory **ret, struct err *err) MUST_CHECK;

#endif
