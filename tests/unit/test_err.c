#include "common/base/err.h"

#include "common/base/utf8.h"
#include "tests/support/test.h"

static void set_replaces_all(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(err_at(&err, "/summary", "too long by %d", 3));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_string_equal(err.pointer, "/summary");
    assert_string_equal(err.text, "too long by 3");

    assert_false(err_set(&err, ERR_TRANSIENT, "broker %s away", "a:1"));
    assert_int_equal(err.kind, ERR_TRANSIENT);
    assert_string_equal(err.pointer, "");
    assert_string_equal(err.text, "broker a:1 away");
}

static void wrap_puts_context_in_front(void **state)
{
    struct err err = {0};

    (void)state;
    err_at(&err, "/a/0", "not a number");
    assert_false(err_wrap(&err, "rule %zu", (size_t)2));
    assert_false(err_wrap(&err, "rules.json"));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_string_equal(err.pointer, "/a/0");
    assert_string_equal(err.text, "rules.json: rule 2: not a number");
}

static void own_text_may_be_an_argument(void **state)
{
    struct err err = {0};

    (void)state;
    err_at(&err, "/x", "inner");
    err_set(&err, ERR_FATAL, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    err_at(&err, "/y", "inner");
    err_at(&err, err.pointer, "again: %s", err.text);
    assert_string_equal(err.pointer, "/y");
    assert_string_equal(err.text, "again: inner");
}

/* Every length around the array's end, with three-byte characters: full, never half a one. */
static void text_is_cut_between_characters(void **state)
{
    (void)state;
    for (int lead = 0; lead < 6; lead++) {
        struct err err = {0};
        char many[1024] = "";

        memset(many, 'x', (size_t)lead);
        for (size_t i = 0; i < 300; i++)
            memcpy(many + (size_t)lead + 3 * i, "\xE6\x8A\xA5", 3);
        err_set(&err, ERR_INPUT, "%s", many);
        assert_true(utf8_valid(err.text, strlen(err.text)));
        assert_in_range(strlen(err.text), sizeof(err.text) - 3, sizeof(err.text) - 1);

        err_set(&err, ERR_INPUT, "end");
        err_wrap(&err, "%s", many);
        assert_true(utf8_valid(err.text, strlen(err.text)));
        assert_in_range(strlen(err.text), sizeof(err.text) - 3, sizeof(err.text) - 1);

        err_at(&err, many, "x");
        assert_true(utf8_valid(err.pointer, strlen(err.pointer)));
        assert_in_range(strlen(err.pointer), sizeof(err.pointer) - 3, sizeof(err.pointer) - 1);
    }
}

static void exact_fit_is_not_cut(void **state)
{
    struct err err = {0};
    char full[sizeof(err.text)];

    (void)state;
    memset(full, 'x', sizeof(full));
    full[sizeof(full) - 1] = '\0';
    err_set(&err, ERR_INPUT, "%s", full);
    assert_string_equal(err.text, full);
    err_set(&err, ERR_INPUT, "%s", full + 3);
    err_wrap(&err, "y");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void null_is_allowed(void **state)
{
    (void)state;
    assert_false(err_set(NULL, ERR_INPUT, "x"));
    assert_false(err_wrap(NULL, "x"));
    assert_false(err_at(NULL, "/", "x"));
    assert_false(err_memory(NULL));
    assert_int_equal(err_exit_code(NULL), 1);
}

static const struct kind_row {
    const char *name;
    enum err_kind kind;
    int exit_code;
} kinds[] = {
    {"none", ERR_NONE, 1},      {"transient", ERR_TRANSIENT, 1}, {"input", ERR_INPUT, 1},
    {"config", ERR_CONFIG, 78}, {"fatal", ERR_FATAL, 1},
};

static void kind_has_a_name_and_an_exit_code(void **state)
{
    const struct kind_row *row = *state;
    struct err err = {.kind = row->kind};

    assert_string_equal(err_kind_name(row->kind), row->name);
    assert_int_equal(err_exit_code(&err), row->exit_code);
}

static void memory_is_fatal(void **state)
{
    struct err err = {0};

    (void)state;
    assert_fails(err_memory(&err), &err, ERR_FATAL, "out of memory");
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, set_replaces_all);
    TEST_ADD(&list, wrap_puts_context_in_front);
    TEST_ADD(&list, own_text_may_be_an_argument);
    TEST_ADD(&list, text_is_cut_between_characters);
    TEST_ADD(&list, exact_fit_is_not_cut);
    TEST_ADD(&list, null_is_allowed);
    TEST_ADD(&list, memory_is_fatal);
    TEST_ADD_ROWS(&list, kinds, kind_has_a_name_and_an_exit_code);
    return test_run("err", &list);
}
