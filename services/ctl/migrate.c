/* `tongbao migrate` */
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "services/ctl/command.h"
#include "services/ctl/migrations.h"
#include "services/ctl/output.h"
#include "services/ctl/sql.h"

enum {
    ATTEMPTS = 15, /* a service holds a lock that a file needs, or somebody else migrates */
    PAUSE_MS = 1000,
    SQL_MAX_BYTES = 1024,
};

/* In this order: the files of one may name tables of those before it. */
static const struct folder {
    const char *name, *schema;
    const char *role; /* of the service whose sink has its tables there; NULL: no sink */
} folders[] = {
    {"ctl", "registry", NULL},
    {"classifier", "classifier", "tongbao_classifier"},
    {"escalator", "escalator", "tongbao_escalator"},
    {"notifier", "notifier", "tongbao_notifier"},
    {"archiver", "archive", "tongbao_archiver"},
};

/* Login roles without passwords: deploying sets those. Settings that are there already are not set
 * again: two databases of one cluster may be migrated at once. */
static const char roles_sql[] =
    "DO $$\n"
    "DECLARE r record; s text;\n"
    "BEGIN\n"
    "  FOR r IN SELECT * FROM (VALUES\n"
    "      ('tongbao_intake', "
    "'{idle_in_transaction_session_timeout=3s,lock_timeout=2s,'\n"
    "                          'statement_timeout=10s}'::text[]),\n"
    "      ('tongbao_classifier', '{idle_in_transaction_session_timeout=3s,lock_timeout=2s}'),\n"
    "      ('tongbao_escalator', '{idle_in_transaction_session_timeout=3s,lock_timeout=2s}'),\n"
    "      ('tongbao_notifier', '{idle_in_transaction_session_timeout=3s,lock_timeout=2s}'),\n"
    "      ('tongbao_archiver', '{idle_in_transaction_session_timeout=3s,lock_timeout=2s}'),\n"
    "      ('tongbao_analyst', '{idle_in_transaction_session_timeout=3s,lock_timeout=2s,'\n"
    "                          'statement_timeout=30s,default_transaction_read_only=on,'\n"
    "                          'temp_file_limit=1GB}')\n"
    "      ) AS t(name, settings)\n"
    "  LOOP\n"
    "    BEGIN\n"
    "      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r.name) THEN\n"
    "        EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER', r.name);\n"
    "      END IF;\n"
    "    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;\n"
    "    END;\n"
    "    FOREACH s IN ARRAY r.settings LOOP\n"
    "      CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = r.name AND s = ANY "
    "(rolconfig));\n"
    "      BEGIN\n"
    "        EXECUTE format('ALTER ROLE %I SET %s = %L', r.name, split_part(s, '=', 1), "
    "split_part(s, '=', 2));\n"
    "      EXCEPTION WHEN insufficient_privilege THEN\n" /* only a superuser may set that one */
    "        IF s NOT LIKE 'temp_file_limit=%' THEN RAISE; END IF;\n"
    "      END;\n"
    "    END LOOP;\n"
    "  END LOOP;\n"
    "END $$";

/* Names of schemas and roles are constants of ours. */
static bool exec_format(struct db *db, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool exec_format(struct db *db, struct err *err, const char *fmt, ...)
{
    char sql[SQL_MAX_BYTES];
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(sql, sizeof(sql), fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= sizeof(sql))
        return err_set(err, ERR_FATAL, "the statement is too long");
    return db_exec(db, sql, err);
}

/* What is recorded of a file: true, and its hash or "" when it was not applied. */
static bool recorded(struct db *db, const char *name, char ret_sha256[SHA256_HEX_MAX],
                     struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {.n = 0};

    db_arg_text(&args, name);
    if (!sql_run(db, "SELECT sha256 FROM migration WHERE name = $1", &args, &res, err))
        return false;
    (void)snprintf(ret_sha256, SHA256_HEX_MAX, "%s",
                   PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    return true;
}

static bool record(struct db *db, const char *name, const char *hash, struct err *err)
{
    struct db_args args = {.n = 0};

    db_arg_text(&args, name);
    db_arg_text(&args, hash);
    return sql_run(db, "INSERT INTO migration (name, sha256) VALUES ($1, $2)", &args, NULL, err);
}

static bool apply(struct db *db, const struct folder *folder, const struct migration *m,
                  json_t *report, struct err *err)
{
    char name[128], hash[SHA256_HEX_MAX], before[SHA256_HEX_MAX];
    uint8_t digest[SHA256_LEN];

    (void)snprintf(name, sizeof(name), "%s/%s", m->folder, m->name);
    sha256(m->sql, strlen(m->sql), digest);
    hex_encode(hash, digest, SHA256_LEN);
    if (!recorded(db, name, before, err))
        return false;
    if (*before && strcmp(before, hash) != 0)
        return err_set(
            err, ERR_CONFIG,
            "%s was changed after it was applied to schema %s: put the change into a new "
            "file; a trial database is best made anew",
            name, folder->schema);
    if (!*before && (!db_begin(db, err) || !db_exec(db, m->sql, err) ||
                     !record(db, name, hash, err) || !db_commit(db, err))) {
        db_rollback(db);
        return err_wrap(err, "%s", name);
    }
    json_array_append_new(report, json_pack("{sssssb}", "schema", folder->schema, "file", name,
                                            "applied", *before == '\0'));
    return true;
}

static bool apply_all(struct db *db, const struct folder *folder, const char *from, json_t *report,
                      struct err *err)
{
    for (size_t i = 0; i < migrations_n; i++)
        if (strcmp(migrations[i].folder, from) == 0 &&
            !apply(db, folder, &migrations[i], report, err))
            return false;
    return true;
}

static bool migrate_folder(struct db *db, const struct folder *f, json_t *report, struct err *err)
{
    if (!exec_format(
            db, err,
            "CREATE SCHEMA IF NOT EXISTS %s; SET search_path = %s;"
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())",
            f->schema, f->schema))
        return false;
    if (f->role &&
        (!apply_all(db, f, "flow", report, err) ||
         !exec_format(db, err,
                      "GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT, INSERT, UPDATE, DELETE ON"
                      " kafka_offset, kafka_gap, seen, outbox TO %s",
                      f->schema, f->role, f->role)))
        return false;
    return apply_all(db, f, f->name, report, err);
}

static bool migrate(const struct ctl_conf *conf, json_t *report, struct err *err)
{
    AUTO(auto_db) struct db *db = NULL;

    if (!sql_open(&db, conf->pg, err) || /* the lock goes with the connection */
        !db_exec(db, "SELECT pg_advisory_lock(7405571940513)", err) || !db_exec(db, roles_sql, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (!migrate_folder(db, &folders[i], report, err))
            return err_wrap(err, "schema %s", folders[i].schema);
    return true;
}

bool migrate_run(const struct ctl_conf *conf, char **args, struct err *err)
{
    static const struct column columns[] = {
        {"schema", "schema"}, {"file", "file"}, {"applied", "applied now"}};
    AUTO(auto_json) json_t *report = json_array();

    (void)args;
    for (int attempt = 1; !migrate(conf, report, err); attempt++) {
        if (err->kind != ERR_TRANSIENT || attempt == ATTEMPTS)
            return err_wrap(err, "migrate");
        clock_sleep_ms(PAUSE_MS);
        json_array_clear(report);
    }
    if (conf->json)
        output_json(stdout, report);
    else
        output_table(stdout, report, columns, ARRAY_LEN(columns));
    return true;
}
