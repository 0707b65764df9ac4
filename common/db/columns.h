/*
 * columns - many rows on their way to PostgreSQL as one statement: an array for each column, taken apart there by unnest().
 *
 *     columns_row(c); columns_id(c, &id); columns_int(c, 3);      … for each row, cell by cell in the columns' order
 *     columns_run(c, db, "statement", NULL, err);
 *
 * Threads     One at a time.
 * Ownership   What is put is copied. The memory is kept for the next rows until columns_done().
 * Bounds      DB_ARGS_MAX columns, COLUMN_MAX_BYTES each: beyond it ERR_FATAL.
 */
#ifndef COMMON_DB_COLUMNS_H
#define COMMON_DB_COLUMNS_H

#include "common/db/db.h"

#define COLUMN_MAX_BYTES ((size_t)128 * 1024 * 1024)

struct columns {
    struct buf column[DB_ARGS_MAX];
    int at, n; /* the next cell's column; all columns */
    size_t rows;
};

void columns_init(struct columns *c);
void columns_done(struct columns *c);
void columns_reset(struct columns *c);

void columns_row(struct columns *c);
void columns_text(struct columns *c, const char *text); /* NULL or "": SQL NULL */
void columns_text_n(struct columns *c, const char *text, size_t len);
void columns_id(struct columns *c, const struct id *id); /* not set: SQL NULL */
void columns_int(struct columns *c, int64_t value);
void columns_bool(struct columns *c, bool value);
void columns_time(struct columns *c, int64_t wall_ms); /* 0: SQL NULL */

/* Appends the arrays to a statement's arguments, which borrow them until columns_reset(). There is at least one row. */
bool columns_args(struct columns *c, const char *statement, struct db_args *args,
                  struct err *err) MUST_CHECK;
/* Runs the statement with the arrays, when there are rows, and empties them. */
bool columns_run(struct columns *c, struct db *db, const char *statement, PGresult **ret,
                 struct err *err) MUST_CHECK;
/* The same, answered with what comes next (db_ask()). */
bool columns_ask(struct columns *c, struct db *db, const char *statement, PGresult **ret,
                 struct err *err) MUST_CHECK;

#endif
