#include "services/intake/registry.h"

#include <stdatomic.h>
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

struct registry {
    atomic_uint refs;
    json_t *doc;
    struct arena arena;
    struct registry_content content;
    struct entry *entries; /* by key_id; in the arena */
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

static bool link_key(const struct registry_content *content, const struct registry_key *key,
                     size_t index, struct entry *ret, struct err *err)
{
    const struct registry_enterprise wanted = {.enterprise_id = key->enterprise_id};
    const struct registry_enterprise *found =
        content->enterprises_n > 0 ? bsearch(&wanted, content->enterprises, content->enterprises_n,
                                             sizeof(wanted), compare_enterprises)
                                   : NULL;

    if (!found)
        return err_set(err, ERR_INPUT, "keys/%zu: no enterprise %s", index, key->enterprise_id);
    if (strlen(key->key_id) != KEY_ID_LEN ||
        !hex_decode(ret->secret, SHA256_LEN, key->secret_sha256))
        return err_set(err, ERR_INPUT, "keys/%zu: key_id or secret_sha256 is malformed", index);
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

static bool build(struct registry *r, const char *text, size_t len, struct err *err)
{
    struct registry_content *content = &r->content;

    if (!json_read_strict(&r->doc, text, len, err) ||
        !shape_decode(&registry_content_shape, r->doc, false, TIME_EXACT, content, &r->arena, err))
        return false;
    r->entries = arena_take(&r->arena, (content->keys_n + 1) * sizeof(*r->entries));
    if (!r->entries)
        return err_memory(err);
    if (content->enterprises_n > 0)
        qsort(content->enterprises, content->enterprises_n, sizeof(content->enterprises[0]),
              compare_enterprises);
    for (size_t i = 0; i < content->keys_n; i++)
        if (!link_key(content, &content->keys[i], i, &r->entries[i], err))
            return false;
    qsort(r->entries, content->keys_n, sizeof(*r->entries), compare_entries);
    for (size_t i = 0; i < content->keys_n; i++) /* sorting moved them */
        r->entries[i].caller.key_id = r->entries[i].key_id;
    return true;
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
    return r->content.keys_n;
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
    found = bsearch(&wanted, r->entries, r->content.keys_n, sizeof(wanted), compare_entries);
    sha256(secret, strlen(secret), digest);
    if (!found)
        found = &nobody;
    return bytes_equal(found->secret, digest, SHA256_LEN) ? &found->caller : NULL;
}
