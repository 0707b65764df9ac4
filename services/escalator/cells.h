/*
 * cells - a row of a result, cell by cell in the columns' order.
 *
 * Threads     One at a time.
 * Ownership   Texts are copied into the arena.
 */
#ifndef SERVICES_ESCALATOR_CELLS_H
#define SERVICES_ESCALATOR_CELLS_H

#include "common/db/db.h"
#include "services/escalator/incident.h"

struct cells {
    const PGresult *res;
    int row, at;
    struct arena *arena;
    bool failed; /* out of memory */
};
const char *get_text(struct cells *c); /* a copy in the arena */
void get_id(struct cells *c, struct id *ret);
int64_t get_int(struct cells *c);
bool get_bool(struct cells *c);
int64_t get_time(struct cells *c);
/* `values`: the enum's table. SQL NULL, or what the table does not have: 0, and *ret_has (may be NULL) false. */
int get_enum(struct cells *c, const struct enum_table *values, bool *ret_has);

#endif
