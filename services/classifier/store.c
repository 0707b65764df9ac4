#include "services/classifier/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/db/columns.h"

#define EXPIRE_MAX 200 /* rows at a time: all of them become dead letters */

const struct db_statement store_statements[] = {
    {"case_open", "INSERT INTO incident_case (incident_id) SELECT unnest($1::uuid[])"
                  " ON CONFLICT DO NOTHING"},
    {"case_lock", "SELECT incident_id, enterprise_id, inputs, revision, level, category, gbt20986,"
                  " decision_event_id, challenged_level, digest, standing FROM incident_case WHERE "
                  "incident_id = ANY($1::uuid[])"
                  " ORDER BY incident_id FOR UPDATE"},
    {"case_inputs",
     "SELECT incident_id, event_id, type, is_early, body, topic, partition, \"offset\""
     " FROM case_input WHERE incident_id = ANY($1::uuid[]) ORDER BY incident_id, event_id"},
    {"case_save",
     "UPDATE incident_case c SET enterprise_id = u.e, inputs = u.n, revision = u.r, level = u.l,"
     " category = u.c, gbt20986 = u.g, decision_event_id = u.d, challenged_level = u.h,"
     " digest = u.s, standing = u.t,"
     " updated_at = transaction_timestamp()"
     " FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bigint[], $5::text[], $6::text[],"
     " $7::text[], $8::uuid[], $9::text[], $10::text[], $11::text[]) AS u(i, e, n, r, l, c, g, d, "
     "h, s, t) WHERE "
     "c.incident_id = "
     "u.i"},
    {"case_add",
     "INSERT INTO case_input (incident_id, event_id, type, enterprise_id, is_early, body, topic,"
     " partition, \"offset\")"
     " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::boolean[],"
     " $6::text[], $7::text[], $8::int[], $9::bigint[])"},
    {"case_drop",
     "DELETE FROM case_input i USING unnest($1::uuid[], $2::uuid[]) AS u(incident_id, event_id)"
     " WHERE i.incident_id = u.incident_id AND i.event_id = u.event_id"},
    {"case_opened",
     "UPDATE case_input SET is_early = false WHERE incident_id = ANY($1::uuid[]) AND is_early"},
    {"case_count_early",
     "SELECT count(*) FROM case_input WHERE is_early AND enterprise_id = $1::uuid"},
    {"case_expire_lock",
     "SELECT c.incident_id FROM incident_case c WHERE c.incident_id IN"
     " (SELECT incident_id FROM case_input WHERE is_early AND added_at < $1::timestamptz"
     "  ORDER BY added_at LIMIT $2::int)"
     " ORDER BY c.incident_id FOR UPDATE SKIP LOCKED"},
    {"case_expire",
     "WITH gone AS (DELETE FROM case_input WHERE (incident_id, event_id) IN"
     " (SELECT incident_id, event_id FROM case_input WHERE incident_id = ANY($1::uuid[])"
     "  AND is_early AND added_at < $2::timestamptz ORDER BY added_at LIMIT $3::int)"
     " RETURNING incident_id, event_id, type, body, topic, partition, \"offset\"),"
     " counted AS (UPDATE incident_case c SET inputs = c.inputs - g.n"
     " FROM (SELECT incident_id, count(*) AS n FROM gone GROUP BY incident_id) g"
     " WHERE c.incident_id = g.incident_id)"
     " SELECT * FROM gone"},
    {"case_forget", "DELETE FROM incident_case WHERE incident_id = ANY($1::uuid[])"
                    " AND enterprise_id IS NULL AND inputs = 0 AND revision < 0"},
};
const size_t store_statements_n = ARRAY_LEN(store_statements);

/* --- loading --- */

static int by_id(const void *key, const void *element)
{
    const struct id *id = key;
    const struct stored_case *c = element;

    return strcmp(id->text, c->file.incident_id.text);
}

struct stored_case *store_find(const struct store_batch *b, const struct id *incident_id)
{
    return bsearch(incident_id, b->cases, b->cases_n, sizeof(*b->cases), by_id);
}

static bool read_case(struct stored_case *c, const PGresult *res, int row, struct err *err)
{
    const char *challenged_level = db_text(res, row, 8);
    struct published *p = &c->file.published;
    int level = 0, category = 0, gbt = 0, challenged = 0;

    db_id(&c->file.enterprise_id, res, row, 1);
    c->inputs = db_int(res, row, 2);
    p->revision = db_int(res, row, 3);
    if (p->revision < 0)
        return true;
    if (!enum_parse(&level_table, db_text(res, row, 4), &level) ||
        !enum_parse(&category_table, db_text(res, row, 5), &category) ||
        !enum_parse(&gbt20986_table, db_text(res, row, 6), &gbt) ||
        (challenged_level && !enum_parse(&level_table, challenged_level, &challenged)))
        return err_set(err, ERR_FATAL, "incident_case %s: a value that no release ever wrote",
                       c->file.incident_id.text);
    p->level = (enum level)level;
    p->category = (enum category)category;
    p->gbt = (enum gbt20986)gbt;
    db_id(&p->decision_event_id, res, row, 7);
    p->is_challenged = challenged_level != NULL;
    p->challenged_level = (enum level)challenged;
    snprintf(p->digest, sizeof(p->digest), "%s", db_text(res, row, 9) ? db_text(res, row, 9) : "");
    standing_read(&p->standing, db_text(res, row, 10));
    return true;
}

static void add_id(struct columns *to, const struct id *id)
{
    columns_row(to);
    columns_id(to, id);
}

static bool lock_cases(struct db *db, struct store_batch *b, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(columns_done) struct columns ids;
    struct db_args args = {0};
    bool ok;

    columns_init(&ids);
    for (size_t i = 0; i < b->cases_n; i++)
        add_id(&ids, &b->cases[i].file.incident_id);
    ok = columns_args(&ids, "case_lock", &args, err) && db_run(db, "case_open", &args, NULL, err) &&
         db_run(db, "case_lock", &args, &res, err);
    for (int row = 0; ok && row < PQntuples(res); row++) {
        struct id id = {0};
        struct stored_case *c;

        db_id(&id, res, row, 0);
        c = store_find(b, &id);
        ok = c && read_case(c, res, row, err);
    }
    return ok;
}

static bool needs_inputs(const struct stored_case *c)
{
    return c->inputs + c->news >= 2 || (c->inputs > 0 && !id_is_set(&c->file.enterprise_id));
}

static bool read_input(struct store_batch *b, int row, struct err *err)
{
    const PGresult *res = b->inputs;
    struct origin *origin = &b->origins[row];
    struct id incident_id = {0};
    struct event ev;
    struct event_record rec = {.id = db_text(res, row, 1),
                               .type = db_text(res, row, 2),
                               .key = db_text(res, row, 0),
                               .key_len = ID_TEXT_LEN,
                               .value = db_text(res, row, 4),
                               .value_len = strlen(db_text(res, row, 4)),
                               .without_doc = true};
    struct stored_case *c;

    *origin = (struct origin){.topic = db_text(res, row, 5),
                              .body = rec.value,
                              .body_len = rec.value_len,
                              .partition = (int32_t)db_int(res, row, 6),
                              .offset = db_int(res, row, 7),
                              .is_stored_early = db_bool(res, row, 3)};
    db_id(&incident_id, res, row, 0);
    c = store_find(b, &incident_id);
    if (!event_decode(&ev, &rec, err)) {
        if (err)
            err->kind = ERR_FATAL; /* it could be read when it was stored */
        return err_wrap(err, "case_input %s", rec.id);
    }
    if (c && case_add(&c->file, &ev, origin->is_stored_early, origin, err))
        return true;
    event_done(&ev);
    return false;
}

static bool load_inputs(struct db *db, struct store_batch *b, struct err *err)
{
    AUTO(columns_done) struct columns ids;
    bool ok;

    columns_init(&ids);
    for (size_t i = 0; i < b->cases_n; i++) {
        b->cases[i].has_inputs = needs_inputs(&b->cases[i]);
        if (b->cases[i].has_inputs)
            add_id(&ids, &b->cases[i].file.incident_id);
    }
    if (ids.rows == 0)
        return true;
    if (!columns_run(&ids, db, "case_inputs", &b->inputs, err))
        return false;
    b->origins = calloc((size_t)PQntuples(b->inputs) + 1, sizeof(*b->origins));
    ok = b->origins || err_memory(err);
    for (int row = 0; ok && row < PQntuples(b->inputs); row++)
        ok = read_input(b, row, err);
    return ok;
}

bool store_load(struct db *db, struct store_batch *b, struct err *err)
{
    for (size_t i = 0; i < b->cases_n; i++)
        b->cases[i].file.published.revision = -1;
    return b->cases_n == 0 || (lock_cases(db, b, err) && load_inputs(db, b, err));
}

static void fill_record(struct flow_record *ret, const struct origin *origin,
                        const char *incident_id, const char *event_id, const char *type)
{
    *ret = (struct flow_record){.topic = origin->topic,
                                .partition = origin->partition,
                                .offset = origin->offset,
                                .key = incident_id,
                                .key_len = ID_TEXT_LEN,
                                .value = origin->body,
                                .value_len = origin->body_len,
                                .event_id = event_id,
                                .event_type = type};
}

void store_record_of(struct flow_record *ret, const struct case_input *input)
{
    fill_record(ret, input->origin, input->ev.incident_id.text, input->ev.id.text,
                event_types[input->ev.type].name);
}

void store_batch_done(struct store_batch *b)
{
    for (size_t i = 0; i < b->cases_n; i++)
        case_done(&b->cases[i].file);
    PQclear(b->inputs);
    free(b->origins);
    free(b->cases);
    *b = (struct store_batch){0};
}

/* --- saving --- */

static void add_input(struct columns *to, const struct case_input *input)
{
    const struct origin *origin = input->origin;

    columns_row(to);
    columns_id(to, &input->ev.incident_id);
    columns_id(to, &input->ev.id);
    columns_text(to, event_types[input->ev.type].name);
    columns_id(to, &input->ev.enterprise_id);
    columns_bool(to, input->is_early);
    columns_text_n(to, origin->body, origin->body_len);
    columns_text(to, origin->topic);
    columns_int(to, origin->partition);
    columns_int(to, origin->offset);
}

static bool add_case(struct columns *to, const struct stored_case *c, int64_t inputs,
                     struct err *err)
{
    AUTO(buf_done) struct buf standing;
    const struct published *p = &c->file.published;
    bool is_graded = p->revision >= 0;

    buf_init(&standing, EVENT_BODY_MAX_BYTES);
    if (!standing_write(&p->standing, &standing, err))
        return false;
    columns_row(to);
    columns_id(to, &c->file.incident_id);
    columns_id(to, &c->file.enterprise_id);
    columns_int(to, inputs);
    columns_int(to, p->revision);
    columns_text(to, is_graded ? enum_text(&level_table, (int)p->level) : NULL);
    columns_text(to, is_graded ? enum_text(&category_table, (int)p->category) : NULL);
    columns_text(to, is_graded ? enum_text(&gbt20986_table, (int)p->gbt) : NULL);
    columns_id(to, &p->decision_event_id);
    columns_text(to, p->is_challenged ? enum_text(&level_table, (int)p->challenged_level) : NULL);
    columns_text(to, is_graded ? p->digest : NULL);
    columns_text(to, is_graded ? buf_text(&standing) : NULL);
    return true;
}

struct saving {
    struct columns cases, added, dropped, opened, empty;
};

static bool collect(struct saving *s, const struct stored_case *c, struct err *err)
{
    int64_t inputs = c->inputs;
    bool was_early = false;

    for (size_t i = 0; i < c->file.inputs_n; i++) {
        const struct case_input *input = &c->file.inputs[i];
        const struct origin *origin = input->origin;

        if (input->is_new && !input->is_stranger) {
            add_input(&s->added, input);
            inputs++;
        } else if (!input->is_new && input->is_stranger) {
            add_id(&s->dropped, &c->file.incident_id);
            columns_id(&s->dropped, &input->ev.id);
            inputs--;
        } else if (!input->is_new && !input->is_early && origin->is_stored_early) {
            was_early = true;
        }
    }
    if (was_early)
        add_id(&s->opened, &c->file.incident_id);
    return add_case(&s->cases, c, inputs, err);
}

/* A row that was made to be locked, for an event that was refused. */
static bool is_empty(const struct stored_case *c)
{
    return c->inputs == 0 && !id_is_set(&c->file.enterprise_id) && c->file.published.revision < 0;
}

static void saving_done(struct saving *s)
{
    columns_done(&s->cases);
    columns_done(&s->added);
    columns_done(&s->dropped);
    columns_done(&s->opened);
    columns_done(&s->empty);
}

bool store_save(struct db *db, const struct store_batch *b, struct err *err)
{
    AUTO(saving_done) struct saving s;

    columns_init(&s.cases);
    columns_init(&s.added);
    columns_init(&s.dropped);
    columns_init(&s.opened);
    columns_init(&s.empty);
    for (size_t i = 0; i < b->cases_n; i++)
        if (b->cases[i].is_changed) {
            if (!collect(&s, &b->cases[i], err))
                return false;
        } else if (is_empty(&b->cases[i])) {
            add_id(&s.empty, &b->cases[i].file.incident_id);
        }
    return columns_run(&s.empty, db, "case_forget", NULL, err) &&
           columns_run(&s.dropped, db, "case_drop", NULL, err) &&
           columns_run(&s.opened, db, "case_opened", NULL, err) &&
           columns_run(&s.added, db, "case_add", NULL, err) &&
           columns_run(&s.cases, db, "case_save", NULL, err);
}

/* --- early inputs --- */

bool store_count_early(struct db *db, const struct id *enterprise_id, int64_t *ret, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {0};

    db_arg_text(&args, enterprise_id->text);
    if (!db_run(db, "case_count_early", &args, &res, err))
        return false;
    *ret = db_int(res, 0, 0);
    return true;
}

static bool hand_on(const PGresult *res, int row, store_expired_fn *fn, void *ctx, struct err *err)
{
    const char *body = db_text(res, row, 3);
    struct origin origin = {.topic = db_text(res, row, 4),
                            .body = body,
                            .body_len = strlen(body),
                            .partition = (int32_t)db_int(res, row, 5),
                            .offset = db_int(res, row, 6)};
    struct flow_record rec;

    fill_record(&rec, &origin, db_text(res, row, 0), db_text(res, row, 1), db_text(res, row, 2));
    return fn(ctx, &rec, err);
}

bool store_expire(struct db *db, int64_t before_ms, store_expired_fn *fn, void *ctx, bool *ret_more,
                  struct err *err)
{
    AUTO(auto_result) PGresult *locked = NULL;
    AUTO(auto_result) PGresult *deleted = NULL;
    AUTO(columns_done) struct columns ids;
    struct db_args old = {0}, expire = {0}, forget = {0};

    columns_init(&ids);
    db_arg_time(&old, before_ms);
    db_arg_int(&old, EXPIRE_MAX);
    if (!db_run(db, "case_expire_lock", &old, &locked, err))
        return false;
    *ret_more = false;
    if (PQntuples(locked) == 0)
        return true;
    for (int row = 0; row < PQntuples(locked); row++) {
        columns_row(&ids);
        columns_text(&ids, db_text(locked, row, 0));
    }
    if (!columns_args(&ids, "case_expire", &expire, err))
        return false;
    forget = expire;
    db_arg_time(&expire, before_ms);
    db_arg_int(&expire, EXPIRE_MAX);
    if (!db_run(db, "case_expire", &expire, &deleted, err) ||
        !db_run(db, "case_forget", &forget, NULL, err))
        return false;
    for (int row = 0; row < PQntuples(deleted); row++)
        if (!hand_on(deleted, row, fn, ctx, err))
            return false;
    *ret_more = PQntuples(deleted) > 0;
    return true;
}
