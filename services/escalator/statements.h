/*
 * statements - the escalator's SQL, prepared once on the sink's connection.
 *
 * A save_* statement takes one array per column, in the column's order in store.c; each row stands in it once.
 */
#ifndef SERVICES_ESCALATOR_STATEMENTS_H
#define SERVICES_ESCALATOR_STATEMENTS_H

#include "common/db/db.h"

extern const struct db_statement escalator_statements[];
extern const size_t escalator_statements_n;

#endif
