/* symbol: a text symbol by symbol, whatever its bytes, and the marks among them. */
#include "tests/support/test.h"

#include "services/classifier/spot.h"
#include "services/classifier/symbol.h"

static const struct row {
    const char *name, *text;
    uint16_t symbol;
    size_t n;
    enum mark mark;
} rows[] = {
    {"a letter", "a", 'a', 1, MARK_NONE},
    {"a capital is the same", "Ab", 'a', 1, MARK_NONE},
    {"a Chinese character", "泄露", L'泄', 3, MARK_NONE},
    {"at the text's end", "泄", L'泄', 3, MARK_NONE},
    {"cut after one byte", "\xE6", 0xE6, 1, MARK_NONE},
    {"cut after two", "\xE6\xB3", 0xE6, 1, MARK_NONE},
    {"broken in its third", "\xE6\xB3z", 0xE6, 1, MARK_NONE},
    {"an overlong dot is none", "\xE0\x80\xAE", 0xE0, 1, MARK_NONE},
    {"the first of three bytes", "\xE0\xA0\x80", 0x800, 3, MARK_NONE},
    {"two bytes", "\xC3\xA9", 0xC3, 1, MARK_NONE},
    {"four bytes", "\xF0\x9F\x98\x80", 0xF0, 1, MARK_NONE},
    {"a byte that begins nothing", "\x80z", 0x80, 1, MARK_NONE},
    {"a full stop", "。", L'。', 3, MARK_SENTENCE},
    {"a full-width comma", "\xEF\xBC\x8C", 0xFF0C, 3, MARK_CLAUSE},
    {"it ends a clause before a letter, too", "\xEF\xBC\x8Cx", 0xFF0C, 3, MARK_CLAUSE},
    {"a comma", ", x", ',', 1, MARK_CLAUSE},
    {"one inside a number", ",000", ',', 1, MARK_NONE},
    {"a dot", ".", '.', 1, MARK_SENTENCE},
    {"one inside a name", ".exe", '.', 1, MARK_NONE},
    {"a dot before a Chinese character", ".泄", '.', 1, MARK_SENTENCE},
    {"brackets", "【", L'【', 3, MARK_OPEN},
    {"closed", ")", ')', 1, MARK_CLOSE},
    {"the ideographic comma is no mark", "、", L'、', 3, MARK_NONE},
};

/* The text lies at the end of its memory: a byte too far is found out. */
static void check(void **state)
{
    const struct row *row = *state;
    size_t len = strlen(row->text), n;
    AUTO(auto_free) char *text = malloc(len);
    uint16_t symbol;

    assert_non_null(text);
    memcpy(text, row->text, len);
    assert_int_equal(mark_at(text, len, 0, &symbol, &n), row->mark);
    assert_int_equal(symbol, row->symbol);
    assert_int_equal(n, row->n);
}

static void words_stand_whole(void **state)
{
    const char text[] = "at 3PM 时15分钟";
    size_t len = strlen(text), at = 0;

    (void)state;
    assert_true(spot_has(text, len, 4, "pm"));
    assert_false(spot_has(text, len, 4, "p"));
    assert_false(spot_has(text, len, len, "p"));
    assert_true(spot_ends(text, len, 6, "pm", 2));
    assert_true(spot_ends(text, len, 2, "at", 2));
    assert_false(spot_ends(text, len, 2, "t", 1));
    assert_true(spot_step(text, len, &at) && at == 3); /* the blank behind it, too */
    assert_true(spot_step(text, len, &at) && at == 7);
    assert_true(spot_step(text, len, &at) && at == 10);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, check);
    TEST_ADD(&list, words_stand_whole);
    return test_run("classifier symbol", &list);
}
