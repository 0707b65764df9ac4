#include "common/db/db.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"

#define PENDING_MAX 32

struct db {
    struct db_conf conf;
    PGconn *conn;
    bool in_transaction;
    struct pending { /* statements that were sent and not answered yet */
        const char *name;
        PGresult **ret; /* NULL: no rows are wanted */
    } pending[PENDING_MAX];
    int pending_n;
};

bool db_open(struct db **ret, const struct db_conf *conf, struct err *err)
{
    AUTO(auto_db) struct db *db = calloc(1, sizeof(*db));
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(conf->conninfo, &why);

    if (!db)
        return err_memory(err);
    if (!options) {
        err_set(err, ERR_CONFIG, "PostgreSQL connection string (--pg): %.*s",
                why ? (int)strcspn(why, "\n") : 14, why ? why : "cannot be read");
        PQfreemem(why);
        return false;
    }
    PQconninfoFree(options);
    db->conf = *conf;
    *ret = TAKE(db);
    return true;
}

static void disconnect(struct db *db)
{
    PQfinish(db->conn);
    db->conn = NULL;
    db->in_transaction = false;
    db->pending_n = 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    disconnect(db);
    free(db);
}

PGconn *db_raw(struct db *db)
{
    return db->conn;
}

bool db_is_connected(const struct db *db)
{
    return db->conn && PQstatus(db->conn) == CONNECTION_OK;
}

/* Who has to act on an SQLSTATE. See "Kinds" in db.h. */
static enum err_kind kind_of(const char *state)
{
    static const char *const config[] = {"28", "3D", "3F", "42"};

    if (!state)
        return ERR_TRANSIENT;
    if (strncmp(state, "22", 2) == 0 || strncmp(state, "54", 2) == 0)
        return ERR_INPUT;
    for (size_t i = 0; i < ARRAY_LEN(config); i++)
        if (strncmp(state, config[i], 2) == 0)
            return ERR_CONFIG;
    return ERR_TRANSIENT;
}

bool db_fail(struct db *db, const PGresult *res, const char *doing, struct err *err)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;

    if (primary)
        err_set(err, kind_of(state), "%s: %s (SQLSTATE %s)", doing, primary, state ? state : "?");
    else
        err_set(err, ERR_TRANSIENT, "%s: PostgreSQL: %.*s", doing,
                (int)strcspn(PQerrorMessage(db->conn), "\n"), PQerrorMessage(db->conn));
    if (PQstatus(db->conn) != CONNECTION_OK)
        disconnect(db);
    return false;
}

/* ---- answers, and how long they are waited for */

bool db_result(struct db *db, const char *doing, PGresult **ret, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + db->conf.answer_ms;

    while (PQisBusy(db->conn)) {
        int64_t left_ms = db->conf.answer_ms > 0 ? until_ms - clock_mono_ms() : 1000;
        struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};

        if (left_ms <= 0) {
            disconnect(db);
            return err_set(err, ERR_TRANSIENT, "%s: PostgreSQL did not answer within %lld ms",
                           doing, (long long)db->conf.answer_ms);
        }
        (void)poll(&fd, 1, (int)left_ms);
        if (!PQconsumeInput(db->conn))
            break; /* PQgetResult() tells */
    }
    *ret = PQgetResult(db->conn);
    return true;
}

static bool is_done(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/* One statement's answer, up to the NULL that ends it. */
static bool answer(struct db *db, const char *doing, PGresult **ret, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(auto_result) PGresult *end = NULL;

    if (!db_result(db, doing, &res, err) || !db_result(db, doing, &end, err))
        return false;
    if (!is_done(res))
        return db_fail(db, res, doing, err);
    *ret = TAKE(res);
    return true;
}

/* ---- connecting */

static bool prepare(struct db *db, const struct db_statement *statements, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(auto_result) PGresult *res = NULL;

        if (!PQsendPrepare(db->conn, statements[i].name, statements[i].sql, 0, NULL)) {
            db_fail(db, NULL, statements[i].name, err);
            return err_wrap(err, "prepare");
        }
        if (!answer(db, statements[i].name, &res, err))
            return err_wrap(err, "prepare");
    }
    return true;
}

static bool connect_anew(struct db *db, struct err *err)
{
    char options[320];
    const char *keys[] = {"dbname",           "application_name",
                          "tcp_user_timeout", "connect_timeout",
                          "keepalives_idle",  "keepalives_interval",
                          "keepalives_count", "client_encoding",
                          "options",          NULL};
    const char *values[] = {db->conf.conninfo,
                            db->conf.application_name,
                            "5000",
                            "5",
                            "10",
                            "2",
                            "2",
                            "UTF8",
                            options,
                            NULL};

    /* Each question of a service has its index: a plan that was made while the tables were empty
     * must not read whole tables when they are not. Nor by a bitmap: only a plain index scan marks
     * the entries of dead rows, and an index of what is still to do has few others. So there is
     * one plan to a question, and it is made once. A batch's columns are unnested in memory. */
    snprintf(options, sizeof(options),
             "-c lock_timeout=2s -c idle_in_transaction_session_timeout=3s -c TimeZone=UTC "
             "-c jit=off -c enable_seqscan=off -c enable_bitmapscan=off "
             "-c plan_cache_mode=force_generic_plan -c work_mem=32MB%s%s",
             db->conf.schema ? " -c search_path=" : "", db->conf.schema ? db->conf.schema : "");
    /* Given first and expanded: what the connection string says is overridden by what follows. */
    db->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        const char *text = PQerrorMessage(db->conn);

        err_set(err, ERR_TRANSIENT, "PostgreSQL is not reached: %.*s", (int)strcspn(text, "\n"),
                text);
        disconnect(db);
        return false;
    }
    PQsetErrorVerbosity(db->conn, PQERRORS_TERSE);
    if (prepare(db, db->conf.statements, db->conf.statements_n, err) &&
        prepare(db, db->conf.more, db->conf.more_n, err))
        return true;
    disconnect(db);
    return false;
}

bool db_ready(struct db *db, struct err *err)
{
    if (db_is_connected(db))
        return true;
    if (db->conn)
        disconnect(db);
    return connect_anew(db, err);
}

/* ---- statements travel together: what wants no rows is sent with the next that does */

/* Reads what is pending. What follows a failure was not done. */
bool db_settle(struct db *db, struct err *err)
{
    AUTO(auto_result) PGresult *sync = NULL;
    int n = db->pending_n;
    bool ok = true;

    if (n == 0)
        return true;
    db->pending_n = 0;
    if (!PQpipelineSync(db->conn))
        return db_fail(db, NULL, "send", err);
    for (int i = 0; i < n && db->conn; i++) {
        AUTO(auto_result) PGresult *res = NULL;

        if (!answer(db, db->pending[i].name, &res, ok ? err : NULL))
            ok = false;
        else if (db->pending[i].ret)
            *db->pending[i].ret = TAKE(res);
    }
    if (!db->conn)
        return false;
    if (!db_result(db, "sync", &sync, ok ? err : NULL))
        return false;
    if (!PQexitPipelineMode(db->conn))
        ok = ok ? db_fail(db, NULL, "sync", err) : false;
    return ok;
}

static bool post(struct db *db, const char *name, const char *sql, const struct db_args *args,
                 PGresult **ret, struct err *err)
{
    int n = args ? args->n : 0;
    const char *const *values = args ? args->values : NULL;
    const int *lengths = args ? args->lengths : NULL, *formats = args ? args->formats : NULL;

    if (!db->conn)
        return err_set(err, ERR_TRANSIENT, "%s: not connected to PostgreSQL", name);
    if (db->pending_n == PENDING_MAX && !db_settle(db, err))
        return false;
    if (db->pending_n == 0 && !PQenterPipelineMode(db->conn))
        return db_fail(db, NULL, name, err);
    if (!(sql ? PQsendQueryParams(db->conn, sql, n, NULL, values, lengths, formats, 0)
              : PQsendQueryPrepared(db->conn, name, n, values, lengths, formats, 0)))
        return db_fail(db, NULL, name, err);
    db->pending[db->pending_n++] = (struct pending){name, ret};
    return true;
}

bool db_ask(struct db *db, const char *statement, const struct db_args *args, PGresult **ret,
            struct err *err)
{
    return post(db, statement, NULL, args, ret, err);
}

bool db_run(struct db *db, const char *statement, const struct db_args *args, PGresult **ret,
            struct err *err)
{
    return post(db, statement, NULL, args, ret, err) &&
           ((!ret && db->in_transaction) || db_settle(db, err));
}

bool db_exec(struct db *db, const char *sql, struct err *err)
{
    bool ok = true;

    if (!db_settle(db, err))
        return false;
    if (!db->conn)
        return err_set(err, ERR_TRANSIENT, "not connected to PostgreSQL");
    if (!PQsendQuery(db->conn, sql))
        return db_fail(db, NULL, "SQL", err);
    for (;;) {
        AUTO(auto_result) PGresult *res = NULL;

        if (!db_result(db, "SQL", &res, ok ? err : NULL))
            return false;
        if (!res)
            return ok;
        if (ok && !is_done(res))
            ok = db_fail(db, res, "SQL", err);
        if (!db->conn)
            return false;
    }
}

bool db_begin(struct db *db, struct err *err)
{
    if (!db_ready(db, err) || !post(db, "begin", "BEGIN", NULL, NULL, err))
        return false;
    db->in_transaction = true;
    return true;
}

bool db_commit(struct db *db, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    bool ok = post(db, "commit", "COMMIT", NULL, &res, err) && db_settle(db, err);

    db->in_transaction = false;
    /* A failed transaction answers COMMIT with ROLLBACK, and no error. */
    return ok && (strcmp(PQcmdStatus(res), "COMMIT") == 0 ||
                  err_set(err, ERR_TRANSIENT, "commit: the transaction had failed"));
}

bool db_commit_soon(struct db *db, struct err *err)
{
    return post(db, "commit", "SET LOCAL synchronous_commit = off", NULL, NULL, err) &&
           db_commit(db, err);
}

void db_rollback(struct db *db)
{
    struct err ignored = {0};

    for (int i = 0; i < db->pending_n; i++)
        db->pending[i].ret = NULL; /* who asked is gone */
    if (!db_settle(db, &ignored))
        ignored = (struct err){0}; /* what failed is undone with the rest */
    if (db->conn && !db_exec(db, "ROLLBACK", &ignored) && db->conn)
        disconnect(db);
    db->in_transaction = false;
}

/* ---- arguments */

void db_arg_text(struct db_args *a, const char *text)
{
    if (a->n < DB_ARGS_MAX)
        a->values[a->n++] = text;
}

void db_arg_int(struct db_args *a, int64_t value)
{
    if (a->n == DB_ARGS_MAX)
        return;
    snprintf(a->numbers[a->n], sizeof(a->numbers[0]), "%lld", (long long)value);
    a->values[a->n] = a->numbers[a->n];
    a->n++;
}

void db_arg_bool(struct db_args *a, bool value)
{
    db_arg_text(a, value ? "true" : "false");
}

void db_arg_time(struct db_args *a, int64_t wall_ms)
{
    if (wall_ms == 0) {
        db_arg_text(a, NULL);
        return;
    }
    if (a->n == DB_ARGS_MAX)
        return;
    clock_format_utc(a->numbers[a->n], wall_ms);
    a->values[a->n] = a->numbers[a->n];
    a->n++;
}

void db_arg_bytes(struct db_args *a, const struct buf *array)
{
    if (a->n == DB_ARGS_MAX)
        return;
    a->lengths[a->n] = (int)array->len;
    a->formats[a->n] = 1;
    a->values[a->n++] = array->data;
}

/* ---- results */

const char *db_text(const PGresult *res, int row, int col)
{
    return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

int64_t db_int(const PGresult *res, int row, int col)
{
    return PQgetisnull(res, row, col) ? 0 : strtoll(PQgetvalue(res, row, col), NULL, 10);
}

bool db_bool(const PGresult *res, int row, int col)
{
    return !PQgetisnull(res, row, col) && PQgetvalue(res, row, col)[0] == 't';
}

void db_id(struct id *ret, const PGresult *res, int row, int col)
{
    const char *text = db_text(res, row, col);

    *ret = (struct id){0};
    if (text)
        (void)id_set(ret, text, strlen(text));
}

/* Milliseconds as a whole number, or timestamptz text in UTC: "2026-11-22 03:00:00.123+00". */
int64_t db_time(const PGresult *res, int row, int col)
{
    const char *text = db_text(res, row, col);
    char iso[48];
    size_t len;
    int64_t ms = 0;

    if (!text)
        return 0;
    if (!strchr(text, ' '))
        return strtoll(text, NULL, 10);
    len = strcspn(text, "+");
    snprintf(iso, sizeof(iso), "%.*sZ", (int)len, text);
    iso[10] = 'T';
    return clock_parse(&ms, iso, strlen(iso)) ? ms : 0;
}

/* ---- arrays */

static void array_comma(struct buf *b)
{
    if (b->len > 0 && b->data[b->len - 1] != '{')
        buf_char(b, ',');
}

void db_array_begin(struct buf *b)
{
    buf_char(b, '{');
}

void db_array_end(struct buf *b)
{
    buf_char(b, '}');
}

void db_array_text(struct buf *b, const char *text)
{
    if (text) {
        db_array_text_n(b, text, strlen(text));
        return;
    }
    array_comma(b);
    buf_str(b, "NULL");
}

void db_array_text_n(struct buf *b, const char *text, size_t len)
{
    const char *end = text + len;

    array_comma(b);
    buf_char(b, '"');
    while (text < end) {
        const char *from = text;

        while (text < end && *text != '"' && *text != '\\')
            text++;
        buf_add(b, from, (size_t)(text - from));
        if (text < end) {
            buf_char(b, '\\');
            buf_char(b, *text++);
        }
    }
    buf_char(b, '"');
}

void db_array_int(struct buf *b, int64_t value)
{
    array_comma(b);
    buf_printf(b, "%lld", (long long)value);
}

void db_array_time(struct buf *b, int64_t wall_ms)
{
    char text[CLOCK_TEXT_MAX];

    if (wall_ms == 0) {
        db_array_text(b, NULL);
        return;
    }
    clock_format_utc(text, wall_ms);
    array_comma(b);
    buf_str(b, text);
}

#define BYTES_HEADER_BYTES 20 /* dimensions, has NULLs, type, size, lower bound */

static void put_int(struct buf *b, size_t value)
{
    uint32_t wire = htonl((uint32_t)value);

    buf_add(b, &wire, sizeof(wire));
}

void db_bytes_begin(struct buf *b)
{
    static const unsigned char later[BYTES_HEADER_BYTES];

    buf_add(b, later, sizeof(later));
}

void db_bytes_add(struct buf *b, const void *data, size_t len)
{
    put_int(b, data ? len : UINT32_MAX);
    if (data)
        buf_add(b, data, len);
}

void db_bytes_end(struct buf *b, enum db_bytes type, size_t n)
{
    const uint32_t header[] = {htonl(1), htonl(1), htonl(type), htonl((uint32_t)n), htonl(1)};

    if (!b->failed)
        memcpy(b->data, header, sizeof(header));
}
