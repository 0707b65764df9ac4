/*
 * ask - a query that is waited for no longer than a deadline, also when PostgreSQL stands still
 * without closing the connection.
 *
 * Threads     One per connection.
 * Time        deadline_ms for the answer; a new connection is waited for 5 s at most
 *             (common/db/db.h).
 * Errors      As db.h. After a deadline the connection is given up: ERR_TRANSIENT.
 */
#ifndef SERVICES_INTAKE_ASK_H
#define SERVICES_INTAKE_ASK_H

#include "common/db/db.h"

bool ask(struct db *db, const char *statement, const struct db_args *args, int64_t deadline_ms,
         PGresult **ret, struct err *err) MUST_CHECK;

#endif
