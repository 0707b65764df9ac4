#include "tests/support/test.h"

#include <stdio.h>

#include "common/base/utf8.h"
#include "proto/event.h"

/* A shape of all types, beside those of the contract. */
// clang-format off
#define SAMPLE_FIELDS                                                                              \
    F_TEXT(text, OPT, 1, 4, "a text") F_ID(id, OPT, "an id") F_TIME(time, OPT, "a time")           \
    F_INT(number, OPT, -5, 60, "a number") F_BOOL(flag, OPT, "a flag")                             \
    F_ENUM(level, OPT, level, "a level") F_TEXTS(texts, OPT, 2, 1, 3, "texts")                     \
    F_IDS(ids, OPT, 2, "ids") F_ENUMS(kinds, OPT, data_kind, 3, "kinds")                           \
    F_INTS(numbers, OPT, 3, 0, 9, "numbers") F_OBJECT(source, OPT, source, "a part")               \
    F_LIST(indicators, OPT, indicator, 2, "parts") F_JSON(any, OPT, "anything")
#include "proto/shape_members.h"
#define SHAPE sample
#include "proto/shape_begin.h"
SAMPLE_FIELDS
#include "proto/shape_end.h"
#include "proto/shape_rows.h"
#define SHAPE sample
#include "proto/shape_begin.h"
SAMPLE_FIELDS
#include "proto/shape_end.h"
// clang-format on

#define UUID "0192f0c1-2b3c-7d4e-8f50-61728394a5b6"

static const struct decode_row {
    const char *name, *in;
    const char *pointer; /* NULL: it is taken */
    const char *refusal; /* part of the text; when taken: the canonical form, NULL: as it came */
} decode_rows[] = {
    {"nothing", "{}", NULL, NULL},
    {"null is absent",
     "{\"text\":null,\"id\":null,\"time\":null,\"number\":null,\"flag\":null,\"level\":null,"
     "\"texts\":null,\"source\":null,\"indicators\":null,\"any\":null}",
     NULL, "{}"},
    {"an empty list is absent", "{\"texts\":[],\"indicators\":[]}", NULL, "{}"},
    {"every type",
     "{\"any\":{\"a\":[1,{\"b\":null}]},\"flag\":true,\"id\":\"" UUID "\",\"ids\":[\"" UUID "\"],"
     "\"indicators\":[{\"type\":\"ip\",\"value\":\"203.0.113.7\"}],\"kinds\":[\"core\","
     "\"personal\"],"
     "\"level\":\"extreme\",\"number\":-5,\"numbers\":[0,9],\"source\":{\"document\":\"d\"},"
     "\"text\":\"通报网络\",\"texts\":[\"a\",\"b\\n\"],\"time\":\"2026-11-22T03:00:00.000Z\"}",
     NULL, NULL},
    {"blanks and order do not matter", " { \"text\" : \"a\" ,\n\"flag\" : false } ", NULL,
     "{\"flag\":false,\"text\":\"a\"}"},
    {"escapes are read", "{\"text\":\"\\u901a\\ud83d\\ude00\\/\\t\"}", NULL,
     "{\"text\":\"通😀/\\t\"}"},
    {"a text of another type", "{\"text\":7}", "/text",
     "must be a text of 1 to 4 characters (a text); got the number 7"},
    {"an empty text", "{\"text\":\"\"}", "/text", "got 0 characters"},
    {"a text too long, in characters", "{\"text\":\"通报网络通\"}", "/text", "got 5 characters"},
    {"characters beyond the basic plane count once", "{\"text\":\"😀😀😀😀\"}", NULL, NULL},
    {"an id in capitals", "{\"id\":\"0192F0C1-2B3C-7D4E-8F50-61728394A5B6\"}", "/id",
     "must be a lower-case UUID (an id); got the text \"0192F0C1-"},
    {"an id of another type", "{\"id\":true}", "/id", "got true"},
    {"a time with an offset", "{\"time\":\"2026-11-22T11:00:00+08:00\"}", "/time",
     "must be a time like 2026-11-22T03:00:00.000Z"},
    {"30 February", "{\"time\":\"2026-02-30T00:00:00.000Z\"}", "/time", "2026-02-30"},
    {"the end of time", "{\"time\":\"9999-12-31T23:59:59.999Z\"}", NULL, NULL},
    {"the beginning of time", "{\"time\":\"1970-01-01T00:00:00.000Z\"}", NULL, NULL},
    {"a number in words", "{\"number\":\"two hours\"}", "/number",
     "must be a whole number from -5 to 60 (a number); got the text \"two hours\""},
    {"a number too small", "{\"number\":-6}", "/number", "got the number -6"},
    {"a number too large", "{\"number\":61}", "/number", "got the number 61"},
    {"a number with a fraction", "{\"number\":1.5}", "/number", "got the number 1.5"},
    {"a real that is whole", "{\"number\":1.0}", NULL, "{\"number\":1}"},
    {"a whole number with an exponent", "{\"number\":6e1}", NULL, "{\"number\":60}"},
    {"minus zero", "{\"number\":-0.0}", NULL, "{\"number\":0}"},
    {"a very large real", "{\"number\":1e300}", "/number", "must be a whole number"},
    {"a flag as a number", "{\"flag\":1}", "/flag",
     "must be true or false (a flag); got the number 1"},
    {"a level in capitals", "{\"level\":\"Major\"}", "/level",
     "must be one of general, larger, major, extreme (a level); got the text \"Major\""},
    {"a level in Chinese", "{\"level\":\"重大\"}", "/level", "got the text \"重大\""},
    {"a long text is quoted in part",
     "{\"level\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx12345\"}", "/level",
     "a text that begins \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""},
    {"control characters are quoted escaped", "{\"level\":\"a\\nb\"}", "/level", "\"a\\nb\""},
    {"a list that is none", "{\"texts\":\"a\"}", "/texts", "a list of at most 2"},
    {"a list too long", "{\"texts\":[\"a\",\"b\",\"c\"]}", "/texts", "got a list of 3"},
    {"an item of another type", "{\"texts\":[\"a\",1]}", "/texts/1", "got the number 1"},
    {"an item that is null", "{\"ids\":[null]}", "/ids/0", "got null"},
    {"an item out of bounds", "{\"numbers\":[0,10]}", "/numbers/1", "from 0 to 9"},
    {"texts may repeat", "{\"texts\":[\"a\",\"a\"]}", NULL, NULL},
    {"kinds may not", "{\"kinds\":[\"core\",\"personal\",\"core\"]}", "/kinds/2",
     "stands in the list already"},
    {"a part of another type", "{\"source\":[]}", "/source", "must be an object (a part)"},
    {"a part without its field", "{\"source\":{}}", "/source/document", "is missing (law"},
    {"a part's field",
     "{\"indicators\":[{\"type\":\"ip\",\"value\":\"a\"},{\"type\":\"ip\",\"value\":3}]}",
     "/indicators/1/value", "must be a text of 1 to 2048"},
    {"anything that is no object", "{\"any\":[1]}", "/any", "must be an object"},
    {"an unknown field near a known one", "{\"numbr\":1}", "/numbr",
     "is not a field of sample: did you mean \"number\"?"},
    {"an unknown field near none", "{\"severity_rating\":1}", "/severity_rating",
     "is not a field of sample: proto/openapi.yaml"},
    {"an unknown field of a part", "{\"source\":{\"document\":\"d\",\"artikle\":\"1\"}}",
     "/source/artikle", "did you mean \"article\"?"},
    {"an unknown field with signs", "{\"a/b~c\":1}", "/a~1b~0c", "is not a field"},
    {"an unknown field that is null", "{\"other_thing\":null}", "/other_thing", "is not a field"},
};

struct decoded {
    struct sample sample;
    json_t *doc;
    struct arena arena;
};

static void done(struct decoded *d)
{
    json_decref(d->doc);
    arena_done(&d->arena);
}

static bool decode(struct decoded *d, const char *text, bool closed, struct err *err)
{
    arena_init(&d->arena, 65536);
    return json_read_strict(&d->doc, text, strlen(text), err) &&
           shape_decode(&sample_shape, d->doc, closed, TIME_EXACT, &d->sample, &d->arena, err);
}

static void decode_closed(void **state)
{
    const struct decode_row *row = *state;
    AUTO(done) struct decoded d = {0};
    AUTO(buf_done) struct buf out = {0};
    struct err err = {0};
    bool ok = decode(&d, row->in, true, &err);

    if (row->pointer) {
        assert_fails(ok, &err, ERR_INPUT, row->refusal);
        assert_string_equal(err.pointer, row->pointer);
        assert_null(d.sample.text); /* written on success only */
        return;
    }
    assert_ok(ok, &err);
    buf_init(&out, 4096);
    assert_ok(shape_canonical(&sample_shape, &d.sample, &out, &err), &err);
    assert_string_equal(buf_text(&out), row->refusal ? row->refusal : row->in);
}

static void open_shapes_pass_over_what_they_do_not_know(void **state)
{
    AUTO(done) struct decoded d = {0};
    struct err err = {0};

    (void)state;
    assert_ok(
        decode(&d, "{\"later\":[{\"x\":1}],\"number\":3,\"source\":{\"document\":\"d\",\"new\":1}}",
               false, &err),
        &err);
    assert_int_equal(d.sample.number, 3);
    assert_string_equal(d.sample.source->document, "d");
}

/* What a document may take is bounded, wherever in it the bound is reached. */
static void decoding_is_bounded(void **state)
{
    static const char text[] =
        "{\"source\":{\"document\":\"d\"},\"indicators\":[{\"type\":\"ip\",\"value\":\"a\"}]}";
    AUTO(auto_json) json_t *doc = NULL;
    struct err err = {0};
    size_t max = 0;
    bool ok = false;

    (void)state;
    assert_ok(json_read_strict(&doc, text, sizeof(text) - 1, &err), &err);
    for (; !ok && max < 65536; max += 8) {
        AUTO(arena_done) struct arena arena;
        struct sample sample;

        arena_init(&arena, max);
        ok = shape_decode(&sample_shape, doc, true, TIME_EXACT, &sample, &arena, &err);
        if (!ok)
            assert_fails(ok, &err, ERR_INPUT, "the document is too large");
    }
    assert_true(ok && max > sizeof(struct sample));
}

static void members_are_set(void **state)
{
    AUTO(done) struct decoded d = {0};
    struct err err = {0};

    (void)state;
    assert_ok(
        decode(&d,
               "{\"text\":\"通报\",\"time\":\"1970-01-01T00:00:01.002Z\",\"level\":\"larger\","
               "\"flag\":false,\"kinds\":[\"customer\",\"core\"],\"numbers\":[4,2],"
               "\"any\":{\"k\":1}}",
               true, &err),
        &err);
    assert_string_equal(d.sample.text, "通报");
    assert_int_equal(d.sample.time, 1002);
    assert_true(d.sample.has_time && d.sample.has_flag && d.sample.has_level);
    assert_false(d.sample.flag || d.sample.has_number);
    assert_int_equal(d.sample.level, LEVEL_LARGER);
    assert_int_equal(d.sample.kinds_n, 2);
    assert_int_equal(d.sample.kinds[1], DATA_CORE);
    assert_int_equal(d.sample.numbers[0], 4);
    assert_int_equal(json_integer_value(json_object_get(d.sample.any, "k")), 1);
    assert_null(d.sample.source);
}

static void a_pointer_is_cut_at_its_bound(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(done) struct decoded d = {0};
    struct err err = {0};

    (void)state;
    buf_init(&text, 4096);
    buf_str(&text, "{\"");
    buf_str(&text, "a");
    for (int i = 0; i < 300; i++)
        buf_str(&text, "名");
    buf_str(&text, "\":1}");
    assert_fails(decode(&d, buf_text(&text), true, &err), &err, ERR_INPUT, "is not a field");
    assert_int_equal(strlen(err.pointer), 125); /* at a character's boundary before 128 */
    assert_true(utf8_valid(err.pointer, strlen(err.pointer)));
}

/* --- encoding: what our own code must not publish ------------------------------------------------ */

static void breaks_text(struct sample *s)
{
    s->text = "通报网络通";
}
static void breaks_utf8(struct sample *s)
{
    s->text = "\xc3(";
}
static void breaks_id(struct sample *s)
{
    s->id = "not an id";
}
static void breaks_number(struct sample *s)
{
    SHAPE_SET(s, number, 61);
}
static void breaks_time(struct sample *s)
{
    SHAPE_SET(s, time, -1);
}
static void breaks_late_time(struct sample *s)
{
    SHAPE_SET(s, time, INT64_C(253402300800000));
}
static void breaks_level(struct sample *s)
{
    unsigned level = 99;

    memcpy(&s->level, &level, sizeof level);
    s->has_level = true;
}
static void breaks_items(struct sample *s)
{
    static int64_t numbers[4];

    s->numbers = numbers;
    s->numbers_n = 4;
}
static void breaks_item(struct sample *s)
{
    static const char *texts[] = {"a", NULL};

    s->texts = texts;
    s->texts_n = 2;
}
static void breaks_part(struct sample *s)
{
    static struct source source;

    s->source = &source;
}

static const struct encode_row {
    const char *name;
    void (*spoil)(struct sample *);
    const char *pointer, *refusal;
} encode_rows[] = {
    {"a text too long", breaks_text, "/text", "a text of 1 to 4 characters"},
    {"a text that is not UTF-8", breaks_utf8, "/text", "not valid UTF-8"},
    {"no id", breaks_id, "/id", "a lower-case UUID"},
    {"a number too large", breaks_number, "/number", "from -5 to 60 (a number); got 61"},
    {"a time before all", breaks_time, "/time", "years 1970 to 9999"},
    {"a time after all", breaks_late_time, "/time", "years 1970 to 9999"},
    {"an enum's value that is none", breaks_level, "/level", "99 is no value of level"},
    {"too many items", breaks_items, "/numbers", "at most 3"},
    {"an item that is NULL", breaks_item, "/texts/1", "missing"},
    {"a part without its field", breaks_part, "/source/document", "is missing"},
};

static void encode_refuses(void **state)
{
    const struct encode_row *row = *state;
    AUTO(buf_done) struct buf out = {0};
    struct sample sample = {0};
    struct err err = {0};

    buf_init(&out, 4096);
    row->spoil(&sample);
    assert_fails(shape_canonical(&sample_shape, &sample, &out, &err), &err, ERR_INPUT,
                 row->refusal);
    assert_string_equal(err.pointer, row->pointer);
    assert_null(shape_encode(&sample_shape, &sample));
}

static void encode_says_when_it_does_not_fit(void **state)
{
    AUTO(buf_done) struct buf out = {0};
    struct sample sample = {.text = "abcd"};
    struct err err = {0};

    (void)state;
    buf_init(&out, 8);
    assert_fails(shape_canonical(&sample_shape, &sample, &out, &err), &err, ERR_INPUT,
                 "does not fit into 8 bytes");
}

static void a_document_keeps_the_order_of_the_table(void **state)
{
    struct sample sample = {.text = "z"};
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(auto_free) char *text = NULL;

    (void)state;
    SHAPE_SET(&sample, number, 1);
    SHAPE_SET(&sample, level, LEVEL_MAJOR);
    doc = shape_encode(&sample_shape, &sample);
    text = json_dumps(doc, JSON_COMPACT);
    assert_string_equal(text, "{\"text\":\"z\",\"number\":1,\"level\":\"major\"}");
}

static void an_arena_is_bounded(void **state)
{
    AUTO(arena_done) struct arena arena;
    char *first;
    void *big;

    (void)state;
    arena_init(&arena, 10000);
    first = arena_take(&arena, 1);
    assert_non_null(first);
    assert_int_equal(*first, 0);
    assert_int_equal((uintptr_t)arena_take(&arena, 3) % _Alignof(max_align_t), 0);
    big = arena_take(&arena, 9000);
    assert_non_null(big);
    memset(big, 1, 9000);
    assert_null(arena_take(&arena, 5000));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_non_null(arena_take(&arena, 100)); /* a refusal does not spoil it */
}

static void enums_are_known_by_their_texts(void **state)
{
    int value;

    (void)state;
    for (size_t i = 0; i < gbt20986_table.n; i++) {
        assert_true(enum_parse(&gbt20986_table, enum_text(&gbt20986_table, (int)i), &value));
        assert_int_equal(value, i);
    }
    assert_string_equal(enum_text(&level_table, LEVEL_EXTREME), "extreme");
    assert_string_equal(level_table.values[LEVEL_EXTREME].zh, "特别重大");
    assert_null(enum_text(&level_table, -1));
    assert_null(enum_text(&level_table, (int)level_table.n));
    assert_false(enum_parse(&level_table, "majo", &value));
    assert_false(enum_parse(&level_table, "", &value));
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, decode_rows, decode_closed);
    TEST_ADD_ROWS(&list, encode_rows, encode_refuses);
    TEST_ADD(&list, open_shapes_pass_over_what_they_do_not_know);
    TEST_ADD(&list, decoding_is_bounded);
    TEST_ADD(&list, members_are_set);
    TEST_ADD(&list, a_pointer_is_cut_at_its_bound);
    TEST_ADD(&list, encode_says_when_it_does_not_fit);
    TEST_ADD(&list, a_document_keeps_the_order_of_the_table);
    TEST_ADD(&list, an_arena_is_bounded);
    TEST_ADD(&list, enums_are_known_by_their_texts);
    return test_run("proto_shape", &list);
}
