#include "services/classifier/link_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/db/columns.h"

#define HOUR_MS           INT64_C(3600000)
#define KIND_MAX          64
#define TEXT(n)           TEXT_OF(n)
#define TEXT_OF(n)        #n
#define MEMBER            "trait_id, incident_id, enterprise_id, occurred_ms, campaign_id"
#define ENTERPRISES_BYTES ((size_t)64 * 1024 * 1024)

const struct db_statement link_statements[] = {
    {"trait_lock",
     "INSERT INTO trait (trait_id, rule, kind, value, drill, keep_until)"
     " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[],"
     " $6::timestamptz[]) AS u(i) ORDER BY i"
     " ON CONFLICT (trait_id) DO UPDATE SET"
     " keep_until = greatest(trait.keep_until, EXCLUDED.keep_until)"},
    {"trait_campaigns",
     "SELECT t.id, c.campaign_id, c.first_ms, c.last_ms, c.incidents, c.enterprises"
     " FROM unnest($1::uuid[]) AS t(id), LATERAL (SELECT * FROM campaign"
     " WHERE trait_id = t.id ORDER BY last_ms DESC LIMIT " TEXT(TRAIT_ERAS_MAX) ") c"},
    /* Those that wait, the newest of each campaign, and the newcomers that are no such. */
    // clang-format off
    {"trait_members",
     "SELECT m.* FROM unnest($1::uuid[]) AS t(id), LATERAL (SELECT " MEMBER " FROM trait_member"
     " WHERE trait_id = t.id AND campaign_id IS NULL"
     " ORDER BY occurred_ms DESC LIMIT " TEXT(TRAIT_WAITING_MAX) ") m"
     " UNION SELECT m.* FROM unnest($1::uuid[]) AS t(id), LATERAL (SELECT campaign_id FROM campaign"
     " WHERE trait_id = t.id ORDER BY last_ms DESC LIMIT " TEXT(TRAIT_ERAS_MAX) ") c,"
     " LATERAL (SELECT " MEMBER " FROM trait_member WHERE campaign_id = c.campaign_id"
     " ORDER BY occurred_ms DESC LIMIT " TEXT(CAMPAIGN_LINKED_MAX) ") m"
     " UNION SELECT " MEMBER " FROM trait_member"
     " JOIN unnest($2::uuid[], $3::uuid[]) AS p(trait_id, incident_id) USING (trait_id, incident_id)"
     " ORDER BY trait_id, occurred_ms, incident_id"},
    // clang-format on
    {"campaign_save",
     "INSERT INTO campaign (campaign_id, trait_id, first_ms, last_ms, incidents, enterprises)"
     " SELECT c, t, f, l, n, e::uuid[] FROM unnest($1::uuid[], $2::uuid[], $3::bigint[],"
     " $4::bigint[], $5::bigint[], $6::text[]) AS u(c, t, f, l, n, e)"
     " ON CONFLICT (campaign_id) DO UPDATE SET first_ms = EXCLUDED.first_ms,"
     " last_ms = EXCLUDED.last_ms, incidents = EXCLUDED.incidents,"
     " enterprises = EXCLUDED.enterprises"},
    {"member_add",
     "INSERT INTO trait_member (" MEMBER ", keep_until)"
     " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[],"
     " $6::timestamptz[])"},
    {"member_link", "UPDATE trait_member m SET campaign_id = u.c"
                    " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS u(t, i, c)"
                    " WHERE m.trait_id = u.t AND m.incident_id = u.i"},
    {"member_expire",
     "WITH gone AS (DELETE FROM trait_member WHERE (trait_id, incident_id) IN"
     " (SELECT trait_id, incident_id FROM trait_member WHERE campaign_id IS NULL"
     "  AND keep_until < $1::timestamptz LIMIT $2::int FOR UPDATE SKIP LOCKED) RETURNING 1)"
     " SELECT count(*) FROM gone"},
    /* Members that wait are gone first: two processes that delete each other's would block. */
    {"trait_expire",
     "WITH gone AS (DELETE FROM trait WHERE trait_id IN"
     " (SELECT trait_id FROM trait t WHERE keep_until < $1::timestamptz AND NOT EXISTS"
     "  (SELECT FROM trait_member m WHERE m.trait_id = t.trait_id AND m.campaign_id IS NULL)"
     "  LIMIT $2::int FOR UPDATE SKIP LOCKED) RETURNING 1)"
     " SELECT count(*) FROM gone"},
};
const size_t link_statements_n = ARRAY_LEN(link_statements);

static int64_t keep_until(const struct trait *t, int64_t now_ms)
{
    return ((now_ms + t->rule->window_ms + TRAIT_SPARE_MS) / HOUR_MS + 1) * HOUR_MS;
}

/* --- reading --- */

static void write_kind(char ret[KIND_MAX], const struct trait *t)
{
    switch (t->rule->kind) {
    case CORRELATION_INDICATOR:
        snprintf(ret, KIND_MAX, "indicator:%s", enum_text(&indicator_type_table, (int)t->type));
        break;
    case CORRELATION_SUB_CATEGORY:
        snprintf(ret, KIND_MAX, "sub_category");
        break;
    case CORRELATION_SUPPLIER:
        snprintf(ret, KIND_MAX, "supplier");
        break;
    }
}

static bool lock_traits(struct db *db, const struct circle *circles, size_t n, int64_t now_ms,
                        struct err *err)
{
    AUTO(columns_done) struct columns rows;
    char kind[KIND_MAX];

    columns_init(&rows);
    for (size_t i = 0; i < n; i++) {
        const struct trait *t = circles[i].trait;

        write_kind(kind, t);
        columns_row(&rows);
        columns_id(&rows, &t->id);
        columns_text(&rows, t->rule->id);
        columns_text(&rows, kind);
        columns_text(&rows, t->value);
        columns_bool(&rows, t->drill);
        columns_time(&rows, keep_until(t, now_ms));
    }
    return columns_run(&rows, db, "trait_lock", NULL, err);
}

static int by_trait(const void *key, const void *element)
{
    const struct id *id = key;
    const struct circle *c = element;

    return strcmp(id->text, c->trait->id.text);
}

static struct circle *find_circle(struct circle *circles, size_t n, const PGresult *res, int row)
{
    struct id id = {0};

    db_id(&id, res, row, 0);
    return bsearch(&id, circles, n, sizeof(*circles), by_trait);
}

/* "{id,id,…}": PostgreSQL quotes no uuid. */
static bool read_enterprises(struct era *era, const char *text, struct err *err)
{
    struct id id = {0};

    for (const char *at = text + 1; id_set(&id, at, strcspn(at, ",}")); at += ID_TEXT_LEN + 1)
        if (!era_add_enterprise(era, &id, err))
            return false;
    return true;
}

static bool read_campaign(struct circle *c, const PGresult *res, int row, struct err *err)
{
    struct era era = {.first_at = db_int(res, row, 2),
                      .last_at = db_int(res, row, 3),
                      .incidents = db_int(res, row, 4)};

    db_id(&era.campaign_id, res, row, 1);
    if (read_enterprises(&era, db_text(res, row, 5), err) && circle_add_era(c, &era, err))
        return true;
    free(era.enterprises);
    return false;
}

static bool read_member(struct circle *c, const PGresult *res, int row, struct err *err)
{
    struct member m = {.occurred_at = db_int(res, row, 3)};

    db_id(&m.incident_id, res, row, 1);
    db_id(&m.enterprise_id, res, row, 2);
    db_id(&m.campaign_id, res, row, 4);
    return circle_add_member(c, &m, err);
}

typedef bool read_fn(struct circle *c, const PGresult *res, int row, struct err *err);

static bool read_rows(struct circle *circles, size_t n, const PGresult *res, read_fn *read,
                      struct err *err)
{
    for (int row = 0; row < PQntuples(res); row++) {
        struct circle *c = find_circle(circles, n, res, row);

        if (c && !read(c, res, row, err))
            return false;
    }
    return true;
}

static void add_id(struct columns *to, const struct id *id)
{
    columns_row(to);
    columns_id(to, id);
}

static bool read_all(struct db *db, struct circle *circles, size_t n, const struct link_pair *pairs,
                     size_t pairs_n, struct err *err)
{
    AUTO(auto_result) PGresult *campaigns = NULL;
    AUTO(auto_result) PGresult *members = NULL;
    AUTO(columns_done) struct columns ids, known;
    struct db_args of_campaigns = {0}, of_members = {0};

    columns_init(&ids);
    columns_init(&known);
    for (size_t i = 0; i < n; i++)
        add_id(&ids, &circles[i].trait->id);
    for (size_t i = 0; i < pairs_n; i++) {
        add_id(&known, pairs[i].trait_id);
        columns_id(&known, pairs[i].incident_id);
    }
    if (!columns_args(&ids, "trait_campaigns", &of_campaigns, err))
        return false;
    of_members = of_campaigns;
    return columns_args(&known, "trait_members", &of_members, err) &&
           db_run(db, "trait_campaigns", &of_campaigns, &campaigns, err) &&
           db_run(db, "trait_members", &of_members, &members, err) &&
           read_rows(circles, n, campaigns, read_campaign, err) &&
           read_rows(circles, n, members, read_member, err);
}

bool link_store_load(struct db *db, struct circle *circles, size_t n, const struct link_pair *pairs,
                     size_t pairs_n, int64_t now_ms, struct err *err)
{
    if (!lock_traits(db, circles, n, now_ms, err) || !read_all(db, circles, n, pairs, pairs_n, err))
        return false;
    FAILPOINT("classifier.traits.read");
    return true;
}

/* --- writing --- */

static bool put_campaign(struct columns *to, const struct trait *t, const struct era *era,
                         struct err *err)
{
    AUTO(buf_done) struct buf enterprises;

    buf_init(&enterprises, ENTERPRISES_BYTES);
    db_array_begin(&enterprises);
    for (size_t i = 0; i < era->enterprises_n; i++)
        db_array_text(&enterprises, era->enterprises[i].text);
    db_array_end(&enterprises);
    add_id(to, &era->campaign_id);
    columns_id(to, &t->id);
    columns_int(to, era->first_at);
    columns_int(to, era->last_at);
    columns_int(to, era->incidents);
    columns_text(to, buf_text(&enterprises));
    return !enterprises.failed || err_memory(err);
}

static void put_member(struct columns *added, struct columns *linked, const struct trait *t,
                       const struct member *m, int64_t now_ms)
{
    if (m->is_new) {
        add_id(added, &t->id);
        columns_id(added, &m->incident_id);
        columns_id(added, &m->enterprise_id);
        columns_int(added, m->occurred_at);
        columns_id(added, &m->campaign_id);
        columns_time(added, keep_until(t, now_ms));
    } else if (m->is_linked) {
        add_id(linked, &t->id);
        columns_id(linked, &m->incident_id);
        columns_id(linked, &m->campaign_id);
    }
}

bool link_store_save(struct db *db, const struct circle *circles, size_t n, int64_t now_ms,
                     struct err *err)
{
    AUTO(columns_done) struct columns campaigns, added, linked;

    columns_init(&campaigns);
    columns_init(&added);
    columns_init(&linked);
    for (size_t i = 0; i < n; i++) {
        const struct circle *c = &circles[i];

        for (size_t e = 0; e < c->eras_n; e++)
            if (c->eras[e].is_changed && !put_campaign(&campaigns, c->trait, &c->eras[e], err))
                return false;
        for (size_t m = 0; m < c->members_n; m++)
            put_member(&added, &linked, c->trait, &c->members[m], now_ms);
    }
    return columns_run(&campaigns, db, "campaign_save", NULL, err) &&
           columns_run(&added, db, "member_add", NULL, err) &&
           columns_run(&linked, db, "member_link", NULL, err);
}

/* --- what is over --- */

bool link_store_expire(struct db *db, int64_t now_ms, bool *ret_more, struct err *err)
{
    AUTO(auto_result) PGresult *members = NULL;
    AUTO(auto_result) PGresult *traits = NULL;
    struct db_args args = {0};

    db_arg_time(&args, now_ms);
    db_arg_int(&args, TRAIT_EXPIRE_MAX);
    if (!db_run(db, "member_expire", &args, &members, err) ||
        !db_run(db, "trait_expire", &args, &traits, err))
        return false;
    *ret_more =
        db_int(members, 0, 0) == TRAIT_EXPIRE_MAX || db_int(traits, 0, 0) == TRAIT_EXPIRE_MAX;
    return true;
}
