/* sql - one statement with arguments, not prepared: for commands that run once. Errors as
 * common/db/db.h. */
#ifndef SERVICES_CTL_SQL_H
#define SERVICES_CTL_SQL_H

#include "common/db/db.h"

/* Connects. */
bool sql_open(struct db **ret, const char *conninfo, struct err *err) MUST_CHECK;

/* Is it what --pg is when nobody gave it? */
bool sql_is_default(const char *conninfo);

/* ret may be NULL. */
bool sql_run(struct db *db, const char *sql, const struct db_args *args, PGresult **ret,
             struct err *err) MUST_CHECK;

#endif
