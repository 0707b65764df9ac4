#include "services/intake/registry.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "proto/shape_members.h"
#include "services/intake/registry.def"

/* Once as structs, once as tables. */
#include "proto/shape_rows.h"
#include "services/intake/registry.def"

struct entry {
    char key_id[KEY_ID_LEN + 1];
    uint8_t secret[SHA256_LEN];
    struct caller caller;
};

enum { ENTERPRISES_MAX = 100000, KEYS_MAX = 500000, TOLD_MAX = 8 };

struct registry {
    atomic_uint refs;
    json_t *doc;
    struct arena arena;
    struct registry_content content;
    struct registry_enterprise *enterprises; /* by enterprise_id; these: in the arena */
    struct entry *entries;                   /* by key_id */
    size_t enterprises_n, entries_n;
    size_t left_out_n;
    char left_out[TOLD_MAX][384];
};

static int compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, KEY_ID_LEN);
}

static int compare_enterprises(const void *a, const void *b)
{
    const struct registry_enterprise *x = a, *y = b;

    return strcmp(x->enterprise_id, y->enterprise_id);
}

/* Scopes that a later release may add mean nothing to this one. */
static unsigned read_scopes(const struct registry_key *key)
{
    static const struct {
        const char *name;
        enum key_scope scope;
    } known[] = {{"report", KEY_MAY_REPORT}, {"act", KEY_MAY_ACT}, {"read", KEY_MAY_READ}};
    unsigned scopes = 0;

    for (size_t i = 0; i < key->scopes_n; i++)
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            if (strcmp(key->scopes[i], known[k].name) == 0)
                scopes |= known[k].scope;
    return scopes;
}

static bool link_key(const struct registry *r, const struct registry_key *key, struct entry *ret,
                     struct err *err)
{
    const struct registry_enterprise wanted = {.enterprise_id = key->enterprise_id};
    const struct registry_enterprise *found =
        bsearch(&wanted, r->enterprises, r->enterprises_n, sizeof(wanted), compare_enterprises);

    if (!found)
        return err_at(err, "/enterprise_id", "no enterprise %s", key->enterprise_id);
    if (strlen(key->key_id) != KEY_ID_LEN ||
        !hex_decode(ret->secret, SHA256_LEN, key->secret_sha256))
        return err_at(err, "/secret_sha256", "this or the key_id is malformed");
    memcpy(ret->key_id, key->key_id, KEY_ID_LEN + 1);
    ret->caller = (struct caller){.enterprise_id = key->enterprise_id,
                                  .key_id = ret->key_id,
                                  .actor_id = key->actor_id,
                                  .actor_name = key->actor_name,
                                  .scopes = read_scopes(key),
                                  .is_park = found->is_park,
                                  .profile = found->profile};
    return true;
}

/* False: more than a row is wrong. */
static bool leave_out(struct registry *r, const char *what, json_t *row, const char *id,
                      struct err *err)
{
    const char *text = json_string_value(json_object_get(row, id));

    if (err->kind != ERR_INPUT)
        return false;
    if (r->left_out_n < TOLD_MAX)
        (void)snprintf(r->left_out[r->left_out_n], sizeof(r->left_out[0]), "%s %.64s: %.80s %.160s",
                       what, text ? text : "?", err->pointer, err->text);
    r->left_out_n++;
    return true;
}

static bool read_row(struct registry *r, const struct shape *shape, json_t *row, void *ret,
                     struct err *err)
{
    *err = (struct err){0};
    return shape_decode(shape, row, false, TIME_EXACT, ret, &r->arena, err);
}

static bool read_enterprises(struct registry *r, json_t *rows, struct err *err)
{
    r->enterprises = arena_take(&r->arena, (json_array_size(rows) + 1) * sizeof(*r->enterprises));
    if (!r->enterprises)
        return err_memory(err);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        if (read_row(r, &registry_enterprise_shape, row, &r->enterprises[r->enterprises_n], err))
            r->enterprises_n++;
        else if (!leave_out(r, "enterprise", row, "enterprise_id", err))
            return false;
    }
    qsort(r->enterprises, r->enterprises_n, sizeof(*r->enterprises), compare_enterprises);
    return true;
}

static bool read_keys(struct registry *r, json_t *rows, struct err *err)
{
    r->entries = arena_take(&r->arena, (json_array_size(rows) + 1) * sizeof(*r->entries));
    if (!r->entries)
        return err_memory(err);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        struct registry_key key = {0};

        if (read_row(r, &registry_key_shape, row, &key, err) &&
            link_key(r, &key, &r->entries[r->entries_n], err))
            r->entries_n++;
        else if (!leave_out(r, "key", row, "key_id", err))
            return false;
    }
    qsort(r->entries, r->entries_n, sizeof(*r->entries), compare_entries);
    for (size_t i = 0; i < r->entries_n; i++) /* sorting moved them */
        r->entries[i].caller.key_id = r->entries[i].key_id;
    return true;
}

static bool find_rows(const struct registry *r, const char *name, size_t max, json_t **ret,
                      struct err *err)
{
    *ret = json_object_get(r->doc, name);
    if (!json_is_array(*ret))
        return err_set(err, ERR_INPUT, "%s: is missing, or no list", name);
    if (json_array_size(*ret) > max)
        return err_set(err, ERR_INPUT, "%s: more than %zu rows", name, max);
    return true;
}

static bool build(struct registry *r, const char *text, size_t len, struct err *err)
{
    json_t *enterprises = NULL, *keys = NULL;

    return json_read_strict(&r->doc, text, len, err) &&
           shape_decode(&registry_content_shape, r->doc, false, TIME_EXACT, &r->content, &r->arena,
                        err) &&
           find_rows(r, "enterprises", ENTERPRISES_MAX, &enterprises, err) &&
           find_rows(r, "keys", KEYS_MAX, &keys, err) && read_enterprises(r, enterprises, err) &&
           read_keys(r, keys, err);
}

bool registry_parse(struct registry **ret, const char *text, size_t len, struct err *err)
{
    AUTO(auto_registry) struct registry *r = calloc(1, sizeof(*r));

    if (!r)
        return err_memory(err);
    atomic_init(&r->refs, 1);
    arena_init(&r->arena, (size_t)4 * REGISTRY_TEXT_MAX_BYTES);
    if (!build(r, text, len, err))
        return err_wrap(err, "registry");
    *ret = TAKE(r);
    return true;
}

struct registry *registry_ref(struct registry *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void registry_unref(struct registry *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
        return;
    arena_done(&r->arena);
    json_decref(r->doc);
    free(r);
}

int64_t registry_version(const struct registry *r)
{
    return r->content.version;
}

size_t registry_keys_n(const struct registry *r)
{
    return r->entries_n;
}

size_t registry_left_out_n(const struct registry *r)
{
    return r->left_out_n;
}

const char *registry_left_out(const struct registry *r, size_t index)
{
    return index < r->left_out_n && index < TOLD_MAX ? r->left_out[index] : NULL;
}

const struct caller *registry_authenticate(const struct registry *r, const char *authorization)
{
    static const struct entry nobody; /* no secret has this digest */
    const struct entry *found;
    struct entry wanted;
    uint8_t digest[SHA256_LEN];
    const char *secret;

    if (!intake_parse_bearer(authorization, wanted.key_id, &secret))
        return NULL;
    found = bsearch(&wanted, r->entries, r->entries_n, sizeof(wanted), compare_entries);
    sha256(secret, strlen(secret), digest);
    if (!found)
        found = &nobody;
    return bytes_equal(found->secret, digest, SHA256_LEN) ? &found->caller : NULL;
}
