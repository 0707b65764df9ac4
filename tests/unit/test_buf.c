#include "common/base/buf.h"

#include <stdio.h>

#include "tests/support/test.h"

static void empty_is_a_string(void **state)
{
    AUTO(buf_done) struct buf b;
    AUTO(auto_free) char *text = NULL;
    size_t len = 7;

    (void)state;
    buf_init(&b, 10);
    assert_string_equal(buf_text(&b), "");
    text = buf_take(&b, &len);
    assert_non_null(text);
    assert_string_equal(text, "");
    assert_int_equal(len, 0);
}

static void grows_to_its_maximum_and_no_byte_more(void **state)
{
    AUTO(buf_done) struct buf b;

    (void)state;
    buf_init(&b, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(buf_char(&b, (char)('a' + i % 26)));
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_true(buf_add(&b, "", 0));
    assert_false(buf_char(&b, 'x'));
    assert_int_equal(b.len, 1000);
}

static void failure_sticks_until_reset(void **state)
{
    AUTO(buf_done) struct buf b;

    (void)state;
    buf_init(&b, 5);
    assert_true(buf_str(&b, "abc"));
    assert_false(buf_str(&b, "def"));
    assert_true(b.failed);
    assert_false(buf_char(&b, 'd')); /* would fit, but something before it is missing */
    assert_false(buf_str(&b, NULL));
    assert_false(buf_add(&b, "", 0));
    assert_false(buf_printf(&b, "%d", 1));
    assert_false(buf_json(&b, ""));
    assert_string_equal(buf_text(&b), "abc");
    buf_reset(&b);
    assert_false(b.failed);
    assert_string_equal(buf_text(&b), "");
    assert_true(buf_str(&b, "defgh"));
    assert_string_equal(buf_text(&b), "defgh");
}

static void take_hands_over_or_gives_null(void **state)
{
    AUTO(buf_done) struct buf b;
    AUTO(auto_free) char *text = NULL;
    size_t len = 0;

    (void)state;
    buf_init(&b, 5);
    buf_add(&b, "a\0b", 3);
    text = buf_take(&b, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(text, "a\0b", 4);
    assert_int_equal(b.len, 0);
    assert_true(buf_str(&b, "again"));
    assert_false(buf_str(&b, "!"));
    assert_null(buf_take(&b, &len));
    assert_int_equal(len, 3); /* untouched */
    assert_int_equal(b.len, 0);
    assert_false(b.failed);
}

static void printf_appends(void **state)
{
    AUTO(buf_done) struct buf b;
    char want[700];

    (void)state;
    buf_init(&b, 640);
    assert_true(buf_printf(&b, "%s-%d", "a", 7));
    assert_true(buf_printf(&b, "%600d", 1));
    (void)snprintf(want, sizeof(want), "a-7%600d", 1);
    assert_string_equal(buf_text(&b), want);
    assert_false(buf_printf(&b, "%38d", 1));
    assert_string_equal(buf_text(&b), want);
}

static const struct json_row {
    const char *name, *in, *want;
} json_rows[] = {
    {"empty", "", "\"\""},
    {"null", NULL, "null"},
    {"plain", "abc/\x7f", "\"abc/\x7f\""},
    {"quotes and backslash", "a\"b\\c", "\"a\\\"b\\\\c\""},
    {"short escapes", "\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\""},
    {"control characters in lower-case hex", "\x01\x0b\x1f", "\"\\u0001\\u000b\\u001f\""},
    {"Chinese stays as it is", "通报", "\"通报\""},
    {"escape at both ends", "\nx\n", "\"\\nx\\n\""},
};

static void json_escapes(void **state)
{
    const struct json_row *row = *state;
    AUTO(buf_done) struct buf b;

    buf_init(&b, 100);
    assert_true(buf_json(&b, row->in));
    assert_string_equal(buf_text(&b), row->want);
}

static void json_takes_nul_by_length(void **state)
{
    AUTO(buf_done) struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_true(buf_json_n(&b, "a\0b", 3));
    assert_string_equal(buf_text(&b), "\"a\\u0000b\"");
}

/* Eight bytes are looked at at once: every byte at every place of them, and behind them. */
static void json_escapes_every_byte_anywhere(void **state)
{
    (void)state;
    for (size_t at = 0; at < 19; at++)
        for (unsigned byte = 0; byte < 256; byte++) {
            AUTO(buf_done) struct buf got, want;
            char text[19], escaped[BUF_JSON_BYTE_MAX];

            memset(text, 'a', sizeof(text));
            text[at] = (char)byte;
            buf_init(&got, 200);
            buf_init(&want, 200);
            buf_json_n(&got, text, sizeof(text));
            buf_char(&want, '"');
            buf_add(&want, text, at);
            buf_add(&want, escaped, buf_json_byte(escaped, (uint8_t)byte));
            buf_add(&want, text + at + 1, sizeof(text) - at - 1);
            buf_char(&want, '"');
            assert_string_equal(buf_text(&got), buf_text(&want));
        }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, empty_is_a_string);
    TEST_ADD(&list, grows_to_its_maximum_and_no_byte_more);
    TEST_ADD(&list, failure_sticks_until_reset);
    TEST_ADD(&list, take_hands_over_or_gives_null);
    TEST_ADD(&list, printf_appends);
    TEST_ADD(&list, json_takes_nul_by_length);
    TEST_ADD_ROWS(&list, json_rows, json_escapes);
    TEST_ADD(&list, json_escapes_every_byte_anywhere);
    return test_run("buf", &list);
}
