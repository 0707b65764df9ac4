#include "services/ctl/grades.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "services/ctl/sql.h"

#define PAGE_BYTES ((size_t)GRADES_PAGE * 40 + 16)

bool incident_name_parse(struct incident_name *ret, const char *text)
{
    char lower[ID_TEXT_LEN + 1] = "";

    *ret = (struct incident_name){.reference = ""};
    if (strlen(text) == ID_TEXT_LEN)
        for (size_t i = 0; i < ID_TEXT_LEN; i++)
            lower[i] = (char)tolower((unsigned char)text[i]);
    return id_set(&ret->id, lower, strlen(lower)) || reference_parse(ret->reference, text);
}

static bool open_reader(struct db **ret, const char *conninfo, struct err *err)
{
    const char *analyst = getenv("TONGBAO_PG");

    return sql_open(ret, analyst && *analyst && sql_is_default(conninfo) ? analyst : conninfo, err);
}

static bool read_rows(struct db *db, const char *sql, const struct db_args *args, PGresult **ret,
                      struct err *err)
{
    if (sql_run(db, sql, args, ret, err))
        return true;
    return err && err->kind == ERR_CONFIG
               ? err_wrap(err, "the grades are read from the views of analytics, as the role "
                               "tongbao_analyst may (--pg)")
               : false;
}

/* Of the events of one revision the first counts (hard case 14); a refused decision only repeats
 * the grade that stands. One incident at a time, by its index: the archive is large. */
static const char explain_sql[] =
    "WITH i AS (SELECT incident_id FROM analytics.incident"
    "            WHERE incident_id = $1::uuid OR reference = $2 LIMIT 1),"
    " e AS (SELECT body, appended_at, (body->>'revision')::int AS revision FROM analytics.timeline"
    "        WHERE incident_id = (SELECT incident_id FROM i)"
    "          AND type IN ('incident.classified', 'incident.reclassified')"
    "          AND NOT body ? 'refused_why'),"
    " g AS (SELECT DISTINCT ON (revision) *,"
    "              to_char(appended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"Z\"') AS at"
    "         FROM e ORDER BY revision DESC, appended_at),"
    " n AS (SELECT *, row_number() OVER (ORDER BY revision DESC) AS place FROM g)"
    " SELECT (SELECT count(*) FROM i),"
    "  (SELECT jsonb_build_object('grade', body, 'at', at, 'earlier', ("
    "    SELECT jsonb_agg(jsonb_build_object('revision', revision, 'at', at,"
    "           'level', body->'level', 'category', body->'category',"
    "           'decided_by', body->'decided_by', 'policy_version', body->'policy_version',"
    "           'actor', coalesce(body#>'{actor,name}', body#>'{actor,id}')) ORDER BY place)"
    "      FROM n WHERE place BETWEEN 2 AND 501))::text FROM n WHERE place = 1)";

static bool send_text(struct program *p, const char *text)
{
    return program_write(p, text, strlen(text)) && program_write(p, "\n", 1);
}

bool grades_explain(const char *conninfo, const struct incident_name *name,
                    const char *const *words, struct err *err)
{
    const char *called = id_is_set(&name->id) ? name->id.text : name->reference;
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(auto_db) struct db *db = NULL;
    struct db_args args = {.n = 0};
    struct program p;

    db_arg_text(&args, id_is_set(&name->id) ? name->id.text : NULL);
    db_arg_text(&args, *name->reference ? name->reference : NULL);
    if (!open_reader(&db, conninfo, err) || !read_rows(db, explain_sql, &args, &res, err))
        return false;
    if (db_int(res, 0, 0) == 0)
        return err_set(err, ERR_INPUT,
                       "the archive knows no incident %s; one that was reported just now is there "
                       "in a moment",
                       called);
    if (!db_text(res, 0, 1))
        return err_set(err, ERR_INPUT, "incident %s has no grade yet", called);
    if (!program_start(&p, words, err))
        return false;
    (void)!send_text(&p, db_text(res, 0, 1)); /* what it did not take, program_end() tells */
    return program_end(&p, err);
}

/* --- replay --- */

static const char list_sql[] = "SELECT event_id FROM ("
                               " SELECT event_id, incident_id, revision, min(decided_at) OVER "
                               "(PARTITION BY incident_id) AS first_at"
                               "   FROM analytics.classification WHERE decided_by = 'system' AND "
                               "decided_at >= $1::timestamptz) g"
                               " ORDER BY first_at, incident_id, revision, event_id LIMIT $2::int";

/* LATERAL with LIMIT: one search of the index for each, also where there are no statistics. */
static const char page_sql[] =
    "SELECT t.body FROM unnest($1::uuid[]) WITH ORDINALITY AS g (event_id, place)"
    " CROSS JOIN LATERAL (SELECT body FROM analytics.timeline e"
    "  WHERE e.event_id = g.event_id AND e.appended_at >= $2::timestamptz LIMIT 1) t"
    " ORDER BY g.place";

static bool list_grades(struct db *db, int64_t since_ms, PGresult **ret, struct err *err)
{
    struct db_args args = {.n = 0};

    db_arg_time(&args, since_ms);
    db_arg_int(&args, GRADES_MAX + 1);
    if (!read_rows(db, list_sql, &args, ret, err))
        return false;
    return PQntuples(*ret) <= GRADES_MAX ||
           err_set(err, ERR_INPUT, "more than %d grades since then: give a later --replay",
                   GRADES_MAX);
}

static bool read_page(struct db *db, const PGresult *ids, int from, int64_t since_ms,
                      PGresult **ret, struct err *err)
{
    AUTO(buf_done) struct buf page = {0};
    struct db_args args = {.n = 0};

    buf_init(&page, PAGE_BYTES);
    db_array_begin(&page);
    for (int i = from; i < PQntuples(ids) && i < from + GRADES_PAGE; i++)
        db_array_text(&page, db_text(ids, i, 0));
    db_array_end(&page);
    if (page.failed)
        return err_memory(err);
    db_arg_text(&args, buf_text(&page));
    db_arg_time(&args, since_ms);
    return read_rows(db, page_sql, &args, ret, err);
}

/* *ret_sent: how many the program was given. True also when it takes no more. */
static bool send_grades(struct db *db, const PGresult *ids, int64_t since_ms, struct program *p,
                        int *ret_sent, struct err *err)
{
    for (int from = 0; from < PQntuples(ids); from += GRADES_PAGE) {
        AUTO(auto_result) PGresult *page = NULL;

        if (!read_page(db, ids, from, since_ms, &page, err))
            return false;
        for (int row = 0; row < PQntuples(page); row++) {
            const char *body = db_text(page, row, 0);

            if (body && !send_text(p, body))
                return true;
            *ret_sent += body != NULL;
        }
    }
    return true;
}

bool grades_replay(const char *conninfo, int64_t since_ms, const char *const *words,
                   struct err *err)
{
    AUTO(auto_result) PGresult *ids = NULL;
    AUTO(auto_db) struct db *db = NULL;
    struct program p;
    int sent = 0;

    if (!open_reader(&db, conninfo, err) || !list_grades(db, since_ms, &ids, err) ||
        !program_start(&p, words, err))
        return false;
    if (!send_grades(db, ids, since_ms, &p, &sent, err)) {
        program_stop(&p);
        return false;
    }
    if (!program_end(&p, err))
        return false;
    if (sent < PQntuples(ids))
        (void)fprintf(
            stderr,
            "tongbao: %d grades were left out: their events are not in the archive, or hold "
            "what PostgreSQL cannot show\n",
            PQntuples(ids) - sent);
    return true;
}

/* --- corrections --- */

static const char corrections_sql[] =
    "SELECT jsonb_build_object('text', t.body->>'summary', 'category', c.category,"
    "  'gbt20986', t.body#>>'{gbt20986,name}', 'reference', t.body->>'reference')::text"
    " FROM (SELECT DISTINCT ON (incident_id) * FROM analytics.classification"
    "        WHERE decided_by <> 'system' AND decided_at >= $1::timestamptz"
    "        ORDER BY incident_id, revision DESC) c"
    " CROSS JOIN LATERAL (SELECT body FROM analytics.timeline e"
    "  WHERE e.event_id = c.event_id AND e.appended_at >= $1::timestamptz LIMIT 1) t"
    " WHERE t.body->>'drill' = 'false' ORDER BY c.decided_at, c.incident_id LIMIT $2::int";

bool grades_corrections(const char *conninfo, int64_t since_ms, FILE *out, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(auto_db) struct db *db = NULL;
    struct db_args args = {.n = 0};

    db_arg_time(&args, since_ms);
    db_arg_int(&args, GRADES_CORRECTIONS_MAX + 1);
    if (!open_reader(&db, conninfo, err) || !read_rows(db, corrections_sql, &args, &res, err))
        return false;
    if (PQntuples(res) > GRADES_CORRECTIONS_MAX)
        return err_set(err, ERR_INPUT, "more than %d corrections since then: give a later time",
                       GRADES_CORRECTIONS_MAX);
    for (int row = 0; row < PQntuples(res); row++)
        if (fprintf(out, "%s\n", db_text(res, row, 0)) < 0)
            return err_set(err, ERR_FATAL, "the output could not be written");
    return fflush(out) == 0 || err_set(err, ERR_FATAL, "the output could not be written");
}
