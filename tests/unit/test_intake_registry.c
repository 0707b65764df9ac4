/* The registry's picture: what is read, what is refused, who is let in. And what `recent`
 * remembers. */
#include "tests/support/test.h"

#include <stdio.h>

#include "services/intake/recent.h"
#include "services/intake/registry.h"

#define E1 "\"0a000000-0000-8000-8000-000000000001\""
#define E2 "\"0b000000-0000-8000-8000-000000000002\""
#define PROFILE                                                                                    \
    "\"profile\":{\"code\":\"A\",\"name\":\"n\",\"sector\":\"s\",\"staff\":1,\"is_cii\":false,"    \
    "\"is_listed\":true,\"data_kinds\":[\"core\"]}"
/* SHA-256 of "abc" and of "" */
#define ABC     "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""
#define NOTHING "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""
#define KEY(id, enterprise, hash, scopes)                                                          \
    "{\"key_id\":\"" id "\",\"enterprise_id\":" enterprise ",\"secret_sha256\":" hash              \
    ",\"scopes\":" scopes ",\"actor_id\":\"" id "\",\"actor_name\":null}"
#define TEXT(enterprises, keys)                                                                    \
    "{\"version\":7,\"enterprises\":[" enterprises "],\"keys\":[" keys "]}"
#define BOTH                                                                                       \
    "{\"enterprise_id\":" E2 ",\"is_park\":true," PROFILE "},{\"enterprise_id\":" E1               \
    ",\"is_park\":false," PROFILE "}"

static const char good[] = TEXT(
    BOTH, KEY("zzzzzzzzzzzz", E1, ABC, "[\"report\",\"read\",\"fly\"]") "," KEY(
              "aaaaaaaaaaaa", E2, ABC, "[\"act\"]") "," KEY("mmmmmmmmmmmm", E1, NOTHING, "[]"));

static const struct auth_row {
    const char *name, *in, *enterprise_id; /* NULL: not let in */
    unsigned scopes;
    bool is_park;
} auth_rows[] = {
    {"a key", "Bearer tbk_zzzzzzzzzzzz_abc", "0a000000-0000-8000-8000-000000000001",
     KEY_MAY_REPORT | KEY_MAY_READ, false},
    {"the park's key", "Bearer tbk_aaaaaaaaaaaa_abc", "0b000000-0000-8000-8000-000000000002",
     KEY_MAY_ACT, true},
    {"a wrong secret", "Bearer tbk_zzzzzzzzzzzz_abd", NULL, 0, false},
    {"a longer secret", "Bearer tbk_zzzzzzzzzzzz_abcd", NULL, 0, false},
    {"an unknown key", "Bearer tbk_bbbbbbbbbbbb_abc", NULL, 0, false},
    {"an id in capitals", "Bearer tbk_ZZZZZZZZZZZZ_abc", NULL, 0, false},
    {"no key", NULL, NULL, 0, false},
};

static void authenticate(void **state)
{
    const struct auth_row *row = *state;
    AUTO(auto_registry) struct registry *r = NULL;
    const struct caller *caller;
    struct err err = {0};

    assert_ok(registry_parse(&r, good, sizeof(good) - 1, &err), &err);
    caller = registry_authenticate(r, row->in);
    assert_int_equal(caller != NULL, row->enterprise_id != NULL);
    if (!caller)
        return;
    assert_string_equal(caller->enterprise_id, row->enterprise_id);
    assert_int_equal(caller->scopes, row->scopes);
    assert_int_equal(caller->is_park, row->is_park);
    assert_memory_equal(caller->key_id, row->in + 11, KEY_ID_LEN);
    assert_string_equal(caller->profile->code, "A");
    assert_int_equal(caller->profile->data_kinds[0], DATA_CORE);
}

static const struct bad_row {
    const char *name, *in, *part;
} bad_rows[] = {
    {"empty", "", "empty"},
    {"cut off", "{\"version\":7,\"enterprises\":[", "line 1"},
    {"no version", "{\"enterprises\":[],\"keys\":[]}", "missing"},
    {"no keys", "{\"version\":1,\"enterprises\":[]}", "keys"},
    {"keys that are no list", "{\"version\":1,\"enterprises\":[],\"keys\":{}}", "keys"},
};

static void refuse(void **state)
{
    const struct bad_row *row = *state;
    struct registry *r = NULL;
    struct err err = {0};

    assert_fails(registry_parse(&r, row->in, strlen(row->in), &err), &err, ERR_INPUT, row->part);
    assert_null(r);
}

#define LABEL_100                                                                                  \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"  \
    "123456789"
#define FINE KEY("zzzzzzzzzzzz", E1, ABC, "[\"report\"]")

/* One bad row must not keep the others from being known, or from being revoked. */
static const struct left_out_row {
    const char *name, *in, *id, *why;
    size_t n, keys_n;
} left_out_rows[] = {
    {"a label of 101 characters",
     TEXT(BOTH,
          "{\"key_id\":\"aaaaaaaaaaaa\",\"enterprise_id\":" E1 ",\"secret_sha256\":" ABC
          ",\"scopes\":[\"act\"],\"actor_id\":\"a\",\"actor_name\":\"" LABEL_100 "x\"}," FINE),
     "key aaaaaaaaaaaa", "/actor_name", 1, 1},
    {"a label of 100 characters",
     TEXT(BOTH, "{\"key_id\":\"aaaaaaaaaaaa\",\"enterprise_id\":" E1 ",\"secret_sha256\":" ABC
                ",\"scopes\":[\"act\"],\"actor_id\":\"a\",\"actor_name\":\"" LABEL_100 "\"}," FINE),
     NULL, NULL, 0, 2},
    {"a key of nobody",
     TEXT(BOTH,
          FINE "," KEY("aaaaaaaaaaaa", "\"0c000000-0000-8000-8000-000000000003\"", ABC, "[]")),
     "key aaaaaaaaaaaa", "no enterprise 0c", 1, 1},
    {"a hash that is none",
     TEXT(BOTH, KEY("aaaaaaaaaaaa", E1,
                    "\"zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"",
                    "[]") "," FINE),
     "key aaaaaaaaaaaa", "malformed", 1, 1},
    {"a row that is no object", TEXT(BOTH, "7," FINE), "key ?", "object", 1, 1},
    {"an enterprise with an unknown kind of data, and its key",
     TEXT("{\"enterprise_id\":" E2
          ",\"is_park\":false,\"profile\":{\"code\":\"A\",\"name\":\"n\",\"sector\":\"s\","
          "\"staff\":1,\"is_cii\":false,\"is_listed\":true,\"data_kinds\":[\"gossip\"]}},"
          "{\"enterprise_id\":" E1 ",\"is_park\":false," PROFILE "}",
          KEY("aaaaaaaaaaaa", E2, ABC, "[]") "," FINE),
     "enterprise 0b000000-0000-8000-8000-000000000002", "gossip", 2, 1},
};

static void leave_out(void **state)
{
    const struct left_out_row *row = *state;
    AUTO(auto_registry) struct registry *r = NULL;
    struct err err = {0};

    assert_ok(registry_parse(&r, row->in, strlen(row->in), &err), &err);
    assert_int_equal(registry_left_out_n(r), row->n);
    assert_int_equal(registry_keys_n(r), row->keys_n);
    assert_non_null(registry_authenticate(r, "Bearer tbk_zzzzzzzzzzzz_abc"));
    assert_int_equal(registry_authenticate(r, "Bearer tbk_aaaaaaaaaaaa_abc") != NULL, !row->id);
    assert_null(registry_left_out(r, row->n));
    if (row->id) {
        assert_non_null(strstr(registry_left_out(r, 0), row->id));
        assert_non_null(strstr(registry_left_out(r, 0), row->why));
    }
}

static void many_rows_are_left_out_and_some_of_them_told(void **state)
{
    enum { N = 100 };
    AUTO(buf_done) struct buf text;
    AUTO(auto_registry) struct registry *r = NULL;
    struct err err = {0};
    size_t told = 0;

    (void)state;
    buf_init(&text, 1 << 20);
    (void)buf_str(&text, "{\"version\":1,\"enterprises\":[" BOTH "],\"keys\":[");
    for (int i = 0; i < N; i++)
        (void)buf_str(&text, "{},");
    (void)buf_str(&text, FINE "]}");
    assert_ok(registry_parse(&r, buf_text(&text), text.len, &err), &err);
    assert_int_equal(registry_left_out_n(r), N);
    while (registry_left_out(r, told))
        told++;
    assert_in_range(told, 1, N - 1);
    assert_int_equal(registry_keys_n(r), 1);
}

static void many_keys_are_all_found(void **state)
{
    enum { N = 1000 };
    AUTO(buf_done) struct buf text;
    AUTO(auto_registry) struct registry *r = NULL;
    struct err err = {0};

    (void)state;
    buf_init(&text, 1 << 20);
    (void)buf_str(&text, "{\"version\":1,\"enterprises\":[" BOTH "],\"keys\":[");
    for (int i = 0; i < N; i++)
        (void)buf_printf(&text,
                         "%s{\"key_id\":\"%012d\",\"enterprise_id\":%s,\"secret_sha256\":" ABC
                         ",\"scopes\":[\"read\"],\"actor_id\":\"p\"}",
                         i ? "," : "", (i * 7919) % N, i % 2 ? E1 : E2);
    (void)buf_str(&text, "]}");
    assert_ok(registry_parse(&r, buf_text(&text), text.len, &err), &err);
    assert_int_equal(registry_keys_n(r), N);
    for (int i = 0; i < N; i++) {
        char bearer[64];

        (void)snprintf(bearer, sizeof(bearer), "Bearer tbk_%012d_abc", (i * 7919) % N);
        assert_non_null(registry_authenticate(r, bearer));
        assert_int_equal(registry_authenticate(r, bearer)->is_park, i % 2 == 0);
    }
}

static void a_reference_keeps_the_picture(void **state)
{
    struct registry *r = NULL, *kept;
    const struct caller *caller;
    struct err err = {0};

    (void)state;
    assert_ok(registry_parse(&r, good, sizeof(good) - 1, &err), &err);
    caller = registry_authenticate(r, "Bearer tbk_zzzzzzzzzzzz_abc");
    kept = registry_ref(r);
    registry_unref(r);
    assert_string_equal(caller->profile->name, "n"); /* a sanitizer tells if it is gone */
    assert_int_equal(registry_version(kept), 7);
    registry_unref(kept);
    registry_unref(NULL);
}

/* ---- recent */

static struct id id_of(unsigned n)
{
    struct id id;

    (void)snprintf(id.text, sizeof(id.text), "%08x-0000-8000-8000-000000000000", n);
    return id;
}

static void one_subject_with_two_contents_differs(void **state)
{
    AUTO(auto_recent) struct recent *r = NULL;
    struct id a = id_of(1), b = id_of(2), x = id_of(10), y = id_of(11);
    struct err err = {0};

    (void)state;
    assert_ok(recent_open(&r, &err), &err);
    assert_false(recent_differs(r, &a, &x));
    assert_false(recent_differs(r, &a, &x));
    assert_true(recent_differs(r, &a, &y));
    assert_true(recent_differs(r, &a, &y)); /* the first one counts */
    assert_false(recent_differs(r, &a, &x));
    assert_false(recent_differs(r, &b, &y));
}

static void what_was_unused_for_longest_is_forgotten(void **state)
{
    enum { SHARE_A_PLACE = RECENT_MAX / 4 };
    AUTO(auto_recent) struct recent *r = NULL;
    struct id first = id_of(0), x = id_of(10), y = id_of(11);
    struct err err = {0};

    (void)state;
    assert_ok(recent_open(&r, &err), &err);
    for (unsigned i = 0; i < 4; i++) {
        struct id id = id_of(i * SHARE_A_PLACE);

        assert_false(recent_differs(r, &id, &x));
    }
    assert_true(recent_differs(r, &first, &y)); /* still known, and used just now */
    for (unsigned i = 4; i < 7; i++) {
        struct id id = id_of(i * SHARE_A_PLACE);

        assert_false(recent_differs(r, &id, &x));
    }
    assert_true(recent_differs(r, &first, &y));
    for (unsigned i = 7; i < 11; i++) {
        struct id id = id_of(i * SHARE_A_PLACE);

        assert_false(recent_differs(r, &id, &x));
    }
    assert_false(recent_differs(r, &first, &y));
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, auth_rows, authenticate);
    TEST_ADD_ROWS(&list, bad_rows, refuse);
    TEST_ADD_ROWS(&list, left_out_rows, leave_out);
    TEST_ADD(&list, many_rows_are_left_out_and_some_of_them_told);
    TEST_ADD(&list, many_keys_are_all_found);
    TEST_ADD(&list, a_reference_keeps_the_picture);
    TEST_ADD(&list, one_subject_with_two_contents_differs);
    TEST_ADD(&list, what_was_unused_for_longest_is_forgotten);
    return test_run("intake registry", &list);
}
