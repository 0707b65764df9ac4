/*
 * columns - rows on their way to and from PostgreSQL, cell by cell in the columns' order.
 *
 * Threads     One at a time.
 * Bounds      DB_ARGS_MAX columns, COLUMN_MAX_BYTES each: beyond it columns_run() is ERR_FATAL.
 */
#ifndef SERVICES_ESCALATOR_COLUMNS_H
#define SERVICES_ESCALATOR_COLUMNS_H

#include "common/db/db.h"
#include "services/escalator/incident.h"

#define COLUMN_MAX_BYTES ((size_t)128 * 1024 * 1024)

/* Out: one array for each column. */
struct columns {
    struct buf column[DB_ARGS_MAX];
    int at, n; /* the next cell's column; all columns */
    size_t rows;
};

void columns_init(struct columns *c);
void columns_done(struct columns *c);
void columns_reset(struct columns *c);
void columns_row(struct columns *c);
void put_text(struct columns *c, const char *text);  /* NULL or "": SQL NULL */
void put_id(struct columns *c, const struct id *id); /* not set: SQL NULL */
void put_int(struct columns *c, int64_t value);
void put_bool(struct columns *c, bool value);
void put_time(struct columns *c, int64_t wall_ms); /* 0: SQL NULL */
/* Runs the statement with the arrays (and, behind them, the limit, unless it is 0), when there are rows, and empties them. */
bool columns_run(struct columns *c, struct db *db, const char *statement, int64_t limit,
                 PGresult **ret, struct err *err) MUST_CHECK;
/* The same, answered with what comes next (db_ask()). */
bool columns_ask(struct columns *c, struct db *db, const char *statement, PGresult **ret,
                 struct err *err) MUST_CHECK;

/* In: a row of a result. */
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
