/*
 * db - one PostgreSQL connection that opens again, with statements prepared once.
 *
 * Threads     One at a time.
 * Failure     After ERR_TRANSIENT the connection is closed; the next db_begin() or db_ready() opens
 *             it anew and prepares its statements again. Nothing is retried here: the caller's loop
 *             does.
 * Kinds       SQLSTATE class 22 (data), 54 (a limit): ERR_INPUT. 28, 3D, 3F, 42: ERR_CONFIG. Everything else,
 *             constraint violations, a missing partition, a full disk, deadlocks and lost
 *             connections: ERR_TRANSIENT. TB001 (raised by sink_advance) is ERR_TRANSIENT too.
 * Secrets     Error texts hold the primary message and SQLSTATE, never DETAIL or CONTEXT (they
 *             quote rows).
 * Together    Inside a transaction a statement that wants no rows (ret NULL) is sent and not waited
 *             for: its error comes with the next that does, at the latest with the commit, and
 *             nothing after it was done. One round trip then carries many statements.
 * Settings    tcp_user_timeout 5 s, connect_timeout 5 s, keepalives; lock_timeout 2 s and
 *             idle_in_transaction_session_timeout 3 s come with the role and are set again here
 *             (hard case 5); application_name is the service's.
 */
#ifndef COMMON_DB_DB_H
#define COMMON_DB_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/base/id.h"

struct db;

struct db_statement {
    const char *name, *sql;
};

struct db_conf {
    const char *conninfo;
    const char *application_name;
    const char *schema;                    /* the search_path; NULL: the server's default */
    const struct db_statement *statements; /* borrowed; prepared at each connect */
    size_t statements_n;
    const struct db_statement
        *more; /* a second table, e.g. the service's own beside the sink's; NULL: none */
    size_t more_n;
    int64_t answer_ms; /* longest silence of a server that was asked something; 0: no bound */
};

/* Does not connect yet. */
bool db_open(struct db **ret, const struct db_conf *conf, struct err *err) MUST_CHECK;
void db_close(struct db *db);
DEFINE_AUTO(auto_db, struct db, db_close)

bool db_ready(struct db *db, struct err *err) MUST_CHECK; /* connects and prepares if needed */
bool db_is_connected(const struct db *db);

/* Transactions (READ COMMITTED). db_rollback() never fails: it closes the connection when it
 * cannot. */
bool db_begin(struct db *db, struct err *err) MUST_CHECK;
bool db_commit(struct db *db, struct err *err) MUST_CHECK;
/* Commits without waiting for the disk: after a crash of the server all of it may be gone, never a
 * part. For what will then be done again from Kafka, and that nobody outside was told. */
bool db_commit_soon(struct db *db, struct err *err) MUST_CHECK;
void db_rollback(struct db *db);

DEFINE_AUTO(auto_result, PGresult, PQclear)

/* Arguments of one statement, in order. Text and bytes are borrowed until the call; numbers are
 * kept inside. */
#define DB_ARGS_MAX 32
struct db_args {
    const char *values[DB_ARGS_MAX];
    int lengths[DB_ARGS_MAX], formats[DB_ARGS_MAX]; /* of binary ones */
    char numbers[DB_ARGS_MAX][32];
    int n;
};
void db_arg_text(struct db_args *a, const char *text); /* NULL: SQL NULL */
void db_arg_int(struct db_args *a, int64_t value);
void db_arg_bool(struct db_args *a, bool value);
void db_arg_time(struct db_args *a, int64_t wall_ms);          /* timestamptz; 0: SQL NULL */
void db_arg_bytes(struct db_args *a, const struct buf *array); /* of db_bytes_*() */

/* Runs a prepared statement. ret NULL: no rows are wanted (see Together). */
bool db_run(struct db *db, const char *statement, const struct db_args *args, PGresult **ret,
            struct err *err) MUST_CHECK;
/* Sends it with what comes next: *ret, NULL until then, is there after the next statement that waits
 * (db_settle() is one), and stays borrowed up to it. */
bool db_ask(struct db *db, const char *statement, const struct db_args *args, PGresult **ret,
            struct err *err) MUST_CHECK;
/* Runs plain SQL without arguments (DDL, SET): may hold several statements. */
bool db_exec(struct db *db, const char *sql, struct err *err) MUST_CHECK;

/* Reading results (text format). */
const char *db_text(const PGresult *res, int row, int col); /* NULL: SQL NULL */
int64_t db_int(const PGresult *res, int row, int col);      /* 0 for SQL NULL */
bool db_bool(const PGresult *res, int row, int col);
void db_id(struct id *ret, const PGresult *res, int row, int col); /* not set for SQL NULL */
int64_t db_time(
    const PGresult *res, int row,
    int col); /* of (extract(epoch from t)*1000)::bigint or a timestamptz text; ms, 0 for NULL */

/* Array literals for ANY($1) and unnest($1): "{…}" with everything quoted. */
void db_array_begin(struct buf *b);
void db_array_text(struct buf *b, const char *text); /* NULL: SQL NULL */
void db_array_text_n(struct buf *b, const char *text, size_t len);
void db_array_int(struct buf *b, int64_t value);
void db_array_time(struct buf *b, int64_t wall_ms); /* 0: SQL NULL */
void db_array_end(struct buf *b);

/* An array of bytea or json, in binary: begin, items, end. */
enum db_bytes { DB_BYTEA = 17, DB_JSON = 114 }; /* PostgreSQL's numbers of its types */
void db_bytes_begin(struct buf *b);
void db_bytes_add(struct buf *b, const void *data, size_t len); /* data NULL: SQL NULL */
void db_bytes_end(struct buf *b, enum db_bytes type, size_t n);

/* Binary COPY … FROM STDIN: begin, rows, end. After a failure: roll back. */
struct db_copy {
    struct db *db;
    struct buf row;
};
bool db_copy_begin(struct db_copy *c, struct db *db, const char *sql, struct err *err) MUST_CHECK;
void db_copy_row(struct db_copy *c, int columns);
void db_copy_null(struct db_copy *c);
void db_copy_bytes(struct db_copy *c, const void *data, size_t len); /* text, bytea, json */
void db_copy_int4(struct db_copy *c, int32_t value);
void db_copy_int8(struct db_copy *c, int64_t value);
void db_copy_bool(struct db_copy *c, bool value);
void db_copy_time(struct db_copy *c, int64_t wall_ms);
void db_copy_uuid(struct db_copy *c, const char *text);
bool db_copy_end(struct db_copy *c, struct err *err) MUST_CHECK;

/* Waits for what was sent and not waited for. Before db_raw() inside a transaction, too. */
bool db_settle(struct db *db, struct err *err) MUST_CHECK;

/* The raw connection, for what the above does not cover. NULL when not connected. */
PGconn *db_raw(struct db *db);

/* The next result of what was sent by a raw call, NULL at the end of a statement's. False: none came
 * within answer_ms, and the connection is closed. */
bool db_result(struct db *db, const char *doing, PGresult **ret, struct err *err) MUST_CHECK;

/* Turns the last error of a raw call into err by the rules above; closes the connection when it is
 * broken. Returns false. */
bool db_fail(struct db *db, const PGresult *res, const char *doing, struct err *err);

#endif
