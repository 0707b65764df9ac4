#include "services/escalator/store.h"

#include <stdio.h>
#include <string.h>

#include "common/db/columns.h"
#include "services/escalator/cells.h"

#define TOPIC_NAMES_MAX_BYTES ((size_t)4096)

struct store {
    struct columns columns;
};

bool store_open(struct store **ret, struct err *err)
{
    AUTO(auto_store) struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return err_memory(err);
    columns_init(&s->columns);
    *ret = TAKE(s);
    return true;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    columns_done(&s->columns);
    free(s);
}

/* --- batch ------------------------------------------------------------------------------------- */

void batch_init(struct batch *b)
{
    *b = (struct batch){0};
    arena_init(&b->arena, BATCH_ARENA_MAX_BYTES);
}

void batch_done(struct batch *b)
{
    arena_done(&b->arena);
}

static int by_id(const void *key, const void *element)
{
    return strcmp(key, ((const struct incident *)element)->id.text);
}

struct incident *batch_find(struct batch *b, const char *incident_id)
{
    return b->incidents_n == 0
               ? NULL
               : bsearch(incident_id, b->incidents, b->incidents_n, sizeof(*b->incidents), by_id);
}

struct early *batch_add_early(struct batch *b)
{
    if (b->early_n == b->early_cap) {
        size_t cap = b->early_cap ? 2 * b->early_cap : 16;
        struct early *more = arena_take(&b->arena, cap * sizeof(*more));

        if (!more)
            return NULL;
        if (b->early_n > 0)
            memcpy(more, b->early, b->early_n * sizeof(*more));
        b->early = more;
        b->early_cap = cap;
    }
    return &b->early[b->early_n++];
}

/* --- rows in ----------------------------------------------------------------------------------- */

static bool read_incident(struct cells *c, struct batch *b)
{
    struct incident *inc;
    struct id id;

    get_id(c, &id);
    inc = batch_find(b, id.text);
    if (!inc)
        return false;
    inc->is_open = true;
    get_id(c, &inc->enterprise_id);
    inc->partition = (int32_t)get_int(c);
    inc->drill = get_bool(c);
    snprintf(inc->reference, sizeof(inc->reference), "%s", db_text(c->res, c->row, c->at++));
    inc->enterprise_name = get_text(c);
    inc->summary = get_text(c);
    inc->state = (enum state)get_enum(c, &state_table, NULL);
    inc->level = (enum level)get_enum(c, &level_table, &inc->is_graded);
    inc->category = (enum category)get_enum(c, &category_table, NULL);
    inc->revision = get_int(c);
    inc->seq = get_int(c);
    inc->generation = get_int(c);
    inc->discovered_at = get_time(c);
    inc->reported_at = get_time(c);
    inc->graded_at = get_time(c);
    inc->handling_ended_at = get_time(c);
    inc->duties = get_text(c);
    return true;
}

/* Every child row begins with its incident's id. */
static struct incident *read_parent(struct cells *c, struct batch *b)
{
    struct id id;

    get_id(c, &id);
    return batch_find(b, id.text);
}

static bool read_run(struct cells *c, struct batch *b)
{
    struct incident *inc = read_parent(c, b);
    struct chain_run *run = inc ? incident_add_run(inc, &b->arena) : NULL;

    if (!run)
        return false;
    run->chain = get_text(c);
    run->scope = (enum scope)get_enum(c, &scope_table, NULL);
    run->generation = get_int(c);
    get_id(c, &run->cause);
    run->occasion = get_text(c);
    run->step = get_int(c);
    run->occurrence = get_int(c);
    (void)get_int(c); /* the incident's partition */
    run->next_at = get_time(c);
    return true;
}

static bool read_call(struct cells *c, struct batch *b)
{
    struct incident *inc = read_parent(c, b);
    struct call *call = inc ? incident_add_call(inc, &b->arena) : NULL;

    if (!call)
        return false;
    get_id(c, &call->id);
    call->chain = get_text(c);
    call->generation = get_int(c);
    call->step = get_int(c);
    call->occurrence = get_int(c);
    call->role = (enum role)get_enum(c, &role_table, NULL);
    call->scope = (enum scope)get_enum(c, &scope_table, NULL);
    get_id(c, &call->person);
    call->wanted = get_bool(c);
    call->delivered = get_bool(c);
    call->raised_at = get_time(c);
    call->acknowledge_by = get_time(c);
    call->acknowledged_at = get_time(c);
    get_id(c, &call->acknowledged_by);
    return true;
}

static bool read_owed(struct cells *c, struct batch *b)
{
    struct incident *inc = read_parent(c, b);
    struct owed *o = inc ? incident_add_owed(inc, &b->arena) : NULL;

    if (!o)
        return false;
    get_id(c, &o->id);
    o->regime = get_text(c);
    o->duty = get_text(c);
    o->generation = get_int(c);
    o->title_zh = get_text(c);
    o->title_en = get_text(c);
    o->recipient_zh = get_text(c);
    o->recipient_en = get_text(c);
    o->document = get_text(c);
    o->article = get_text(c);
    o->url = get_text(c);
    o->anchor = (enum anchor)get_enum(c, &anchor_table, NULL);
    o->within_ms = get_int(c);
    o->warn_before_ms = get_int(c);
    o->created_at = get_time(c);
    o->anchor_at = get_time(c);
    o->due_at = get_time(c);
    o->next_at = get_time(c);
    o->state = (enum clock_state)get_enum(c, &clock_state_table, NULL);
    o->satisfied_by = get_text(c);
    get_id(c, &o->satisfied_by_event);
    o->satisfied_at = get_time(c);
    o->filed_reference = get_text(c);
    return true;
}

static bool read_early(struct cells *c, struct batch *b)
{
    struct early *e = batch_add_early(b);

    if (!e)
        return false;
    *e = (struct early){.is_stored = true};
    get_id(c, &e->incident_id);
    get_id(c, &e->enterprise_id);
    get_id(c, &e->event_id);
    e->type = get_text(c);
    e->value = get_text(c);
    e->value_len = e->value ? strlen(e->value) : 0;
    e->topic = get_text(c);
    e->partition = (int32_t)get_int(c);
    e->offset = get_int(c);
    e->appended_at = get_time(c);
    e->kept_at = get_time(c);
    return true;
}

typedef bool read_row_fn(struct cells *c, struct batch *b);

static bool read_rows(const PGresult *res, struct batch *b, read_row_fn *read_row, struct err *err)
{
    for (int row = 0; row < PQntuples(res); row++) {
        struct cells c = {.res = res, .row = row, .arena = &b->arena};

        if (!read_row(&c, b) || c.failed)
            return err_memory(err);
    }
    return true;
}

/* What belongs to incidents: each statement takes their ids, and each row begins with one. */
static const struct child {
    const char *statement;
    read_row_fn *read_row;
} children[] = {
    {"load_runs", read_run},
    {"load_calls", read_call},
    {"load_owed", read_owed},
    {"load_early", read_early},
};

static bool ask_ids(struct store *s, struct db *db, struct batch *b, const char *statement,
                    PGresult **ret, struct err *err)
{
    for (size_t i = 0; i < b->incidents_n; i++) {
        columns_row(&s->columns);
        columns_id(&s->columns, &b->incidents[i].id);
    }
    return columns_ask(&s->columns, db, statement, ret, err);
}

static bool take_ids(struct batch *b, const struct id *ids, size_t n, struct err *err)
{
    b->incidents = arena_take(&b->arena, (n ? n : 1) * sizeof(*b->incidents));
    if (!b->incidents)
        return err_memory(err);
    for (size_t i = 0; i < n; i++)
        b->incidents[i].id = ids[i];
    b->incidents_n = n;
    return true;
}

/* In one round trip. The rows of each statement are those of its own moment, so what comes after the lock is what the lock holds. */
static bool load(struct store *s, struct db *db, struct batch *b, const char *lock, size_t n,
                 struct err *err)
{
    PGresult *locked = NULL, *answers[ARRAY_LEN(children)] = {0};
    bool ok = ask_ids(s, db, b, lock, &locked, err);

    for (size_t i = 0; ok && i < n; i++)
        ok = ask_ids(s, db, b, children[i].statement, &answers[i], err);
    ok = ok && db_settle(db, err) && (!locked || read_rows(locked, b, read_incident, err));
    for (size_t i = 0; i < n; i++) {
        ok = ok && (!answers[i] || read_rows(answers[i], b, children[i].read_row, err));
        PQclear(answers[i]);
    }
    PQclear(locked);
    return ok;
}

bool store_load(struct store *s, struct db *db, const struct id *ids, size_t n, struct batch *b,
                struct err *err)
{
    return take_ids(b, ids, n, err) && load(s, db, b, "lock_incidents", ARRAY_LEN(children), err);
}

/* Time takes no early action up. */
bool store_load_free(struct store *s, struct db *db, const struct id *ids, size_t n,
                     struct batch *b, struct err *err)
{
    size_t locked = 0;

    if (!take_ids(b, ids, n, err) ||
        !load(s, db, b, "lock_free_incidents", ARRAY_LEN(children) - 1, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (b->incidents[i].is_open)
            b->incidents[locked++] = b->incidents[i];
    b->incidents_n = locked;
    return true;
}

/* --- rows out ---------------------------------------------------------------------------------- */

static void write_incident(struct columns *c, const struct incident *inc)
{
    columns_row(c);
    columns_id(c, &inc->id);
    columns_id(c, &inc->enterprise_id);
    columns_int(c, inc->partition);
    columns_bool(c, inc->drill);
    columns_text(c, inc->reference);
    columns_text(c, inc->enterprise_name);
    columns_text(c, inc->summary);
    columns_text(c, enum_text(&state_table, (int)inc->state));
    columns_text(c, inc->is_graded ? enum_text(&level_table, (int)inc->level) : NULL);
    columns_text(c, inc->is_graded ? enum_text(&category_table, (int)inc->category) : NULL);
    columns_int(c, inc->revision);
    columns_int(c, inc->seq);
    columns_int(c, inc->generation);
    columns_time(c, inc->discovered_at);
    columns_time(c, inc->reported_at);
    columns_time(c, inc->graded_at);
    columns_time(c, inc->handling_ended_at);
    columns_text(c, inc->duties);
}

static void write_run(struct columns *c, const struct incident *inc, const struct chain_run *run)
{
    columns_row(c);
    columns_id(c, &inc->id);
    columns_text(c, run->chain);
    columns_text(c, enum_text(&scope_table, (int)run->scope));
    columns_int(c, run->generation);
    columns_id(c, &run->cause);
    columns_text(c, run->occasion);
    columns_int(c, run->step);
    columns_int(c, run->occurrence);
    columns_int(c, inc->partition);
    columns_time(c, run->next_at);
}

static void write_call(struct columns *c, const struct incident *inc, const struct call *call)
{
    columns_row(c);
    columns_id(c, &inc->id);
    columns_id(c, &call->id);
    columns_text(c, call->chain);
    columns_int(c, call->generation);
    columns_int(c, call->step);
    columns_int(c, call->occurrence);
    columns_text(c, enum_text(&role_table, (int)call->role));
    columns_text(c, enum_text(&scope_table, (int)call->scope));
    columns_id(c, &call->person);
    columns_bool(c, call->wanted);
    columns_bool(c, call->delivered);
    columns_time(c, call->raised_at);
    columns_time(c, call->acknowledge_by);
    columns_time(c, call->acknowledged_at);
    columns_id(c, &call->acknowledged_by);
}

static void write_owed(struct columns *c, const struct incident *inc, const struct owed *o)
{
    columns_row(c);
    columns_id(c, &inc->id);
    columns_id(c, &o->id);
    columns_text(c, o->regime);
    columns_text(c, o->duty);
    columns_int(c, o->generation);
    columns_text(c, o->title_zh);
    columns_text(c, o->title_en);
    columns_text(c, o->recipient_zh);
    columns_text(c, o->recipient_en);
    columns_text(c, o->document);
    columns_text(c, o->article);
    columns_text(c, o->url);
    columns_text(c, enum_text(&anchor_table, (int)o->anchor));
    columns_int(c, o->within_ms);
    columns_int(c, o->warn_before_ms);
    columns_time(c, o->created_at);
    columns_time(c, o->anchor_at);
    columns_time(c, o->due_at);
    columns_time(c, o->next_at);
    columns_text(c, enum_text(&clock_state_table, (int)o->state));
    columns_text(c, o->satisfied_by);
    columns_id(c, &o->satisfied_by_event);
    columns_time(c, o->satisfied_at);
    columns_text(c, o->filed_reference);
    columns_int(c, inc->partition);
}

static void write_early(struct columns *c, const struct early *e)
{
    columns_row(c);
    columns_id(c, &e->incident_id);
    columns_id(c, &e->enterprise_id);
    columns_id(c, &e->event_id);
    columns_text(c, e->type);
    columns_text(c, e->value);
    columns_text(c, e->topic);
    columns_int(c, e->partition);
    columns_int(c, e->offset);
    columns_time(c, e->appended_at);
    columns_time(c, e->kept_at);
}

static bool save_early(struct store *s, struct db *db, struct batch *b, struct err *err)
{
    struct columns *c = &s->columns;

    for (size_t i = 0; i < b->early_n; i++) {
        if (!b->early[i].is_stored || !b->early[i].is_done)
            continue;
        columns_row(c);
        columns_id(c, &b->early[i].event_id);
    }
    if (!columns_run(c, db, "drop_early", NULL, err))
        return false;
    for (size_t i = 0; i < b->early_n; i++)
        if (!b->early[i].is_stored && !b->early[i].is_done)
            write_early(c, &b->early[i]);
    return columns_run(c, db, "save_early", NULL, err);
}

/* In order of the incidents' ids, as they were locked. */
bool store_save(struct store *s, struct db *db, struct batch *b, struct err *err)
{
    struct columns *c = &s->columns;
    const struct incident *end = b->incidents + b->incidents_n;

    for (const struct incident *inc = b->incidents; inc < end; inc++)
        if (inc->changed)
            write_incident(c, inc);
    if (!columns_run(c, db, "save_incidents", NULL, err))
        return false;
    for (const struct incident *inc = b->incidents; inc < end; inc++)
        for (size_t i = 0; i < inc->runs_n; i++)
            if (inc->runs[i].changed)
                write_run(c, inc, &inc->runs[i]);
    if (!columns_run(c, db, "save_runs", NULL, err))
        return false;
    for (const struct incident *inc = b->incidents; inc < end; inc++)
        for (size_t i = 0; i < inc->calls_n; i++)
            if (inc->calls[i].changed)
                write_call(c, inc, &inc->calls[i]);
    if (!columns_run(c, db, "save_calls", NULL, err))
        return false;
    for (const struct incident *inc = b->incidents; inc < end; inc++)
        for (size_t i = 0; i < inc->owed_n; i++)
            if (inc->owed[i].changed)
                write_owed(c, inc, &inc->owed[i]);
    return columns_run(c, db, "save_owed", NULL, err) && save_early(s, db, b, err);
}

/* --- clocks and early actions -------------------------------------------------------------------- */

bool store_heard(struct db *db, const char *group, const char *const *names, size_t n,
                 int64_t ret_until_ms[HEARD_MAX], struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(buf_done) struct buf list;
    struct db_args args = {0};

    buf_init(&list, TOPIC_NAMES_MAX_BYTES);
    db_array_begin(&list);
    for (size_t i = 0; i < n; i++)
        db_array_text(&list, names[i]);
    db_array_end(&list);
    db_arg_text(&args, group);
    db_arg_int(&args, (int64_t)n);
    db_arg_text(&args, buf_text(&list));
    if (!db_run(db, "heard", &args, &res, err))
        return false;
    memset(ret_until_ms, 0, HEARD_MAX * sizeof(*ret_until_ms));
    for (int row = 0; row < PQntuples(res); row++)
        if (db_int(res, row, 0) < HEARD_MAX)
            ret_until_ms[db_int(res, row, 0)] = db_time(res, row, 1);
    return true;
}

/* The arguments that both statements share: see CLOCKS in statements.c. A deaf partition's steps fire unheard. */
static bool run_due(struct store *s, struct db *db, const char *statement,
                    const struct due_query *q, PGresult **ret, struct err *err)
{
    struct columns *c = &s->columns;
    struct db_args args = {0};
    bool ok;

    for (int i = 0; i < HEARD_MAX; i++) {
        int64_t heard_ms = q->heard[i].until_ms < q->now_ms ? q->heard[i].until_ms : q->now_ms;

        if (heard_ms == 0 && !q->heard[i].is_deaf)
            continue;
        columns_row(c);
        columns_int(c, i);
        columns_time(c, q->heard[i].is_deaf ? q->now_ms : heard_ms);
        columns_time(c, heard_ms);
    }
    if (c->rows == 0)
        return true;
    ok = columns_args(c, statement, &args, err);
    db_arg_int(&args, q->limit);
    ok = ok && db_run(db, statement, &args, ret, err);
    columns_reset(c);
    return ok;
}

bool store_due(struct store *s, struct db *db, const struct due_query *q, struct arena *arena,
               struct id **ret, size_t *ret_n, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct id *ids;
    size_t n;

    if (!run_due(s, db, "due", q, &res, err))
        return false;
    n = res ? (size_t)PQntuples(res) : 0;
    ids = arena_take(arena, (n + 1) * sizeof(*ids));
    if (!ids)
        return err_memory(err);
    for (size_t i = 0; i < n; i++) {
        struct cells c = {.res = res, .row = (int)i};

        get_id(&c, &ids[i]);
    }
    *ret = ids;
    *ret_n = n;
    return true;
}

bool store_oldest_due(struct store *s, struct db *db, const struct due_query *q, int64_t *ret_ms,
                      struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;

    if (!run_due(s, db, "oldest_due", q, &res, err))
        return false;
    *ret_ms = res ? db_time(res, 0, 0) : 0;
    return true;
}

bool store_count_early(struct db *db, const struct id *enterprise_id, int64_t *ret, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {0};

    db_arg_text(&args, enterprise_id->text);
    if (!db_run(db, "count_early", &args, &res, err))
        return false;
    *ret = db_int(res, 0, 0);
    return true;
}

bool store_expired(struct db *db, int64_t before_ms, int64_t limit, struct batch *b,
                   struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {0};

    db_arg_time(&args, before_ms);
    db_arg_int(&args, limit);
    return db_run(db, "expired_early", &args, &res, err) && read_rows(res, b, read_early, err);
}
