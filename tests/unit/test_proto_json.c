#include "tests/support/test.h"

#include <stdio.h>

#include "proto/shape.h"

#define SIXTEEN_DEEP "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"

static const struct read_row {
    const char *name, *text;
    size_t len;          /* 0: up to the NUL */
    const char *refusal; /* part of it; NULL: it is read */
} read_rows[] = {
    {"an object", "{\"a\": [1, -2.5e3, true, null, \"\\u4e00\\n\"]}", 0, NULL},
    {"blanks around it", " \t\r\n{} \n", 0, NULL},
    {"the deepest", SIXTEEN_DEEP, 0, NULL},
    {"one deeper", "{\"a\":[" SIXTEEN_DEEP "]}", 0,
     "line 1, column 25: nested too deep: at most 16"},
    {"very deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, "nested too deep"},
    {"brackets in a text are no depth", "{\"a\":\"[[[[[[[[[[[[[[[[[[[[{{{{{{{{{\"}", 0, NULL},
    {"a quote in a text does not end it", "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[\"}", 0, NULL},
    {"a backslash at its end does", "{\"a\":\"\\\\\",\"b\":1}", 0, NULL},
    {"nothing", "", 0, "empty: a JSON object is wanted"},
    {"an array", "[{}]", 0, "a JSON object is wanted"},
    {"a text", "\"a\"", 0, "a JSON object is wanted"},
    {"not JSON", "summary=1", 0, "line 1, column 1: a JSON value is wanted"},
    {"cut off", "{\"a\": ", 0, "line 1, column 7: the text ends where a JSON value"},
    {"cut off in a text", "{\"a\": \"b", 0, "ends inside quotes"},
    {"cut off in an escape", "{\"a\": \"b\\", 0, "an escape that JSON does not know"},
    {"cut off in a number", "{\"a\": -", 0, "not a number"},
    {"more behind it", "{} {}", 0, "line 1, column 4: something follows"},
    {"a comma too many", "{\"a\": 1,}", 0, "line 1, column 9: no comma stands before }"},
    {"the line is counted", "{\n\"a\": 1,\n\"b\" 2}", 0, "line 3"},
    {"a duplicate key", "{\"summary\": 1,\n \"summary\": 2}", 0, "line 2"},
    {"a duplicate key is named", "{\"b\": {\"summary\": 1, \"summary\": 2}}", 0,
     "the key \"summary\" stands twice"},
    {"a duplicate key by an escape", "{\"summary\": 1, \"\\u0073ummary\": 2}", 0, "given once"},
    {"a NUL in a text", "{\"a\": \"x\\u0000y\"}", 0, "must not hold the character NUL"},
    {"a NUL in a key", "{\"a\\u0000b\": 1}", 0, "must not hold the character NUL"},
    {"a NUL byte", "{\"a\": \"x\0y\"}", 13, "a NUL byte stands at byte 9"},
    {"a NUL byte at the end", "{}\0", 3, "a NUL byte stands at byte 3"},
    {"a bad byte", "{\"a\": \"x\xff\"}", 0, "not valid UTF-8 at byte 9"},
    {"an overlong form", "{\"a\": \"\xc0\xaf\"}", 0, "not valid UTF-8 at byte 8"},
    {"a surrogate in UTF-8", "{\"a\": \"\xed\xa0\x80\"}", 0, "not valid UTF-8 at byte 8"},
    {"a character cut off", "{\"a\": \"\xe9\x80\"}", 0, "not valid UTF-8 at byte 8"},
    {"half a pair of surrogates", "{\"a\": \"\\ud83d\"}", 0, "half a pair of surrogates"},
    {"a pair of surrogates", "{\"a\": \"\\ud83d\\ude00\"}", 0, NULL},
    {"a control character", "{\"a\": \"x\ny\"}", 0, "a control character inside quotes"},
    {"the largest integer", "{\"a\": [9007199254740991, -9007199254740991]}", 0, NULL},
    {"an integer too large", "{\"a\": 9007199254740992}", 0,
     "line 1, column 7: the integer is too large"},
    {"an integer too small", "{\"a\": -9007199254740992}", 0, "the integer is too large"},
    {"an integer beyond 64 bits", "{\"a\": 123456789012345678901234567890}", 0, "too large"},
    {"a real of many digits", "{\"a\": 12345678901234567890.5, \"b\": 1234567890123456789e2}", 0,
     NULL},
    {"a real too large", "{\"a\": 1e999}", 0, "the number is too large"},
    {"a zero in front", "{\"a\": 01}", 0, "a comma or } is wanted"},
    {"a pair of which the second half is wrong", "{\"a\": \"\\ud83d\\u0041\"}", 0,
     "half a pair of surrogates"},
    {"a second half alone", "{\"a\": \"\\ude00\"}", 0, "half a pair of surrogates"},
    {"an escape cut short", "{\"a\": \"\\u12\"}", 0, "four hexadecimal digits"},
    {"an escape of no hexadecimal digits", "{\"a\": \"\\u12g4\"}", 0, "four hexadecimal digits"},
    {"an unknown escape", "{\"a\": \"\\x41\"}", 0, "an escape that JSON does not know"},
    {"no colon", "{\"a\" 1}", 0, "a colon is wanted"},
    {"a name without quotes", "{a: 1}", 0, "a name in straight double quotes (\") is wanted"},
    {"a name in single quotes", "{'a': 1}", 0, "a name in straight double quotes"},
    {"a name in curly quotes", "{“a”: 1}", 0, "a name in straight double quotes"},
    {"a text in single quotes", "{\"a\": 'b'}", 0, "a text stands in straight double quotes"},
    {"a text in curly quotes", "{\"a\": “b”}", 0, "a text stands in straight double quotes"},
    {"a byte order mark", "\xef\xbb\xbf{}", 0, "begins with a byte order mark"},
    {"the wrong bracket", "{\"a\": [1}", 0, "a comma or ] is wanted"},
    {"a comma too many in an array", "{\"a\": [1,]}", 0, "no comma stands before ]"},
    {"a point without digits", "{\"a\": 1.}", 0, "not a number"},
    {"a point in front", "{\"a\": .5}", 0, "a JSON value is wanted"},
    {"an exponent without digits", "{\"a\": 1e+}", 0, "not a number"},
    {"a plus in front", "{\"a\": +1}", 0, "a JSON value is wanted"},
    {"a word cut short", "{\"a\": tru}", 0, "a JSON value is wanted"},
    {"a number of very many digits",
     "{\"a\": 0.0000000000000000000000000000000000000000000000000000000000000000000"
     "000000000000000000000000000000000000000000000000000000000000000000000001}",
     0, "more than 128"},
    {"many keys, the first twice",
     "{\"q\":1,\"w\":1,\"e\":1,\"r\":1,\"t\":1,\"y\":1,\"u\":1,\"i\":1,\"o\":1,\"p\":1,\"q\":2}", 0,
     "line 1, column 66: the key \"q\" stands twice"},
    {"a key twice in a row", "{\"a\":1,\"a\":2}", 0, "stands twice"},
    {"NaN", "{\"a\": NaN}", 0, "a JSON value is wanted"},
};

static void read_strict(void **state)
{
    const struct read_row *row = *state;
    AUTO(auto_json) json_t *doc = NULL;
    struct err err = {0};
    size_t len = row->len ? row->len : strlen(row->text);
    bool ok;

    /* a copy of exactly this length, so that the sanitizer sees a step beyond its end */
    AUTO(auto_free) char *text = malloc(len + (len == 0));

    memcpy(text, row->text, len);
    ok = json_read_strict(&doc, text, len, &err);
    if (!row->refusal) {
        assert_ok(ok, &err);
        assert_non_null(doc);
        return;
    }
    assert_fails(ok, &err, ERR_INPUT, row->refusal);
    assert_string_equal(err.pointer, "");
    assert_null(doc);
}

static const struct canonical_row {
    const char *name, *in, *want;
} canonical_rows[] = {
    {"RFC 8785, 3.2.2",
     "{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],"
     "\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\","
     "\"literals\": [null, true, false]}",
     "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
     "\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
    {"RFC 8785, 3.2.3",
     "{\"\\u20ac\": \"Euro Sign\", \"\\r\": \"Carriage Return\", \"\\ufb33\": \"Hebrew Letter "
     "Dalet With Dagesh\","
     "\"1\": \"One\", \"\\ud83d\\ude00\": \"Emoji: Grinning Face\", \"\\u0080\": \"Control\","
     "\"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}",
     "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
     "\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning "
     "Face\","
     "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}"},
    {"a prefix comes first", "{\"ab\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"ab\":1}"},
    {"integers, and reals that are whole", "{\"a\":[0,-0,-7,1.0,-0.0,1e2]}",
     "{\"a\":[0,0,-7,1,0,100]}"},
    {"beyond the basic plane, both", "{\"\\ud83d\\ude01\":1,\"\\ud83d\\ude00\":2}",
     "{\"😀\":2,\"😁\":1}"},
    {"nested", "{\"b\":{\"d\":[],\"c\":{}},\"a\":[{\"z\":1,\"y\":2}]}",
     "{\"a\":[{\"y\":2,\"z\":1}],\"b\":{\"c\":{},\"d\":[]}}"},
    {"control characters", "{\"a\":\"\\b\\t\\n\\f\\r\\u001f\\u007f\"}",
     "{\"a\":\"\\b\\t\\n\\f\\r\\u001f\x7f\"}"},
};

static void canonical(void **state)
{
    const struct canonical_row *row = *state;
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err = {0};

    buf_init(&out, 4096);
    assert_ok(json_read_strict(&doc, row->in, strlen(row->in), &err), &err);
    assert_true(json_canonical(doc, &out));
    assert_string_equal(buf_text(&out), row->want);
}

/* RFC 8785, appendix B: the number by its bits. */
static const struct number_row {
    const char *name; /* what is wanted */
    uint64_t bits;
} number_rows[] = {
    {"0", 0x0000000000000000},
    {"0", 0x8000000000000000},
    {"5e-324", 0x0000000000000001},
    {"-5e-324", 0x8000000000000001},
    {"1.7976931348623157e+308", 0x7fefffffffffffff},
    {"-1.7976931348623157e+308", 0xffefffffffffffff},
    {"9007199254740992", 0x4340000000000000},
    {"-9007199254740992", 0xc340000000000000},
    {"295147905179352830000", 0x4430000000000000},
    {"9.999999999999997e+22", 0x44b52d02c7e14af5},
    {"1e+23", 0x44b52d02c7e14af6},
    {"1.0000000000000001e+23", 0x44b52d02c7e14af7},
    {"999999999999999700000", 0x444b1ae4d6e2ef4e},
    {"999999999999999900000", 0x444b1ae4d6e2ef4f},
    {"1e+21", 0x444b1ae4d6e2ef50},
    {"9.999999999999997e-7", 0x3eb0c6f7a0b5ed8c},
    {"0.000001", 0x3eb0c6f7a0b5ed8d},
    {"333333333.3333332", 0x41b3de4355555553},
    {"333333333.33333325", 0x41b3de4355555554},
    {"333333333.3333333", 0x41b3de4355555555},
    {"333333333.3333334", 0x41b3de4355555556},
    {"333333333.33333343", 0x41b3de4355555557},
    {"-0.0000033333333333333333", 0xbecbf647612f3696},
    {"1424953923781206.2", 0x43143ff3c1cb0959},
};

static void number(void **state)
{
    const struct number_row *row = *state;
    AUTO(auto_json) json_t *value = NULL;
    AUTO(buf_done) struct buf out = {0};
    double real;

    buf_init(&out, 64);
    memcpy(&real, &row->bits, sizeof(real));
    value = json_real(real);
    assert_true(json_canonical(value, &out));
    assert_string_equal(buf_text(&out), row->name);
}

static void canonical_refuses_what_it_cannot_write(void **state)
{
    AUTO(auto_json) json_t *large = json_integer(INT64_C(9007199254740992));
    AUTO(auto_json) json_t *deep = json_array();
    AUTO(auto_json) json_t *text = json_string("0123456789");
    AUTO(buf_done) struct buf out = {0};

    (void)state;
    buf_init(&out, 8);
    assert_false(json_canonical(large, &out));
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        deep = json_pack("[o]", deep);
    buf_reset(&out);
    assert_false(json_canonical(deep, &out));
    buf_reset(&out);
    assert_false(json_canonical(text, &out)); /* over the buffer's bound */
}

/* Fails jansson's n-th request for memory: a lack of memory is never the sender's fault. */
static int allocations_left;

static void *scarce_malloc(size_t size)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void no_memory_is_not_bad_input(void **state)
{
    static const char text[] =
        "{\"a\": {\"b\": [1, 2.5, \"c\", true]}, \"long\": \"xxxxxxxxxxxxxxxxxxxxxxxx\"}";
    bool ok = false;
    int n = 0;

    (void)state;
    json_set_alloc_funcs(scarce_malloc, free);
    for (; !ok && n < 1000; n++) {
        AUTO(auto_json) json_t *doc = NULL;
        struct err err = {0};

        allocations_left = n;
        ok = json_read_strict(&doc, text, sizeof(text) - 1, &err);
        if (!ok && err.kind != ERR_FATAL)
            fail_msg("without its allocation %d: %s: %s", n, err_kind_name(err.kind), err.text);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(ok && n > 5);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, read_rows, read_strict);
    TEST_ADD_ROWS(&list, canonical_rows, canonical);
    TEST_ADD_ROWS(&list, number_rows, number);
    TEST_ADD(&list, canonical_refuses_what_it_cannot_write);
    TEST_ADD(&list, no_memory_is_not_bad_input);
    return test_run("proto_json", &list);
}
