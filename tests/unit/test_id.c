#include "common/base/id.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/support/test.h"

/* --- random ids ------------------------------------------------------------------------------ */

static void new_ids_rise_and_are_version_7(void **state)
{
    struct id before = {""}, id;
    int64_t now_ms = clock_wall_ms(), stamp_ms;
    char head[13];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        id_new(&id);
        assert_true(id_valid(id.text, strlen(id.text)));
        assert_int_equal(id.text[14], '7');
        assert_non_null(strchr("89ab", id.text[19]));
        assert_true(strcmp(before.text, id.text) < 0);
        before = id;
    }
    (void)snprintf(head, sizeof(head), "%.8s%.4s", id.text, id.text + 9);
    stamp_ms = (int64_t)strtoull(head, NULL, 16);
    assert_in_range(stamp_ms, now_ms, now_ms + 60000);
}

enum { THREADS = 4, EACH = 5000 };

static struct id made[THREADS][EACH];

static void *make_ids(void *ctx)
{
    struct id *to = ctx;

    for (int i = 0; i < EACH; i++)
        id_new(&to[i]);
    return NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct id *)a)->text, ((const struct id *)b)->text);
}

static void threads_never_share_an_id(void **state)
{
    pthread_t threads[THREADS];
    struct id *all = made[0];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, made[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t t = 0; t < THREADS; t++)
        for (size_t i = 1; i < EACH; i++)
            assert_true(strcmp(made[t][i - 1].text, made[t][i].text) < 0);
    qsort(all, (size_t)THREADS * EACH, sizeof(*all), by_text);
    for (size_t i = 1; i < (size_t)THREADS * EACH; i++)
        assert_string_not_equal(all[i - 1].text, all[i].text);
}

/* --- text ------------------------------------------------------------------------------------ */

static const struct text_row {
    const char *name, *text;
    bool ok;
} text_rows[] = {
    {"version 4", "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", true},
    {"version 8", "f81d4fae-7dec-81d0-a765-00a0c91e6bf6", true},
    {"capitals", "F81d4fae-7dec-41d0-a765-00a0c91e6bf6", false},
    {"too short", "f81d4fae-7dec-41d0-a765-00a0c91e6bf", false},
    {"too long", "f81d4fae-7dec-41d0-a765-00a0c91e6bf60", false},
    {"a hyphen too early", "f81d4fa-e7dec-41d0-a765-00a0c91e6bf6", false},
    {"a digit for a hyphen", "f81d4fae07dec-41d0-a765-00a0c91e6bf6", false},
    {"a hyphen for a digit", "f81d4fae-7dec-41d0-a765-00a0c91e6bf-", false},
    {"g", "g81d4fae-7dec-41d0-a765-00a0c91e6bf6", false},
    {"braces", "{81d4fae-7dec-41d0-a765-00a0c91e6bf}", false},
    {"empty", "", false},
};

static void text_is_checked(void **state)
{
    const struct text_row *row = *state;
    struct id id = {"before"};

    assert_int_equal(id_valid(row->text, strlen(row->text)), row->ok);
    assert_int_equal(id_set(&id, row->text, strlen(row->text)), row->ok);
    assert_string_equal(id.text, row->ok ? row->text : "before");
}

static void unset_is_seen(void **state)
{
    struct id id = {""};

    (void)state;
    assert_false(id_is_set(&id));
    id_new(&id);
    assert_true(id_is_set(&id));
}

/* --- derived ids ----------------------------------------------------------------------------- */

/* A list of fields as a text: "purpose tag=text tag#number tag-" (the last: absent). */
static struct id derive(const char *fields)
{
    AUTO(auto_free) char *copy = strdup(fields);
    char *rest = copy, *one;
    struct id_hash d;
    struct id id;

    assert_non_null(copy);
    id_derive(&d, strsep(&rest, " "));
    while ((one = strsep(&rest, " "))) {
        size_t tag_len = strcspn(one, "=#-");
        char kind = one[tag_len];

        one[tag_len] = '\0';
        if (kind == '=')
            id_derive_text(&d, one, one + tag_len + 1);
        else if (kind == '#')
            id_derive_int(&d, one, strtoll(one + tag_len + 1, NULL, 10));
        else
            id_derive_text(&d, one, NULL);
    }
    id_derive_end(&d, &id);
    return id;
}

/* Ids that were given out never change: these were made by another program (Python's hashlib,
 * from the description in id.c). */
static const struct pin_row {
    const char *name, *want;
} pins[] = {
    {"incident enterprise=e1 key=k1", "9e193f7d-84c2-8ce2-bfd1-1dfbc96bfd06"},
    {"incident", "64e120b2-b35d-8f00-a894-4da7bcc285ad"},
    {"p a#-1 b- c=", "bc312c07-eecc-8591-924f-e0b70f673861"},
    {"通报 x=报告 n#9223372036854775807", "259d2312-8cfa-8f0a-b3e6-5a78404d15be"},
};

static void derived_ids_are_pinned(void **state)
{
    const struct pin_row *row = *state;
    struct id id = derive(row->name);

    assert_string_equal(id.text, row->want);
}

/* All different, though many of them hold the same letters in the same order. */
static const char *const lists[] = {
    "p",         "pa",           "p a=",         "p a-",      "p a=b",
    "p ab=",     "p a=b c=d",    "p a=bc d=",    "p a=bcd",   "p ab=cd",
    "p c=d a=b", "p a=b c=d e=", "p a=b c=d e-", "p a=b c-",  "p a=bc=d",
    "p a#0",     "p a#1",        "p a#-1",       "p a=0",     "p a#256",
    "p a= b=",   "p ab-",        "p a- b-",      "p =a b=",   "pa =b",
    "p a=1",     "p a#7 b#7",    "p a#7 b=7",    "p a=7 b#7", "p a#4611686018427387904",
};

static void fields_cannot_be_shifted(void **state)
{
    struct id ids[ARRAY_LEN(lists)];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct id again = derive(lists[i]);

        ids[i] = derive(lists[i]);
        assert_string_equal(ids[i].text, again.text);
        assert_true(id_valid(ids[i].text, strlen(ids[i].text)));
        assert_int_equal(ids[i].text[14], '8');
        assert_non_null(strchr("89ab", ids[i].text[19]));
        for (size_t j = 0; j < i; j++)
            if (strcmp(ids[i].text, ids[j].text) == 0)
                fail_msg("\"%s\" and \"%s\" give %s", lists[i], lists[j], ids[i].text);
    }
}

/* A value that contains what the encoding of a further field would be: its length tells. */
static void value_cannot_pretend_to_be_a_field(void **state)
{
    static const char inner[] = "\0\0\0\0\0\0\0\1c"
                                "b\0\0\0\0\0\0\0\1d";
    struct id_hash d;
    struct id one, two;

    (void)state;
    id_derive(&d, "p");
    id_derive_bytes(&d, "a", inner, sizeof(inner) - 1);
    id_derive_end(&d, &one);
    two = derive("p a= c=d");
    assert_string_not_equal(one.text, two.text);
}

static void text_and_bytes_agree(void **state)
{
    struct id_hash d;
    struct id bytes, text = derive("p a=bc");

    (void)state;
    id_derive(&d, "p");
    id_derive_bytes(&d, "a", "bc", 2);
    id_derive_end(&d, &bytes);
    assert_string_equal(bytes.text, text.text);
}

/* --- references ------------------------------------------------------------------------------ */

static const struct reference_row {
    const char *name, *id, *want;
} reference_rows[] = {
    {"all zero", "00000000-0000-8000-8000-000000000000", "TB-0000000000000"},
    {"all one", "ffffffff-ffff-8fff-bfff-ffffffffffff", "TB-ZZZZZZZZZZZZ9"},
    {"only the last bit that counts", "00000000-0000-8001-8000-000000000000", "TB-0000000000011"},
    {"what follows does not count", "00000000-0000-8001-bfff-ffffffffffff", "TB-0000000000011"},
    {"the version does not count", "00000000-0000-7001-8000-000000000000", "TB-0000000000011"},
    {"mixed", "01234567-89ab-8cde-8f01-23456789abcd", "TB-04HMASW9NF6Y2"},
    {"check character *", "00000000-0000-8020-8000-000000000000", "TB-000000000010*"},
    {"check character U", "00000000-0000-8024-8000-000000000000", "TB-000000000014U"},
};

static void reference_is_pinned(void **state)
{
    const struct reference_row *row = *state;
    char text[REFERENCE_TEXT_MAX], back[REFERENCE_TEXT_MAX];
    struct id id;

    assert_true(id_set(&id, row->id, strlen(row->id)));
    reference_of(text, &id);
    assert_string_equal(text, row->want);
    assert_true(reference_parse(back, text));
    assert_string_equal(back, text);
}

static char as_read(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    return c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
}

/* Every printable character at every place: what is read is the reference itself, or nothing. */
static void each_wrong_character_is_caught(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        char want[REFERENCE_TEXT_MAX], wrong[REFERENCE_TEXT_MAX], got[REFERENCE_TEXT_MAX];
        struct id id;

        id_new(&id);
        id.text[0] = "0123456789abcdef"[round % 16];
        reference_of(want, &id);
        for (size_t at = 0; at < strlen(want); at++) {
            for (int code = ' '; code <= '~'; code++) {
                char c = (char)code;
                bool same = as_read(c) == want[at] || (want[at] == '-' && c == ' ');

                memcpy(wrong, want, sizeof(wrong));
                wrong[at] = c;
                if (reference_parse(got, wrong) != same || (same && strcmp(got, want) != 0))
                    fail_msg("%s read as %s", wrong, want);
            }
        }
    }
}

static const struct spoken_row {
    const char *name, *text;
    bool ok;
} spoken_rows[] = {
    {"as printed", "TB-000000000014U", true},
    {"small letters", "tb-ooooooooool4u", true},
    {"I for 1", "TB-000000000OI4U", true},
    {"blanks and hyphens", " TB 0000-0000 0014 - U ", true},
    {"without any hyphen", "TB000000000014U", true},
    {"without TB", "000000000014U", false},
    {"another prefix", "TC-000000000014U", false},
    {"one digit short", "TB-00000000014U", false},
    {"one digit long", "TB-0000000000014U", false},
    {"a check character among the digits", "TB-U00000000014U", false},
    {"wrong check character", "TB-0000000000140", false},
    {"a dot", "TB.000000000014U", false},
    {"Chinese", "通报-000000000014U", false},
    {"empty", "", false},
};

static void reference_is_read_as_spoken(void **state)
{
    const struct spoken_row *row = *state;
    char got[REFERENCE_TEXT_MAX] = "before";

    assert_int_equal(reference_parse(got, row->text), row->ok);
    assert_string_equal(got, row->ok ? "TB-000000000014U" : "before");
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, new_ids_rise_and_are_version_7);
    TEST_ADD(&list, threads_never_share_an_id);
    TEST_ADD_ROWS(&list, text_rows, text_is_checked);
    TEST_ADD(&list, unset_is_seen);
    TEST_ADD_ROWS(&list, pins, derived_ids_are_pinned);
    TEST_ADD(&list, fields_cannot_be_shifted);
    TEST_ADD(&list, value_cannot_pretend_to_be_a_field);
    TEST_ADD(&list, text_and_bytes_agree);
    TEST_ADD_ROWS(&list, reference_rows, reference_is_pinned);
    TEST_ADD(&list, each_wrong_character_is_caught);
    TEST_ADD_ROWS(&list, spoken_rows, reference_is_read_as_spoken);
    return test_run("id", &list);
}
