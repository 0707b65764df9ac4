/* predicate: every operator in each of the three truth values, what an evaluation reads, and every compile error with its place. */
#include "tests/support/test.h"

#include <stdio.h>

#include "proto/event.h"
#include "proto/predicate.h"

#include "proto/shape_members.h"
#include "tests/unit/predicate_view.def"

#include "proto/shape_rows.h"
#include "tests/unit/predicate_view.def"

static const struct eval_row {
    const char *name, *expression;
    enum tri want;
} eval_rows[] = {
    {"ge below", "{\"at\":\"/n\",\"ge\":121}", TRI_FALSE},
    {"ge at", "{\"at\":\"/n\",\"ge\":120}", TRI_TRUE},
    {"ge above", "{\"at\":\"/n\",\"ge\":119}", TRI_TRUE},
    {"gt at", "{\"at\":\"/n\",\"gt\":120}", TRI_FALSE},
    {"gt above", "{\"at\":\"/n\",\"gt\":119}", TRI_TRUE},
    {"le at", "{\"at\":\"/n\",\"le\":120}", TRI_TRUE},
    {"le below", "{\"at\":\"/n\",\"le\":119}", TRI_FALSE},
    {"lt at", "{\"at\":\"/n\",\"lt\":120}", TRI_FALSE},
    {"lt above", "{\"at\":\"/n\",\"lt\":120.5}", TRI_TRUE},
    {"minutes", "{\"at\":\"/o/outage_minutes\",\"ge\":\"120 min\"}", TRI_TRUE},
    {"hours are minutes", "{\"at\":\"/o/outage_minutes\",\"ge\":\"2 h\"}", TRI_TRUE},
    {"half an hour more", "{\"at\":\"/o/outage_minutes\",\"ge\":\"2.5 h\"}", TRI_FALSE},
    {"a day", "{\"at\":\"/o/outage_minutes\",\"lt\":\"1 d\"}", TRI_TRUE},
    {"persons", "{\"at\":\"/o/people_affected\",\"ge\":\"1000 persons\"}", TRI_TRUE},
    {"yuan", "{\"at\":\"/o/loss_cny\",\"gt\":\"5000 CNY\"}", TRI_FALSE},
    {"eq number", "{\"at\":\"/n\",\"eq\":120}", TRI_TRUE},
    {"eq number, written as a real", "{\"at\":\"/n\",\"eq\":120.0}", TRI_TRUE},
    {"eq text", "{\"at\":\"/t\",\"eq\":\"major\"}", TRI_TRUE},
    {"eq text differs", "{\"at\":\"/t\",\"eq\":\"majo\"}", TRI_FALSE},
    {"eq true", "{\"at\":\"/b\",\"eq\":true}", TRI_TRUE},
    {"eq false of true", "{\"at\":\"/b\",\"eq\":false}", TRI_FALSE},
    {"eq false", "{\"at\":\"/f\",\"eq\":false}", TRI_TRUE},
    {"eq enum", "{\"at\":\"/level\",\"eq\":\"major\"}", TRI_TRUE},
    {"ne enum", "{\"at\":\"/level\",\"ne\":\"major\"}", TRI_FALSE},
    {"ne text", "{\"at\":\"/t\",\"ne\":\"general\"}", TRI_TRUE},
    {"in", "{\"at\":\"/level\",\"in\":[\"extreme\",\"major\"]}", TRI_TRUE},
    {"not in", "{\"at\":\"/level\",\"in\":[\"extreme\"]}", TRI_FALSE},
    {"in numbers", "{\"at\":\"/n\",\"in\":[1,120]}", TRI_TRUE},
    {"in texts", "{\"at\":\"/t\",\"in\":[\"x\",\"major\"]}", TRI_TRUE},
    {"a list matches by one item", "{\"at\":\"/list\",\"in\":[\"larger\",\"extreme\"]}", TRI_TRUE},
    {"a list without a match", "{\"at\":\"/list\",\"in\":[\"extreme\"]}", TRI_FALSE},
    {"an empty list is nothing", "{\"at\":\"/none\",\"in\":[\"extreme\"]}", TRI_UNKNOWN},
    {"eq on a list", "{\"at\":\"/list\",\"eq\":\"larger\"}", TRI_TRUE},
    {"ne on a list: no item", "{\"at\":\"/list\",\"ne\":\"larger\"}", TRI_FALSE},
    {"a list of texts", "{\"at\":\"/texts\",\"eq\":\"b\"}", TRI_TRUE},
    {"a list of numbers", "{\"at\":\"/ints\",\"ge\":7}", TRI_TRUE},
    {"a list of numbers, none", "{\"at\":\"/ints\",\"gt\":7}", TRI_FALSE},
    {"nothing there is unknown", "{\"at\":\"/absent/outage_minutes\",\"ge\":\"1 min\"}",
     TRI_UNKNOWN},
    {"nothing there is unknown to ne", "{\"at\":\"/absent/is_cii\",\"ne\":true}", TRI_UNKNOWN},
    {"exists", "{\"at\":\"/o/is_cii\",\"exists\":true}", TRI_TRUE},
    {"exists not", "{\"at\":\"/absent/is_cii\",\"exists\":true}", TRI_FALSE},
    {"absence wanted", "{\"at\":\"/absent\",\"exists\":false}", TRI_TRUE},
    {"an object exists", "{\"at\":\"/o\",\"exists\":true}", TRI_TRUE},
    {"a time does not exist", "{\"at\":\"/at\",\"exists\":true}", TRI_FALSE},
    {"an empty list does not exist", "{\"at\":\"/none\",\"exists\":true}", TRI_FALSE},
    {"a list exists", "{\"at\":\"/list\",\"exists\":true}", TRI_TRUE},
    {"found", "{\"at\":\"/words/leak\",\"exists\":true}", TRI_TRUE},
    {"not found", "{\"at\":\"/words/virus\",\"exists\":true}", TRI_FALSE},
    {"a range that agrees", "{\"at\":\"/said/people_affected\",\"ge\":\"30 persons\"}", TRI_TRUE},
    {"a range that does not", "{\"at\":\"/said/people_affected\",\"ge\":\"41 persons\"}",
     TRI_FALSE},
    {"a range across", "{\"at\":\"/said/people_affected\",\"ge\":\"35 persons\"}", TRI_UNKNOWN},
    {"a range below", "{\"at\":\"/said/people_affected\",\"lt\":\"41 persons\"}", TRI_TRUE},
    {"a range that was not said", "{\"at\":\"/said/outage_minutes\",\"ge\":\"1 min\"}",
     TRI_UNKNOWN},
    {"a range exists", "{\"at\":\"/said/people_affected\",\"exists\":true}", TRI_TRUE},
    {"a level by its regime", "{\"at\":\"/regimes/cac/level\",\"in\":[\"major\"]}", TRI_TRUE},
    {"a regime that says nothing", "{\"at\":\"/regimes/none/level\",\"eq\":\"major\"}",
     TRI_UNKNOWN},
    {"keyword in Chinese", "{\"at\":\"/zh\",\"matches\":[\"篡改\",\"勒索\"]}", TRI_TRUE},
    {"keyword that is not there", "{\"at\":\"/zh\",\"matches\":[\"篡改\"]}", TRI_FALSE},
    {"Latin keyword without case", "{\"at\":\"/en\",\"matches\":[\"ransomWARE\"]}", TRI_TRUE},
    {"Latin keyword beside Chinese", "{\"at\":\"/en\",\"matches\":[\"rat木马\"]}", TRI_TRUE},
    {"Latin keyword inside a word", "{\"at\":\"/en\",\"matches\":[\"ransom\"]}", TRI_FALSE},
    {"keyword at the text's end", "{\"at\":\"/en\",\"matches\":[\"operation\"]}", TRI_TRUE},
    {"keywords in a list", "{\"at\":\"/texts\",\"matches\":[\"b\"]}", TRI_TRUE},
    {"regex", "{\"at\":\"/en\",\"regex\":\"ransom\\\\w+\"}", TRI_TRUE},
    {"regex in Chinese", "{\"at\":\"/zh\",\"regex\":\"勒索.毒\"}", TRI_TRUE},
    {"regex that differs", "{\"at\":\"/en\",\"regex\":\"^ransom\"}", TRI_FALSE},
    {"regex of what is not there", "{\"at\":\"/absent/is_cii\",\"exists\":false}", TRI_TRUE},
    {"a regex that is too dear is unknown", "{\"at\":\"/en\",\"regex\":\"(([a-z ]+)+)+[0-9]$\"}",
     TRI_UNKNOWN},
    {"all true", "{\"all\":[{\"at\":\"/n\",\"ge\":1},{\"at\":\"/b\",\"eq\":true}]}", TRI_TRUE},
    {"all: false beats unknown",
     "{\"all\":[{\"at\":\"/absent/is_cii\",\"eq\":true},{\"at\":\"/n\",\"ge\":999}]}", TRI_FALSE},
    {"all: unknown beats true",
     "{\"all\":[{\"at\":\"/absent/is_cii\",\"eq\":true},{\"at\":\"/n\",\"ge\":1}]}", TRI_UNKNOWN},
    {"any: true beats unknown",
     "{\"any\":[{\"at\":\"/absent/is_cii\",\"eq\":true},{\"at\":\"/n\",\"ge\":1}]}", TRI_TRUE},
    {"any: unknown beats false",
     "{\"any\":[{\"at\":\"/n\",\"ge\":999},{\"at\":\"/absent/is_cii\",\"eq\":true}]}", TRI_UNKNOWN},
    {"any false", "{\"any\":[{\"at\":\"/n\",\"ge\":999},{\"at\":\"/b\",\"eq\":false}]}", TRI_FALSE},
    {"not true", "{\"not\":{\"at\":\"/n\",\"ge\":1}}", TRI_FALSE},
    {"not unknown", "{\"not\":{\"at\":\"/absent/is_cii\",\"eq\":true}}", TRI_UNKNOWN},
    {"nested, a child behind a nested one",
     "{\"all\":[{\"any\":[{\"at\":\"/n\",\"ge\":999},{\"not\":{\"at\":\"/"
     "n\",\"ge\":999}}]},{\"at\":\"/b\",\"eq\":false}]}",
     TRI_FALSE},
};

static const struct bad_row {
    const char *name, *expression, *place, *part;
} bad_rows[] = {
    {"no object", "[]", "", "a condition is"},
    {"empty", "{}", "", "a condition is"},
    {"unknown combinator", "{\"none\":[]}", "", "a condition is"},
    {"two combinators", "{\"all\":[],\"any\":[]}", "", "a condition is"},
    {"empty all", "{\"all\":[]}", "/all", "at least one condition"},
    {"all of no list", "{\"all\":{\"at\":\"/n\",\"ge\":1}}", "/all", "at least one condition"},
    {"not of a list", "{\"not\":[]}", "/not", "a condition is"},
    {"no comparison", "{\"at\":\"/n\"}", "", "exactly one of eq"},
    {"unknown comparison", "{\"at\":\"/n\",\"above\":1}", "", "exactly one of eq"},
    {"two comparisons", "{\"at\":\"/n\",\"ge\":1,\"le\":2}", "", "exactly one of eq"},
    {"pointer without a slash", "{\"at\":\"n\",\"ge\":1}", "/at", "JSON pointer"},
    {"pointer that is a number", "{\"at\":1,\"ge\":1}", "/at", "JSON pointer"},
    {"no such field", "{\"at\":\"/m\",\"ge\":1}", "/at", "/m: no such field"},
    {"no such field inside", "{\"at\":\"/o/m\",\"ge\":1}", "/at", "/o/m: no such field"},
    {"through what is no object", "{\"at\":\"/n/m\",\"ge\":1}", "/at", "no such field"},
    {"into a list", "{\"at\":\"/list/0\",\"eq\":\"major\"}", "/at", "no such field"},
    {"no such name", "{\"at\":\"/words/fire\",\"exists\":true}", "/at",
     "the test has no such name"},
    {"a name without its end", "{\"at\":\"/regimes/cac\",\"exists\":true}", "/at", "no such name"},
    {"ge with a text", "{\"at\":\"/level\",\"ge\":\"larger\"}", "/ge", "fits a number only"},
    {"ge with a truth", "{\"at\":\"/n\",\"ge\":true}", "/ge", "must be a number"},
    {"a measured number without its unit", "{\"at\":\"/o/outage_minutes\",\"ge\":120}", "/ge",
     "with its unit"},
    {"another unit", "{\"at\":\"/o/outage_minutes\",\"ge\":\"120 CNY\"}", "/ge", "\"90 min\""},
    {"no number before the unit", "{\"at\":\"/o/loss_cny\",\"ge\":\"CNY\"}", "/ge",
     "\"5000000 CNY\""},
    {"a unit without a blank", "{\"at\":\"/o/people_affected\",\"ge\":\"5persons\"}", "/ge",
     "\"1000 persons\""},
    {"a negative measure", "{\"at\":\"/o/people_affected\",\"ge\":\"-5 persons\"}", "/ge",
     "with its unit"},
    {"a count with a unit", "{\"at\":\"/n\",\"ge\":\"1 persons\"}", "/ge", "must be a number"},
    {"a range without its unit", "{\"at\":\"/said/people_affected\",\"ge\":3}", "/ge",
     "with its unit"},
    {"eq with null", "{\"at\":\"/n\",\"eq\":null}", "/eq", "must be a number"},
    {"eq of another type", "{\"at\":\"/b\",\"eq\":1}", "/eq", "true or false"},
    {"no value of the enum", "{\"at\":\"/level\",\"eq\":\"huge\"}", "/eq",
     "none of the values of level"},
    {"eq on a range", "{\"at\":\"/said/people_affected\",\"eq\":\"3 persons\"}", "/eq",
     "only \"exists\" fits"},
    {"eq on an object", "{\"at\":\"/o\",\"eq\":1}", "/eq", "only \"exists\" fits"},
    {"eq on a time", "{\"at\":\"/at\",\"eq\":1}", "/eq", "only \"exists\" fits"},
    {"ge on a time", "{\"at\":\"/at\",\"ge\":1}", "/ge", "fits a number only"},
    {"eq on a list of words", "{\"at\":\"/words/leak\",\"eq\":\"x\"}", "/eq",
     "only \"exists\" fits"},
    {"in without a list", "{\"at\":\"/n\",\"in\":1}", "/in", "at least one item"},
    {"in an empty list", "{\"at\":\"/n\",\"in\":[]}", "/in", "at least one item"},
    {"in a list with an object", "{\"at\":\"/n\",\"in\":[1,{}]}", "/in/1", "must be a number"},
    {"exists with a text", "{\"at\":\"/n\",\"exists\":\"yes\"}", "/exists", "true or false"},
    {"matches on a number", "{\"at\":\"/n\",\"matches\":[\"1\"]}", "/matches", "fits a text only"},
    {"matches a number", "{\"at\":\"/t\",\"matches\":[\"a\",7]}", "/matches/1", "a keyword"},
    {"matches nothing", "{\"at\":\"/t\",\"matches\":[\"\"]}", "/matches/0", "a keyword"},
    {"regex on a number", "{\"at\":\"/n\",\"regex\":\"1\"}", "/regex", "fits a text only"},
    {"regex that is none", "{\"at\":\"/t\",\"regex\":\"a(b\"}", "/regex",
     "is no regular expression: missing closing parenthesis at character 4"},
    {"regex that is a list", "{\"at\":\"/t\",\"regex\":[\"a\"]}", "/regex",
     "must be a regular expression"},
    {"the place leads through all levels",
     "{\"all\":[{\"at\":\"/n\",\"ge\":1},{\"not\":{\"any\":[{\"at\":\"/n\",\"ge\":true}]}}]}",
     "/all/1/not/any/0/ge", "must be a number"},
};

/* --- the view --- */

static bool find_in(const char *const *names, size_t n, const char *name, size_t *ret)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static bool find(void *ctx, const char *name, size_t *ret)
{
    const char *const *names = ctx;

    return find_in(names, 2, name, ret);
}

static const char *words[] = {"leak", "virus"}, *said[] = {"people_affected", "outage_minutes"},
                  *regimes[] = {"cac", "none"};
static const struct predicate_names names[] = {
    {PREDICATE_FOUND, "/words/", "", "the test", NULL, false, find, words},
    {PREDICATE_RANGE, "/said/", "", "the test", NULL, false, find, said},
    {PREDICATE_ENUM, "/regimes/", "/level", "the test", &level_table, false, find, regimes},
};
static const struct predicate_view view = {
    .shape = &outer_shape, .names = names, .names_n = ARRAY_LEN(names)};

static bool is_first(const void *ctx, size_t id)
{
    (void)ctx;
    return id == 0;
}

static bool range_of(const void *ctx, size_t id, double *ret_least, double *ret_most)
{
    (void)ctx;
    *ret_least = 30;
    *ret_most = 40;
    return id == 0;
}

static bool level_of(const void *ctx, size_t id, int *ret)
{
    (void)ctx;
    *ret = LEVEL_MAJOR;
    return id == 0;
}

static enum tri evaluate(const struct predicate *p, struct predicate_reads *reads)
{
    enum level levels[] = {LEVEL_GENERAL, LEVEL_LARGER};
    const char *texts[] = {"a", "b"};
    int64_t ints[] = {3, 7};
    struct inner inner = {0};
    struct outer body = {.t = "major",
                         .list = levels,
                         .list_n = 2,
                         .texts = texts,
                         .texts_n = 2,
                         .ints = ints,
                         .ints_n = 2,
                         .o = &inner,
                         .zh = "我公司财务电脑中了勒索病毒",
                         .en = "The RAT木马 and a Ransomware-like operation"};
    const struct predicate_input in = {
        .body = &body, .found = is_first, .range = range_of, .value = level_of};

    SHAPE_SET(&inner, is_cii, true);
    SHAPE_SET(&inner, outage_minutes, 120);
    SHAPE_SET(&inner, people_affected, 1000);
    SHAPE_SET(&inner, loss_cny, 5000);
    SHAPE_SET(&body, n, 120);
    SHAPE_SET(&body, b, true);
    SHAPE_SET(&body, f, false);
    SHAPE_SET(&body, level, LEVEL_MAJOR);
    return predicate_eval(p, &in, reads);
}

static json_t *parse(const char *text)
{
    json_t *doc = json_loads(text, 0, NULL);

    if (!doc)
        fail_msg("not JSON: %s", text);
    return doc;
}

static struct predicate *compiled(const char *expression)
{
    AUTO(auto_json) json_t *source = parse(expression);
    struct predicate *p = NULL;
    struct err err = {0};

    assert_ok(predicate_compile(&p, &view, source, &err), &err);
    return p;
}

static void check_eval(void **state)
{
    const struct eval_row *row = *state;
    AUTO(auto_predicate) struct predicate *p = compiled(row->expression);

    assert_int_equal(evaluate(p, NULL), row->want);
}

static void check_bad(void **state)
{
    const struct bad_row *row = *state;
    AUTO(auto_json) json_t *source = parse(row->expression);
    struct predicate *p = NULL;
    struct err err = {0};

    assert_fails(predicate_compile(&p, &view, source, &err), &err, ERR_INPUT, row->part);
    assert_string_equal(err.pointer, row->place);
    assert_null(p);
}

static void reads_name_each_pointer_once(void **state)
{
    AUTO(auto_predicate)
    struct predicate *p =
        compiled("{\"all\":[{\"at\":\"/n\",\"ge\":1},{\"at\":\"/n\",\"le\":500},{\"at\":"
                 "\"/absent/is_cii\",\"eq\":true},{\"at\":\"/words/leak\",\"exists\":true},"
                 "{\"at\":\"/said/people_affected\",\"ge\":\"1 persons\"}]}");
    struct predicate_reads reads = {0};
    AUTO(buf_done) struct buf text;

    (void)state;
    buf_init(&text, 64);
    assert_int_equal(evaluate(p, &reads), TRI_UNKNOWN);
    assert_int_equal(reads.n, 4);
    assert_string_equal(reads.reads[0].pointer, "/n");
    assert_true(reads.reads[0].is_known && reads.reads[0].source == PREDICATE_FIELD);
    assert_string_equal(reads.reads[0].field->name, "n");
    assert_string_equal(reads.reads[1].pointer, "/absent/is_cii");
    assert_false(reads.reads[1].is_known);
    assert_true(reads.reads[2].source == PREDICATE_FOUND && reads.reads[2].id == 0);
    assert_true(reads.reads[3].source == PREDICATE_RANGE && reads.reads[3].is_known);
}

static json_t *nested_not(int depth)
{
    json_t *inner = parse("{\"at\":\"/n\",\"ge\":1}");

    for (int i = 0; i < depth; i++)
        inner = json_pack("{s:o}", "not", inner);
    return inner;
}

static void a_named_condition_stands_for_itself(void **state)
{
    AUTO(auto_json)
    json_t *conditions =
        parse("{\"few\":{\"at\":\"/n\",\"lt\":10},"
              "\"flagged\":{\"all\":[{\"is\":\"few\"},{\"at\":\"/b\",\"eq\":true}]},"
              "\"round\":{\"not\":{\"is\":\"round\"}}}");
    struct predicate_view with = view;
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct predicate *none = NULL;
    AUTO(auto_json) json_t *flagged = parse("{\"not\":{\"is\":\"flagged\"}}");
    AUTO(auto_json) json_t *unknown = parse("{\"any\":[{\"is\":\"many\"}]}");
    AUTO(auto_json) json_t *round = parse("{\"is\":\"round\"}");
    struct err err = {0};

    (void)state;
    with.conditions = conditions;
    assert_ok(predicate_compile(&p, &with, flagged, &err), &err);
    assert_int_equal(evaluate(p, NULL), TRI_TRUE); /* n is 120 */
    assert_fails(predicate_compile(&none, &with, unknown, &err), &err, ERR_INPUT,
                 "the name of one");
    assert_string_equal(err.pointer, "/any/0/is");
    assert_fails(predicate_compile(&none, &with, round, &err), &err, ERR_INPUT, "names itself");
    assert_fails(predicate_compile(&none, &view, flagged, &err), &err, ERR_INPUT,
                 "the name of one");
}

/* --- what can hold at all --- */

static const struct reach_row {
    const char *name, *expression;
    const char *unless; /* NULL: none */
    bool want;
} reach_rows[] = {
    {"a comparison", "{\"at\":\"/n\",\"ge\":5}", NULL, true},
    {"between", "{\"all\":[{\"at\":\"/n\",\"ge\":5},{\"at\":\"/n\",\"lt\":6}]}", NULL, true},
    {"no number between", "{\"all\":[{\"at\":\"/n\",\"ge\":5},{\"at\":\"/n\",\"lt\":5}]}", NULL,
     false},
    {"no whole number between", "{\"all\":[{\"at\":\"/n\",\"gt\":5},{\"at\":\"/n\",\"lt\":6}]}",
     NULL, false},
    {"everything below the most", "{\"at\":\"/n\",\"lt\":5000}", NULL, true},
    {"more than a field takes", "{\"at\":\"/n\",\"gt\":1000}", NULL, false},
    {"two values of an enum",
     "{\"all\":[{\"at\":\"/level\",\"eq\":\"major\"},{\"at\":\"/level\",\"eq\":\"larger\"}]}", NULL,
     false},
    {"two items of a list may be two values",
     "{\"all\":[{\"at\":\"/list\",\"eq\":\"major\"},{\"at\":\"/list\",\"eq\":\"larger\"}]}", NULL,
     true},
    {"two values of a text",
     "{\"all\":[{\"at\":\"/t\",\"eq\":\"a\"},{\"at\":\"/t\",\"eq\":\"b\"}]}", NULL, false},
    {"a text that is neither",
     "{\"all\":[{\"at\":\"/t\",\"ne\":\"a\"},{\"at\":\"/t\",\"ne\":\"b\"}]}", NULL, true},
    {"a value of what is not there",
     "{\"all\":[{\"at\":\"/n\",\"exists\":false},{\"at\":\"/n\",\"ge\":1}]}", NULL, false},
    {"unknown is not false: not above is no number",
     "{\"all\":[{\"at\":\"/n\",\"exists\":false},{\"not\":{\"at\":\"/n\",\"ge\":1}}]}", NULL,
     false},
    {"a word found and not found",
     "{\"all\":[{\"at\":\"/words/leak\",\"exists\":true},{\"at\":\"/words/"
     "leak\",\"exists\":false}]}",
     NULL, false},
    {"a range on both sides of a number",
     "{\"all\":[{\"at\":\"/said/people_affected\",\"exists\":true},{\"not\":{\"any\":[{\"at\":"
     "\"/said/people_affected\",\"lt\":\"5 persons\"},{\"at\":\"/said/people_affected\",\"ge\":"
     "\"5 persons\"}]}}]}",
     NULL, false},
    {"above ten is above five", "{\"at\":\"/n\",\"ge\":10}", "{\"at\":\"/n\",\"ge\":5}", false},
    {"above five is not above ten", "{\"at\":\"/n\",\"ge\":5}", "{\"at\":\"/n\",\"ge\":10}", true},
    {"a part implies the whole", "{\"at\":\"/b\",\"eq\":true}",
     "{\"any\":[{\"at\":\"/n\",\"ge\":10},{\"at\":\"/b\",\"eq\":true}]}", false},
    {"both imply one",
     "{\"all\":[{\"at\":\"/words/leak\",\"exists\":true},{\"at\":\"/level\",\"in\":[\"major\"]}]}",
     "{\"at\":\"/level\",\"in\":[\"larger\",\"major\"]}", false},
    {"one does not imply both", "{\"at\":\"/level\",\"in\":[\"major\"]}",
     "{\"all\":[{\"at\":\"/words/leak\",\"exists\":true},{\"at\":\"/level\",\"in\":[\"major\"]}]}",
     true},
    {"the same keywords elsewhere", "{\"at\":\"/t\",\"matches\":[\"a\"]}",
     "{\"at\":\"/zh\",\"matches\":[\"a\"]}", true},
};

static void check_reach(void **state)
{
    const struct reach_row *row = *state;
    AUTO(auto_predicate) struct predicate *p = compiled(row->expression);
    AUTO(auto_predicate) struct predicate *unless = row->unless ? compiled(row->unless) : NULL;

    size_t steps = PREDICATE_STEPS_MAX;

    assert_int_equal(predicate_can_hold(p, unless, &steps), row->want);
    assert_true(steps > 0 && steps < PREDICATE_STEPS_MAX);
}

static void depth_is_bounded(void **state)
{
    AUTO(auto_json) json_t *deepest = nested_not(16);
    AUTO(auto_json) json_t *deeper = nested_not(17);
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct predicate *none = NULL;
    struct err err = {0};

    (void)state;
    assert_ok(predicate_compile(&p, &view, deepest, &err), &err);
    assert_fails(predicate_compile(&none, &view, deeper, &err), &err, ERR_INPUT, "too deep");
}

static void nodes_are_bounded(void **state)
{
    AUTO(auto_json) json_t *list = json_array(), *any = NULL;
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct predicate *none = NULL;
    struct err err = {0};

    (void)state;
    for (int i = 0; i < PREDICATE_NODES_MAX - 1; i++)
        json_array_append_new(list, json_pack("{s:s,s:i}", "at", "/n", "ge", 1000 + i));
    any = json_pack("{s:O}", "any", list);
    assert_ok(predicate_compile(&p, &view, any, &err), &err);
    assert_int_equal(evaluate(p, NULL), TRI_FALSE);
    json_array_append_new(list, json_pack("{s:s,s:i}", "at", "/n", "ge", 1));
    assert_fails(predicate_compile(&none, &view, any, &err), &err, ERR_INPUT, "too large");
}

static enum tri at_least(const char *limit, int64_t minutes)
{
    AUTO(auto_json)
    json_t *expression = json_pack("{s:s,s:s}", "at", "/o/outage_minutes", "ge", limit);
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct inner inner = {0};
    struct outer body = {.o = &inner};
    const struct predicate_input in = {.body = &body};
    struct err err = {0};

    assert_ok(predicate_compile(&p, &view, expression, &err), &err);
    SHAPE_SET(&inner, outage_minutes, minutes);
    return predicate_eval(p, &in, NULL);
}

/* A limit is the same in whatever unit it is written, to the minute. */
static void units_round_trip(void **state)
{
    (void)state;
    for (int hours = 1; hours <= 72; hours++) {
        char limits[3][24];
        size_t n = hours % 24 == 0 ? 3 : 2;

        snprintf(limits[0], sizeof(limits[0]), "%d h", hours);
        snprintf(limits[1], sizeof(limits[1]), "%d min", 60 * hours);
        snprintf(limits[2], sizeof(limits[2]), "%d d", hours / 24);
        for (size_t i = 0; i < n; i++)
            for (int more = -1; more <= 1; more++)
                assert_int_equal(at_least(limits[i], 60 * hours + more),
                                 more < 0 ? TRI_FALSE : TRI_TRUE);
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, eval_rows, check_eval);
    TEST_ADD_ROWS(&list, bad_rows, check_bad);
    TEST_ADD_ROWS(&list, reach_rows, check_reach);
    TEST_ADD(&list, a_named_condition_stands_for_itself);
    TEST_ADD(&list, reads_name_each_pointer_once);
    TEST_ADD(&list, depth_is_bounded);
    TEST_ADD(&list, nodes_are_bounded);
    TEST_ADD(&list, units_round_trip);
    return test_run("predicate", &list);
}
