#include "services/intake/ask.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/base/clock.h"

/* Closes the connection from below, so that libpq finds it broken and db_fail() lets go of it. */
static bool give_up(struct db *db, const char *statement, int64_t deadline_ms, struct err *err)
{
    PGconn *conn = db_raw(db);

    (void)shutdown(PQsocket(conn), SHUT_RDWR);
    while (PQconsumeInput(conn) && PQstatus(conn) == CONNECTION_OK && PQisBusy(conn))
        continue;
    PQclear(PQgetResult(conn));
    (void)db_fail(db, NULL, statement, NULL);
    return err_set(err, ERR_TRANSIENT, "%s: no answer from PostgreSQL within %lld ms", statement,
                   (long long)deadline_ms);
}

/* True: the result can be taken without waiting, or the connection is broken. */
static bool wait_for(PGconn *conn, int64_t until_mono_ms)
{
    while (PQisBusy(conn)) {
        struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
        int64_t left_ms = until_mono_ms - clock_mono_ms();

        if (left_ms <= 0)
            return false;
        if (poll(&fd, 1, (int)left_ms) < 0 && errno != EINTR)
            return false;
        if (fd.revents && !PQconsumeInput(conn))
            return true;
    }
    return true;
}

/* The first result, with everything behind it read too, so that the connection is free again.
 * False: too late. */
static bool take_answer(PGconn *conn, int64_t until_mono_ms, PGresult **ret)
{
    PGresult *more;

    if (!wait_for(conn, until_mono_ms))
        return false;
    *ret = PQgetResult(conn);
    do {
        if (!wait_for(conn, until_mono_ms))
            return false;
        more = PQgetResult(conn);
        PQclear(more);
    } while (more);
    return true;
}

bool ask(struct db *db, const char *statement, const struct db_args *args, int64_t deadline_ms,
         PGresult **ret, struct err *err)
{
    int64_t until_mono_ms = clock_mono_ms() + deadline_ms;
    AUTO(auto_result) PGresult *res = NULL;
    PGconn *conn;

    if (!db_ready(db, err))
        return false;
    conn = db_raw(db);
    if (!PQsendQueryPrepared(conn, statement, args ? args->n : 0, args ? args->values : NULL, NULL,
                             NULL, 0))
        return db_fail(db, NULL, statement, err);
    if (!take_answer(conn, until_mono_ms, &res))
        return give_up(db, statement, deadline_ms, err);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return db_fail(db, res, statement, err);
    *ret = TAKE(res);
    return true;
}
