/*
 * statements - the archiver's SQL, prepared once on the sink's connection.
 *
 * A projection's arguments are one array per cell of its row (project.c), in order; `n` numbers the rows of the batch as they came. A statement
 * takes each key once (a second update of one row in one statement is an error) and writes in order of the key, so that two instances cannot
 * wait for each other in a circle.
 */
#ifndef SERVICES_ARCHIVER_STATEMENTS_H
#define SERVICES_ARCHIVER_STATEMENTS_H

#include "common/db/db.h"

extern const struct db_statement archiver_statements[];
extern const size_t archiver_statements_n;

/* Its columns are written by store.c, in this order. */
#define EVENT_COLUMNS 16
extern const char copy_events[];

#endif
