#include "services/ctl/park.h"

#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "proto/shape_rows.h"
#include "services/ctl/park.def"

void park_enterprise_id(struct id *ret, const char *code)
{
    struct id_hash d;

    id_derive(&d, "tongbao.enterprise");
    id_derive_text(&d, "code", code);
    id_derive_end(&d, ret);
}

void park_person_id(struct id *ret, const char *enterprise_id, const char *name)
{
    struct id_hash d;

    id_derive(&d, "tongbao.person");
    id_derive_text(&d, "enterprise", enterprise_id);
    id_derive_text(&d, "name", name);
    id_derive_end(&d, ret);
}

bool park_scopes_valid(const char *const *scopes, size_t n)
{
    static const char *const known[] = {"report", "act", "read"};

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < ARRAY_LEN(known) && strcmp(scopes[i], known[k]) != 0)
            k++;
        if (k == ARRAY_LEN(known))
            return false;
    }
    return n > 0;
}

bool park_label_valid(const char *label)
{
    size_t len = strlen(label);

    return utf8_valid(label, len) && utf8_count(label, len) <= PARK_LABEL_MAX;
}

void park_secret_new(struct park_secret *ret)
{
    uint8_t bytes[SHA256_LEN], digest[SHA256_LEN];
    char secret[SHA256_HEX_MAX];

    random_bytes(bytes, 6);
    hex_encode(ret->key_id, bytes, 6);
    random_bytes(bytes, sizeof(bytes));
    hex_encode(secret, bytes, sizeof(bytes));
    sha256(secret, strlen(secret), digest);
    hex_encode(ret->sha256, digest, sizeof(digest));
    (void)snprintf(ret->text, sizeof(ret->text), "tbk_%s_%s", ret->key_id, secret);
}

/* ---- checks beyond the shapes */

static bool code_valid(const char *code)
{
    return code[0] >= 'A' && code[0] <= 'Z' &&
           code[strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static bool check_contact(const struct park_contact *contact, const char *at, size_t index,
                          struct err *err)
{
    char pointer[160];
    bool is_url = strncmp(contact->address, "http://", 7) == 0 ||
                  strncmp(contact->address, "https://", 8) == 0;

    (void)snprintf(pointer, sizeof(pointer), "%s/contacts/%zu/address", at, index);
    if (contact->channel == CHANNEL_WEBHOOK && !is_url)
        return err_at(err, pointer, "must be a URL, http:// or https://, for a webhook");
    if (contact->channel == CHANNEL_EMAIL && (is_url || !strchr(contact->address, '@')))
        return err_at(err, pointer, "must be a mail address, name@host");
    return true;
}

static bool check_person(const struct park_enterprise *e, size_t index, const char *at,
                         struct err *err)
{
    const struct park_person *person = &e->people[index];
    char here[96], pointer[128];

    (void)snprintf(here, sizeof(here), "%s/people/%zu", at, index);
    for (size_t i = 0; i < index; i++)
        if (strcmp(e->people[i].name, person->name) == 0) {
            (void)snprintf(pointer, sizeof(pointer), "%s/name", here);
            return err_at(err, pointer,
                          "\"%s\" stands in %s already: tell two people of one name apart",
                          person->name, e->code);
        }
    if (person->language && strcmp(person->language, "zh") != 0 &&
        strcmp(person->language, "en") != 0) {
        (void)snprintf(pointer, sizeof(pointer), "%s/language", here);
        return err_at(err, pointer, "must be zh or en; got \"%s\"", person->language);
    }
    for (size_t i = 0; i < person->contacts_n; i++)
        if (!check_contact(&person->contacts[i], here, i, err))
            return false;
    return true;
}

static int64_t rank_of(const struct park_role *role)
{
    return role->has_rank ? role->rank : 1;
}

/* One role and rank is one person's. */
static bool check_roles(const struct park_enterprise *e, const char *at, struct err *err)
{
    const char *holders[ROLE_CENTRE_HEAD + 1][10] = {0};
    char pointer[128];

    for (size_t i = 0; i < e->people_n; i++)
        for (size_t k = 0; k < e->people[i].roles_n; k++) {
            const struct park_role *role = &e->people[i].roles[k];
            const char **holder = &holders[role->role][rank_of(role)];

            (void)snprintf(pointer, sizeof(pointer), "%s/people/%zu/roles/%zu", at, i, k);
            if (*holder)
                return err_at(
                    err, pointer, "%s with rank %lld is %s already: give the deputy rank 2",
                    enum_text(&role_table, (int)role->role), (long long)rank_of(role), *holder);
            *holder = e->people[i].name;
        }
    return true;
}

static bool check_keys(const struct park_enterprise *e, const char *at, struct err *err)
{
    char pointer[128];

    for (size_t i = 0; i < e->keys_n; i++) {
        (void)snprintf(pointer, sizeof(pointer), "%s/keys/%zu", at, i);
        for (size_t k = 0; k < i; k++)
            if (strcmp(e->keys[k].label, e->keys[i].label) == 0)
                return err_at(err, pointer, "the label \"%s\" stands there already",
                              e->keys[i].label);
        if (e->keys[i].scopes_n > 0 && !park_scopes_valid(e->keys[i].scopes, e->keys[i].scopes_n))
            return err_at(err, pointer, "scopes are report, act and read");
    }
    return true;
}

static bool check_enterprise(const struct park *park, size_t index, struct err *err)
{
    const struct park_enterprise *e = &park->enterprises[index];
    char at[48], pointer[128];

    (void)snprintf(at, sizeof(at), "/enterprises/%zu", index);
    (void)snprintf(pointer, sizeof(pointer), "%s/code", at);
    if (!code_valid(e->code))
        return err_at(err, pointer,
                      "must be a capital letter and then capital letters, digits and _; got \"%s\"",
                      e->code);
    for (size_t i = 0; i < index; i++)
        if (strcmp(park->enterprises[i].code, e->code) == 0)
            return err_at(err, pointer, "\"%s\" stands there already", e->code);
    for (size_t i = 0; i < e->people_n; i++)
        if (!check_person(e, i, at, err))
            return false;
    return check_roles(e, at, err) && check_keys(e, at, err);
}

static bool check(const struct park *park, struct err *err)
{
    size_t parks_n = 0;
    char pointer[128];

    for (size_t i = 0; i < park->enterprises_n; i++) {
        if (!check_enterprise(park, i, err))
            return false;
        parks_n += park->enterprises[i].is_park;
        (void)snprintf(pointer, sizeof(pointer), "/enterprises/%zu/is_park", i);
        if (parks_n > 1)
            return err_at(err, pointer, "one enterprise only is the park's response centre");
    }
    for (size_t i = 0; i < park->duty_n; i++) {
        (void)snprintf(pointer, sizeof(pointer), "/duty/%zu/to", i);
        if (park->duty[i].to <= park->duty[i].from)
            return err_at(err, pointer, "must be later than from");
    }
    return true;
}

bool park_parse(struct park_file *ret, const char *text, size_t len, struct err *err)
{
    struct park_file file = {0};

    arena_init(&file.arena, 4 * PARK_MAX_BYTES);
    if (!json_read_strict(&file.doc, text, len, err) ||
        !shape_decode(&park_shape, file.doc, true, TIME_ANY_RFC3339, &file.park, &file.arena,
                      err) ||
        !check(&file.park, err)) {
        park_done(&file);
        return false;
    }
    *ret = file;
    return true;
}

void park_done(struct park_file *file)
{
    json_decref(file->doc);
    arena_done(&file->arena);
    *file = (struct park_file){0};
}
