#include "services/ctl/sql.h"

#include <string.h>

#include "services/ctl/command.h"

bool sql_is_default(const char *conninfo)
{
    for (size_t i = 0; i < ctl_conf_table.n; i++)
        if (strcmp(ctl_conf_table.options[i].name, "pg") == 0)
            return strcmp(conninfo, ctl_conf_table.options[i].fallback_text) == 0;
    return false;
}

bool sql_open(struct db **ret, const char *conninfo, struct err *err)
{
    struct db_conf conf = {.conninfo = conninfo, .application_name = "tongbao"};
    AUTO(auto_db) struct db *db = NULL;

    if (!db_open(&db, &conf, err))
        return false;
    if (!db_ready(db, err) || !db_exec(db, "SET client_min_messages = warning", err))
        return sql_is_default(conninfo)
                   ? err_wrap(err, "give the database with --pg or TONGBAO_CTL_PG")
                   : false;
    *ret = TAKE(db);
    return true;
}

bool sql_run(struct db *db, const char *sql, const struct db_args *args, PGresult **ret,
             struct err *err)
{
    PGconn *conn = db_settle(db, err) ? db_raw(db) : NULL;
    AUTO(auto_result) PGresult *res = NULL;
    ExecStatusType status;

    if (!conn)
        return err_set(err, ERR_TRANSIENT, "the connection to PostgreSQL was lost");
    res = PQexecParams(conn, sql, args ? args->n : 0, NULL, args ? args->values : NULL, NULL, NULL,
                       0);
    status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return db_fail(db, res, "SQL", err);
    if (ret)
        *ret = TAKE(res);
    return true;
}
