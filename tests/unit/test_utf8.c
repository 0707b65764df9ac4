#include "common/base/utf8.h"

#include "tests/support/test.h"

/* `valid` is the length of the valid prefix. Each text is checked alone and between neighbours. */
static const struct row {
    const char *name, *text;
    size_t len, valid, count;
} rows[] = {
    {"empty", "", 0, 0, 0},
    {"ascii", "abc", 3, 3, 3},
    {"NUL is a character", "a\0b", 3, 3, 3},
    {"U+007F", "\x7f", 1, 1, 1},
    {"U+0080, the first of two bytes", "\xC2\x80", 2, 2, 1},
    {"U+07FF, the last of two bytes", "\xDF\xBF", 2, 2, 1},
    {"U+0800, the first of three bytes", "\xE0\xA0\x80", 3, 3, 1},
    {"U+D7FF, before the surrogates", "\xED\x9F\xBF", 3, 3, 1},
    {"U+E000, behind the surrogates", "\xEE\x80\x80", 3, 3, 1},
    {"U+FFFF, the last of three bytes", "\xEF\xBF\xBF", 3, 3, 1},
    {"U+10000, the first of four bytes", "\xF0\x90\x80\x80", 4, 4, 1},
    {"U+10FFFF, the last of all", "\xF4\x8F\xBF\xBF", 4, 4, 1},
    {"mixed", "a\xE9\x80\x9A\xF0\x9F\x98\x80z", 9, 9, 4},
    {"continuation alone", "\x80", 1, 0, 0},
    {"last continuation alone", "\xBF", 1, 0, 0},
    {"two bytes cut", "\xC3", 1, 0, 0},
    {"three bytes cut to one", "\xE9", 1, 0, 0},
    {"three bytes cut to two", "\xE9\x80", 2, 0, 0},
    {"four bytes cut to three", "\xF0\x9F\x98", 3, 0, 0},
    {"two bytes, bad second", "\xC3\x28", 2, 0, 0},
    {"three bytes, bad second", "\xE9\x28\x80", 3, 0, 0},
    {"three bytes, bad third", "\xE9\x80\x28", 3, 0, 0},
    {"four bytes, bad third", "\xF0\x9F\x28\x80", 4, 0, 0},
    {"four bytes, bad fourth", "\xF0\x9F\x98\x28", 4, 0, 0},
    {"overlong / in two bytes", "\xC0\xAF", 2, 0, 0},
    {"overlong NUL in two bytes", "\xC0\x80", 2, 0, 0},
    {"overlong U+007F in two bytes", "\xC1\xBF", 2, 0, 0},
    {"overlong U+07FF in three bytes", "\xE0\x9F\xBF", 3, 0, 0},
    {"overlong NUL in three bytes", "\xE0\x80\x80", 3, 0, 0},
    {"overlong U+FFFF in four bytes", "\xF0\x8F\xBF\xBF", 4, 0, 0},
    {"overlong NUL in four bytes", "\xF0\x80\x80\x80", 4, 0, 0},
    {"surrogate U+D800", "\xED\xA0\x80", 3, 0, 0},
    {"surrogate U+DBFF", "\xED\xAF\xBF", 3, 0, 0},
    {"surrogate U+DC00", "\xED\xB0\x80", 3, 0, 0},
    {"surrogate U+DFFF", "\xED\xBF\xBF", 3, 0, 0},
    {"a pair of surrogates", "\xED\xA0\x80\xED\xB0\x80", 6, 0, 0},
    {"U+110000, above the last", "\xF4\x90\x80\x80", 4, 0, 0},
    {"lead byte F5", "\xF5\x80\x80\x80", 4, 0, 0},
    {"five bytes", "\xF8\x88\x80\x80\x80", 5, 0, 0},
    {"six bytes", "\xFC\x84\x80\x80\x80\x80", 6, 0, 0},
    {"FE", "\xFE", 1, 0, 0},
    {"FF", "\xFF", 1, 0, 0},
    {"good then bad", "ab\xC3\xA9\xFFz", 6, 4, 0},
};

static void prefix_is_found(void **state)
{
    const struct row *row = *state;
    char among[32] = "x";

    assert_int_equal(utf8_valid_prefix(row->text, row->len), row->valid);
    assert_int_equal(utf8_valid(row->text, row->len), row->valid == row->len);
    memcpy(among + 1, row->text, row->len);
    among[1 + row->len] = 'y';
    assert_int_equal(utf8_valid_prefix(among, row->len + 2),
                     row->valid == row->len ? row->len + 2 : row->valid + 1);
    if (row->valid == row->len)
        assert_int_equal(utf8_count(row->text, row->len), row->count);
}

/* Every code point, encoded by the definition, is valid; surrogates are not. */
static void all_code_points(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c <= 0x10FFFF; c++) {
        bool is_surrogate = c >= 0xD800 && c <= 0xDFFF;
        unsigned char text[4];
        size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        text[0] = (unsigned char)((n == 2 ? 0xC0u : n == 3 ? 0xE0u : 0xF0u) | c >> (6 * (n - 1)));
        for (size_t i = 1; i < n; i++)
            text[i] = (unsigned char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3F));
        if (utf8_valid((const char *)text, n) == is_surrogate)
            fail_msg("U+%04X", c);
    }
}

static void cut_ends_between_characters(void **state)
{
    static const char text[] = "a\xE9\x80\x9A\xF0\x9F\x98\x80z" /* 1 + 3 + 4 + 1 bytes */
                               "\x80";                          /* behind it: not looked at */
    static const size_t want[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9};

    (void)state;
    for (size_t max = 0; max < ARRAY_LEN(want); max++)
        assert_int_equal(utf8_cut(text, 9, max), want[max]);
}

/* Eight bytes are looked at at once: a long text with something else at every place. */
static void long_texts(void **state)
{
    static const char *const inside[] = {"\xC2\x80", "\xE9\x80\x9A", "\xF0\x9F\x98\x80", "\x80",
                                         "\xFF"};

    (void)state;
    for (size_t k = 0; k < 5; k++)
        for (size_t at = 0; at < 30; at++) {
            char text[40];
            size_t n = strlen(inside[k]);

            memset(text, 'a', sizeof(text));
            memcpy(text + at, inside[k], n);
            assert_int_equal(utf8_valid_prefix(text, 35), k < 3 ? 35 : at);
            assert_int_equal(utf8_count(text, 35), k == 3 ? 34 : 35 - n + 1);
        }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, prefix_is_found);
    TEST_ADD(&list, all_code_points);
    TEST_ADD(&list, long_texts);
    TEST_ADD(&list, cut_ends_between_characters);
    return test_run("utf8", &list);
}
