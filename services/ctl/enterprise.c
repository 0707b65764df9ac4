/* `tongbao enterprise add|list|key` */
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "services/ctl/command.h"
#include "services/ctl/output.h"
#include "services/ctl/park.h"
#include "services/ctl/sql.h"

static const struct column key_columns[] = {{"code", "enterprise"},
                                            {"label", "label"},
                                            {"key_id", "key id"},
                                            {"scopes", "scopes"},
                                            {"key", "key"}};

static const char *const all_scopes[] = {"report", "act", "read"};

/* What an addition did. */
struct added {
    struct db *db;
    int64_t enterprises_n, people_n, contacts_n, duties_n;
    json_t *keys; /* new ones, with their text */
};

static bool input_error(struct err *err, const char *what)
{
    return err_wrap(err, "%s %s", what, err->pointer);
}

/* ---- people */

static bool add_contact(struct added *a, const char *person_id, const struct park_contact *c,
                        struct err *err)
{
    struct db_args args = {.n = 0};

    db_arg_text(&args, person_id);
    db_arg_text(&args, enum_text(&channel_table, (int)c->channel));
    db_arg_text(&args, c->address);
    db_arg_text(&args, c->secret);
    db_arg_int(&args, c->has_priority ? c->priority : 1);
    a->contacts_n++;
    return sql_run(a->db,
                   "INSERT INTO registry.contact (person_id, channel, address, secret, priority)"
                   " VALUES ($1::uuid, $2, $3, $4, $5::int)"
                   " ON CONFLICT (person_id, channel, address) DO UPDATE SET"
                   " secret = coalesce(EXCLUDED.secret, contact.secret),"
                   " priority = EXCLUDED.priority",
                   &args, NULL, err);
}

static bool add_role(struct added *a, const char *enterprise_id, const char *person_id,
                     const struct park_role *role, struct err *err)
{
    struct db_args args = {.n = 0};

    db_arg_text(&args, enterprise_id);
    db_arg_text(&args, enum_text(&role_table, (int)role->role));
    db_arg_text(&args, person_id);
    db_arg_int(&args, role->has_rank ? role->rank : 1);
    return sql_run(
        a->db,
        "INSERT INTO registry.role_holder (enterprise_id, role, person_id, rank)"
        " VALUES ($1::uuid, $2, $3::uuid, $4::int) ON CONFLICT (enterprise_id, role, rank)"
        " DO UPDATE SET person_id = EXCLUDED.person_id",
        &args, NULL, err);
}

static bool add_person(struct added *a, const char *enterprise_id, const struct park_person *p,
                       struct err *err)
{
    struct db_args args = {.n = 0};
    struct id derived;
    const char *id = p->person_id;

    if (!id) {
        park_person_id(&derived, enterprise_id, p->name);
        id = derived.text;
    }
    db_arg_text(&args, id);
    db_arg_text(&args, enterprise_id);
    db_arg_text(&args, p->name);
    db_arg_text(&args, p->language ? p->language : "zh");
    if (!sql_run(a->db,
                 "INSERT INTO registry.person (person_id, enterprise_id, name, language)"
                 " VALUES ($1::uuid, $2::uuid, $3, $4) ON CONFLICT (person_id) DO UPDATE SET"
                 " name = EXCLUDED.name, language = EXCLUDED.language",
                 &args, NULL, err))
        return false;
    a->people_n++;
    for (size_t i = 0; i < p->contacts_n; i++)
        if (!add_contact(a, id, &p->contacts[i], err))
            return false;
    for (size_t i = 0; i < p->roles_n; i++)
        if (!add_role(a, enterprise_id, id, &p->roles[i], err))
            return false;
    return true;
}

/* ---- keys */

static bool key_exists(struct added *a, const char *enterprise_id, const char *label, bool *ret,
                       struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {.n = 0};

    db_arg_text(&args, enterprise_id);
    db_arg_text(&args, label);
    if (!sql_run(a->db,
                 "SELECT 1 FROM registry.credential WHERE enterprise_id = $1::uuid AND label = $2",
                 &args, &res, err))
        return false;
    *ret = PQntuples(res) > 0;
    return true;
}

static bool make_key(struct added *a, const char *enterprise_id, const char *code,
                     const char *label, const char *const *scopes, size_t scopes_n, struct err *err)
{
    AUTO(buf_done) struct buf list;
    struct db_args args = {.n = 0};
    struct park_secret secret;
    json_t *names = json_array();

    park_secret_new(&secret);
    buf_init(&list, 1024);
    db_array_begin(&list);
    for (size_t i = 0; i < scopes_n; i++) {
        db_array_text(&list, scopes[i]);
        json_array_append_new(names, json_string(scopes[i]));
    }
    db_array_end(&list);
    db_arg_text(&args, secret.key_id);
    db_arg_text(&args, enterprise_id);
    db_arg_text(&args, label);
    db_arg_text(&args, secret.sha256);
    db_arg_text(&args, buf_text(&list));
    json_array_append_new(a->keys, json_pack("{sssssssoss}", "code", code, "label", label, "key_id",
                                             secret.key_id, "scopes", names, "key", secret.text));
    return sql_run(a->db,
                   "INSERT INTO registry.credential (key_id, enterprise_id, label, secret_sha256,"
                   " scopes) VALUES ($1, $2::uuid, $3, $4, $5::text[])",
                   &args, NULL, err);
}

static bool add_key(struct added *a, const char *enterprise_id, const char *code,
                    const struct park_key *key, struct err *err)
{
    bool exists = false;

    if (!key_exists(a, enterprise_id, key->label, &exists, err))
        return false;
    if (exists)
        return true;
    if (key->scopes_n > 0)
        return make_key(a, enterprise_id, code, key->label, key->scopes, key->scopes_n, err);
    return make_key(a, enterprise_id, code, key->label, all_scopes, ARRAY_LEN(all_scopes), err);
}

/* ---- enterprises */

static void put_data_kinds(struct buf *list, const struct park_enterprise *e)
{
    db_array_begin(list);
    for (size_t i = 0; i < e->data_kinds_n; i++)
        db_array_text(list, enum_text(&data_kind_table, (int)e->data_kinds[i]));
    db_array_end(list);
}

static void put_regimes(struct buf *list, const struct park_enterprise *e)
{
    db_array_begin(list);
    for (size_t i = 0; i < e->regimes_n; i++)
        db_array_text(list, e->regimes[i]);
    db_array_end(list);
}

/* The row's id is the one that was there, when the code was. */
static bool add_row(struct added *a, const struct park_enterprise *e, struct id *ret_id,
                    struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(buf_done) struct buf kinds, regimes;
    struct db_args args = {.n = 0};
    struct id derived;

    park_enterprise_id(&derived, e->code);
    buf_init(&kinds, 4096);
    put_data_kinds(&kinds, e);
    buf_init(&regimes, 4096);
    put_regimes(&regimes, e);
    db_arg_text(&args, e->enterprise_id ? e->enterprise_id : derived.text);
    db_arg_text(&args, e->code);
    db_arg_text(&args, e->name);
    db_arg_text(&args, e->name_en);
    db_arg_text(&args, e->sector);
    db_arg_int(&args, e->staff);
    db_arg_bool(&args, e->is_cii);
    db_arg_bool(&args, e->is_listed);
    db_arg_bool(&args, e->is_park);
    db_arg_text(&args, buf_text(&kinds));
    db_arg_text(&args, buf_text(&regimes));
    if (!sql_run(
            a->db,
            "INSERT INTO registry.enterprise (enterprise_id, code, name, name_en, sector, staff,"
            " is_cii, is_listed, is_park, data_kinds, regimes) VALUES ($1::uuid, $2, $3, $4, $5, "
            "$6::int,"
            " $7::boolean, $8::boolean, $9::boolean, $10::text[], $11::text[]) ON CONFLICT (code) "
            "DO UPDATE SET"
            " name = EXCLUDED.name, name_en = EXCLUDED.name_en, sector = EXCLUDED.sector,"
            " staff = EXCLUDED.staff, is_cii = EXCLUDED.is_cii, is_listed = EXCLUDED.is_listed,"
            " is_park = EXCLUDED.is_park, data_kinds = EXCLUDED.data_kinds, regimes = "
            "EXCLUDED.regimes, updated_at = now()"
            " RETURNING enterprise_id",
            &args, &res, err))
        return false;
    (void)id_set(ret_id, PQgetvalue(res, 0, 0), ID_TEXT_LEN);
    if (e->enterprise_id && strcmp(e->enterprise_id, ret_id->text) != 0)
        return err_set(
            err, ERR_INPUT,
            "the file gives the id %s, but it is registered as %s: leave enterprise_id out",
            e->enterprise_id, ret_id->text);
    return true;
}

static bool add_enterprise(struct added *a, const struct park_enterprise *e, struct err *err)
{
    struct id id = {0};

    if (!add_row(a, e, &id, err))
        return false;
    a->enterprises_n++;
    for (size_t i = 0; i < e->people_n; i++)
        if (!add_person(a, id.text, &e->people[i], err))
            return err_wrap(err, "%s", e->people[i].name);
    for (size_t i = 0; i < e->keys_n; i++)
        if (!add_key(a, id.text, e->code, &e->keys[i], err))
            return err_wrap(err, "key %s", e->keys[i].label);
    return true;
}

static bool add_duty(struct added *a, const struct park_duty *duty, size_t index, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {.n = 0};
    char pointer[48];

    db_arg_text(&args,
                enum_text(&role_table, duty->has_role ? (int)duty->role : ROLE_DUTY_OFFICER));
    db_arg_text(&args, duty->person_name);
    db_arg_time(&args, duty->from);
    db_arg_time(&args, duty->to);
    if (!sql_run(
            a->db,
            "INSERT INTO registry.duty (role, person_id, from_at, to_at)"
            " SELECT $1, person_id, $3::timestamptz, $4::timestamptz FROM registry.person"
            " JOIN registry.enterprise USING (enterprise_id) WHERE is_park AND person.name = $2"
            " LIMIT 1 ON CONFLICT (role, from_at) DO UPDATE SET person_id = EXCLUDED.person_id,"
            " to_at = EXCLUDED.to_at RETURNING 1",
            &args, &res, err))
        return false;
    (void)snprintf(pointer, sizeof(pointer), "/duty/%zu/person_name", index);
    if (PQntuples(res) == 0)
        return err_at(err, pointer, "no person of the park is called \"%s\"", duty->person_name);
    a->duties_n++;
    return true;
}

static bool add_all(struct added *a, const struct park *park, struct err *err)
{
    if (!db_begin(a->db, err))
        return false;
    for (size_t i = 0; i < park->enterprises_n; i++)
        if (!add_enterprise(a, &park->enterprises[i], err))
            return err_wrap(err, "%s", park->enterprises[i].code);
    for (size_t i = 0; i < park->duty_n; i++)
        if (!add_duty(a, &park->duty[i], i, err))
            return input_error(err, "duty");
    return db_commit(a->db, err);
}

static void print_keys(const json_t *keys)
{
    if (json_array_size(keys) == 0)
        return;
    output_table(stdout, keys, key_columns, ARRAY_LEN(key_columns));
    (void)printf("\nKeep the keys now: they are never shown again.\n");
}

static void print_added(const struct ctl_conf *conf, const struct added *a)
{
    AUTO(auto_json)
    json_t *doc = json_pack("{sIsIsIsIsO}", "enterprises", (json_int_t)a->enterprises_n, "people",
                            (json_int_t)a->people_n, "contacts", (json_int_t)a->contacts_n, "duty",
                            (json_int_t)a->duties_n, "keys", a->keys);

    if (conf->json) {
        output_json(stdout, doc);
        return;
    }
    (void)printf("enterprises: %lld, people: %lld, contacts: %lld, duties: %lld, new keys: %zu\n\n",
                 (long long)a->enterprises_n, (long long)a->people_n, (long long)a->contacts_n,
                 (long long)a->duties_n, json_array_size(a->keys));
    print_keys(a->keys);
}

bool enterprise_add(const struct ctl_conf *conf, char **args, struct err *err)
{
    AUTO(auto_json) json_t *keys = json_array();
    AUTO(auto_db) struct db *db = NULL;
    AUTO(buf_done) struct buf text = {0};
    AUTO(park_done) struct park_file file = {0};
    struct added added = {.keys = keys};

    if (!file_read_any(&text, args[0], PARK_MAX_BYTES, err))
        return false;
    if (!park_parse(&file, buf_text(&text), text.len, err))
        return input_error(err, args[0]);
    if (!sql_open(&db, conf->pg, err))
        return false;
    added.db = db;
    if (!add_all(&added, &file.park, err)) {
        db_rollback(db);
        return err_wrap(err, "%s: nothing was registered", args[0]);
    }
    print_added(conf, &added);
    return true;
}

/* ---- list */

bool enterprise_list(const struct ctl_conf *conf, char **args, struct err *err)
{
    static const struct column columns[] = {
        {"code", "code"},  {"name", "name"},    {"sector", "sector"}, {"staff", "staff"},
        {"is_cii", "CII"}, {"is_park", "park"}, {"people", "people"}, {"keys", "keys"}};
    static const char sql[] =
        "SELECT coalesce(json_agg(json_build_object('enterprise_id', enterprise_id, 'code', code,"
        " 'name', name, 'name_en', name_en, 'sector', sector, 'staff', staff, 'is_cii', is_cii,"
        " 'is_listed', is_listed, 'is_park', is_park, 'data_kinds', data_kinds, 'regimes', regimes,"
        " 'people', (SELECT count(*) FROM registry.person p WHERE p.enterprise_id = "
        "e.enterprise_id),"
        " 'keys', (SELECT count(*) FROM registry.credential c"
        "          WHERE c.enterprise_id = e.enterprise_id AND revoked_at IS NULL),"
        " 'key_ids', (SELECT coalesce(json_agg(key_id ORDER BY key_id), '[]') FROM "
        "registry.credential c"
        "             WHERE c.enterprise_id = e.enterprise_id AND revoked_at IS NULL)"
        ") ORDER BY code), '[]') FROM registry.enterprise e";
    AUTO(auto_db) struct db *db = NULL;
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(auto_json) json_t *rows = NULL;

    (void)args;
    if (!sql_open(&db, conf->pg, err) || !sql_run(db, sql, NULL, &res, err))
        return false;
    rows = json_loads(PQgetvalue(res, 0, 0), 0, NULL);
    if (conf->json)
        output_json(stdout, rows);
    else
        output_table(stdout, rows, columns, ARRAY_LEN(columns));
    return true;
}

/* ---- key */

static bool find_enterprise(struct db *db, const char *code, struct id *ret, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {.n = 0};

    db_arg_text(&args, code);
    if (!sql_run(db, "SELECT enterprise_id FROM registry.enterprise WHERE code = $1", &args, &res,
                 err))
        return false;
    if (PQntuples(res) == 0 || !id_set(ret, PQgetvalue(res, 0, 0), ID_TEXT_LEN))
        return err_set(err, ERR_INPUT,
                       "no enterprise has the code %s; `tongbao enterprise list` shows them", code);
    return true;
}

static bool revoke(const struct ctl_conf *conf, struct db *db, const char *code,
                   const struct id *id, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(auto_json) json_t *doc = NULL;
    struct db_args args = {.n = 0};

    db_arg_text(&args, id->text);
    db_arg_text(&args, conf->revoke);
    if (!sql_run(db,
                 "UPDATE registry.credential SET revoked_at = coalesce(revoked_at, now())"
                 " WHERE enterprise_id = $1::uuid AND key_id = $2 RETURNING label",
                 &args, &res, err))
        return false;
    if (PQntuples(res) == 0)
        return err_set(err, ERR_INPUT,
                       "%s has no key with the id %s; the id is the 12 characters behind tbk_",
                       code, conf->revoke);
    doc = json_pack("{sssssssb}", "code", code, "key_id", conf->revoke, "label",
                    PQgetvalue(res, 0, 0), "revoked", 1);
    if (conf->json)
        output_json(stdout, doc);
    else
        (void)printf("key %s (%s) of %s is revoked\n", conf->revoke, PQgetvalue(res, 0, 0), code);
    return true;
}

/* "report,read" in pieces. False: too many, or an unknown one. */
static bool split_scopes(char *text, const char *ret[ARRAY_LEN(all_scopes)], size_t *ret_n)
{
    size_t n = 0;
    char *next;

    for (char *at = text; at; at = next) {
        next = strchr(at, ',');
        if (next)
            *next++ = '\0';
        if (n == ARRAY_LEN(all_scopes))
            return false;
        ret[n++] = at;
    }
    *ret_n = n;
    return park_scopes_valid(ret, n);
}

bool enterprise_key(const struct ctl_conf *conf, char **args, struct err *err)
{
    AUTO(auto_json) json_t *keys = json_array();
    AUTO(auto_db) struct db *db = NULL;
    AUTO(auto_free) char *text = strdup(conf->scopes);
    const char *scopes[ARRAY_LEN(all_scopes)];
    struct added added = {.keys = keys};
    struct id id = {0};
    size_t n = 0;

    if (!text || !split_scopes(text, scopes, &n))
        return err_set(err, ERR_CONFIG, "--scopes: report, act, read, separated by commas; got %s",
                       conf->scopes);
    if (!park_label_valid(conf->label))
        return err_set(err, ERR_CONFIG, "--label: at most %d characters of UTF-8", PARK_LABEL_MAX);
    if (!sql_open(&db, conf->pg, err) || !find_enterprise(db, args[0], &id, err))
        return false;
    if (*conf->revoke)
        return revoke(conf, db, args[0], &id, err);
    added.db = db;
    if (!make_key(&added, id.text, args[0], conf->label, scopes, n, err))
        return false;
    if (conf->json)
        output_json(stdout, json_array_get(keys, 0));
    else
        print_keys(keys);
    return true;
}
