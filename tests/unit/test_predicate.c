/* predicate: every operator in each of the three truth values, what an evaluation reads, and every compile error with its place. */
#include "tests/support/test.h"

#include <stdio.h>

#include "proto/predicate.h"
#include "proto/shape.h"

#define DOC                                                                                            \
    "{\"n\":120,\"r\":1.5,\"t\":\"major\",\"b\":true,\"f\":false,\"z\":null,\"list\":[\"a\","          \
    "\"b\"],"                                                                                          \
    "\"range\":{\"at_least\":30,\"at_most\":40},\"half\":{\"at_least\":30},\"none\":[],\"mixed\":[1,\"x\"],\"o\":{\"is_cii\":true,\"a/b\":1,\"m~n\":2},"                     \
    "\"zh\":\"我公司财务电脑中了勒索病毒\",\"en\":\"The RAT木马 and a Ransomware-like " \
    "operation\"}"

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
    {"eq number", "{\"at\":\"/n\",\"eq\":120}", TRI_TRUE},
    {"eq number, written as a real", "{\"at\":\"/n\",\"eq\":120.0}", TRI_TRUE},
    {"eq real", "{\"at\":\"/r\",\"eq\":1.5}", TRI_TRUE},
    {"eq text", "{\"at\":\"/t\",\"eq\":\"major\"}", TRI_TRUE},
    {"eq text differs", "{\"at\":\"/t\",\"eq\":\"majo\"}", TRI_FALSE},
    {"eq true", "{\"at\":\"/b\",\"eq\":true}", TRI_TRUE},
    {"eq false of true", "{\"at\":\"/b\",\"eq\":false}", TRI_FALSE},
    {"eq false", "{\"at\":\"/f\",\"eq\":false}", TRI_TRUE},
    {"ne text", "{\"at\":\"/t\",\"ne\":\"general\"}", TRI_TRUE},
    {"ne the same", "{\"at\":\"/t\",\"ne\":\"major\"}", TRI_FALSE},
    {"in", "{\"at\":\"/t\",\"in\":[\"extreme\",\"major\"]}", TRI_TRUE},
    {"not in", "{\"at\":\"/t\",\"in\":[\"extreme\"]}", TRI_FALSE},
    {"in, operands of several types", "{\"at\":\"/n\",\"in\":[\"x\",120]}", TRI_TRUE},
    {"a list matches by one item", "{\"at\":\"/list\",\"in\":[\"b\",\"c\"]}", TRI_TRUE},
    {"a list without a match", "{\"at\":\"/list\",\"in\":[\"c\"]}", TRI_FALSE},
    {"an empty list matches nothing", "{\"at\":\"/none\",\"in\":[\"c\"]}", TRI_FALSE},
    {"eq on a list", "{\"at\":\"/list\",\"eq\":\"a\"}", TRI_TRUE},
    {"ne on a list: no item", "{\"at\":\"/list\",\"ne\":\"a\"}", TRI_FALSE},
    {"a list with an item of another type", "{\"at\":\"/mixed\",\"eq\":\"y\"}", TRI_UNKNOWN},
    {"an item by its index", "{\"at\":\"/list/1\",\"eq\":\"b\"}", TRI_TRUE},
    {"beyond a list's end", "{\"at\":\"/list/2\",\"eq\":\"b\"}", TRI_UNKNOWN},
    {"no index", "{\"at\":\"/list/x\",\"eq\":\"b\"}", TRI_UNKNOWN},
    {"nothing there is unknown", "{\"at\":\"/absent\",\"ge\":1}", TRI_UNKNOWN},
    {"nothing there is unknown to ne", "{\"at\":\"/absent\",\"ne\":1}", TRI_UNKNOWN},
    {"null is nothing", "{\"at\":\"/z\",\"eq\":1}", TRI_UNKNOWN},
    {"through a scalar is nothing", "{\"at\":\"/n/x\",\"eq\":1}", TRI_UNKNOWN},
    {"a text where a number is wanted", "{\"at\":\"/t\",\"ge\":1}", TRI_UNKNOWN},
    {"a number where a text is wanted", "{\"at\":\"/n\",\"eq\":\"120\"}", TRI_UNKNOWN},
    {"an object where a truth is wanted", "{\"at\":\"/o\",\"eq\":true}", TRI_UNKNOWN},
    {"a range that agrees", "{\"at\":\"/range\",\"ge\":30}", TRI_TRUE},
    {"a range that does not", "{\"at\":\"/range\",\"ge\":41}", TRI_FALSE},
    {"a range across", "{\"at\":\"/range\",\"ge\":35}", TRI_UNKNOWN},
    {"a range below", "{\"at\":\"/range\",\"lt\":41}", TRI_TRUE},
    {"half a range", "{\"at\":\"/half\",\"ge\":1}", TRI_UNKNOWN},
    {"exists", "{\"at\":\"/o/is_cii\",\"exists\":true}", TRI_TRUE},
    {"exists not", "{\"at\":\"/o/absent\",\"exists\":true}", TRI_FALSE},
    {"absence wanted", "{\"at\":\"/o/absent\",\"exists\":false}", TRI_TRUE},
    {"null does not exist", "{\"at\":\"/z\",\"exists\":true}", TRI_FALSE},
    {"escaped slash", "{\"at\":\"/o/a~1b\",\"eq\":1}", TRI_TRUE},
    {"escaped tilde", "{\"at\":\"/o/m~0n\",\"eq\":2}", TRI_TRUE},
    {"keyword in Chinese", "{\"at\":\"/zh\",\"matches\":[\"篡改\",\"勒索\"]}", TRI_TRUE},
    {"keyword that is not there", "{\"at\":\"/zh\",\"matches\":[\"篡改\"]}", TRI_FALSE},
    {"Latin keyword without case", "{\"at\":\"/en\",\"matches\":[\"ransomWARE\"]}", TRI_TRUE},
    {"Latin keyword beside Chinese", "{\"at\":\"/en\",\"matches\":[\"rat木马\"]}", TRI_TRUE},
    {"Latin keyword inside a word", "{\"at\":\"/en\",\"matches\":[\"ransom\"]}", TRI_FALSE},
    {"Latin keyword at a word's end", "{\"at\":\"/en\",\"matches\":[\"ware\"]}", TRI_FALSE},
    {"keyword at the text's end", "{\"at\":\"/en\",\"matches\":[\"operation\"]}", TRI_TRUE},
    {"matches on a number", "{\"at\":\"/n\",\"matches\":[\"1\"]}", TRI_UNKNOWN},
    {"all true", "{\"all\":[{\"at\":\"/n\",\"ge\":1},{\"at\":\"/b\",\"eq\":true}]}", TRI_TRUE},
    {"all: false beats unknown",
     "{\"all\":[{\"at\":\"/absent\",\"ge\":1},{\"at\":\"/n\",\"ge\":999}]}", TRI_FALSE},
    {"all: unknown beats true",
     "{\"all\":[{\"at\":\"/absent\",\"ge\":1},{\"at\":\"/n\",\"ge\":1}]}", TRI_UNKNOWN},
    {"any: true beats unknown",
     "{\"any\":[{\"at\":\"/absent\",\"ge\":1},{\"at\":\"/n\",\"ge\":1}]}", TRI_TRUE},
    {"any: unknown beats false",
     "{\"any\":[{\"at\":\"/n\",\"ge\":999},{\"at\":\"/absent\",\"ge\":1}]}", TRI_UNKNOWN},
    {"any false", "{\"any\":[{\"at\":\"/n\",\"ge\":999},{\"at\":\"/b\",\"eq\":false}]}", TRI_FALSE},
    {"not true", "{\"not\":{\"at\":\"/n\",\"ge\":1}}", TRI_FALSE},
    {"not unknown", "{\"not\":{\"at\":\"/absent\",\"ge\":1}}", TRI_UNKNOWN},
    {"nested, a child behind a nested one",
     "{\"all\":[{\"any\":[{\"at\":\"/n\",\"ge\":999},{\"not\":{\"at\":\"/n\",\"ge\":999}}]},"
     "{\"at\":\"/b\",\"eq\":false}]}",
     TRI_FALSE},
};

static const struct bad_row {
    const char *name, *expression, *place, *part;
} bad_rows[] = {
    {"no object", "[]", "at \"\"", "a condition is"},
    {"empty", "{}", "at \"\"", "a condition is"},
    {"unknown combinator", "{\"none\":[]}", "at \"\"", "a condition is"},
    {"two combinators", "{\"all\":[],\"any\":[]}", "at \"\"", "a condition is"},
    {"empty all", "{\"all\":[]}", "at \"/all\"", "at least one condition"},
    {"all of no list", "{\"all\":{\"at\":\"/n\",\"ge\":1}}", "at \"/all\"",
     "at least one condition"},
    {"not of a list", "{\"not\":[]}", "at \"/not\"", "a condition is"},
    {"no comparison", "{\"at\":\"/n\"}", "at \"\"", "exactly one of eq"},
    {"unknown comparison", "{\"at\":\"/n\",\"above\":1}", "at \"\"", "exactly one of eq"},
    {"two comparisons", "{\"at\":\"/n\",\"ge\":1,\"le\":2}", "at \"\"", "exactly one of eq"},
    {"pointer without a slash", "{\"at\":\"n\",\"ge\":1}", "at \"/at\"", "JSON pointer"},
    {"pointer that is a number", "{\"at\":1,\"ge\":1}", "at \"/at\"", "JSON pointer"},
    {"bad escape", "{\"at\":\"/a~2\",\"ge\":1}", "at \"/at\"", "~0"},
    {"half an escape", "{\"at\":\"/a~\",\"ge\":1}", "at \"/at\"", "~0"},
    {"ge with a text", "{\"at\":\"/level\",\"ge\":\"larger\"}", "at \"/ge\"", "must be a number"},
    {"eq with null", "{\"at\":\"/n\",\"eq\":null}", "at \"/eq\"", "must be a number, a text"},
    {"eq with a list", "{\"at\":\"/n\",\"eq\":[1]}", "at \"/eq\"", "must be a number, a text"},
    {"in without a list", "{\"at\":\"/n\",\"in\":1}", "at \"/in\"", "at least one item"},
    {"in an empty list", "{\"at\":\"/n\",\"in\":[]}", "at \"/in\"", "at least one item"},
    {"in a list with an object", "{\"at\":\"/n\",\"in\":[1,{}]}", "at \"/in/1\"",
     "must be a number"},
    {"exists with a text", "{\"at\":\"/n\",\"exists\":\"yes\"}", "at \"/exists\"", "true or false"},
    {"matches a number", "{\"at\":\"/n\",\"matches\":[\"a\",7]}", "at \"/matches/1\"", "a keyword"},
    {"matches nothing", "{\"at\":\"/n\",\"matches\":[\"\"]}", "at \"/matches/0\"", "a keyword"},
    {"the place leads through all levels",
     "{\"all\":[{\"at\":\"/n\",\"ge\":1},{\"not\":{\"any\":[{\"at\":\"/n\",\"ge\":true}]}}]}",
     "at \"/all/1/not/any/0/ge\"", "must be a number"},
};

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

    assert_ok(predicate_compile(&p, source, &err), &err);
    return p;
}

static void check_eval(void **state)
{
    const struct eval_row *row = *state;
    AUTO(auto_predicate) struct predicate *p = compiled(row->expression);
    AUTO(auto_json) json_t *doc = parse(DOC);

    assert_int_equal(predicate_eval(p, doc, NULL), row->want);
}

static void check_bad(void **state)
{
    const struct bad_row *row = *state;
    AUTO(auto_json) json_t *source = parse(row->expression);
    struct predicate *p = NULL;
    struct err err = {0};

    assert_fails(predicate_compile(&p, source, &err), &err, ERR_CONFIG, row->part);
    assert_contains(err.text, row->place);
    assert_null(p);
}

static void reads_name_pointer_and_value_once(void **state)
{
    AUTO(auto_predicate)
    struct predicate *p = compiled("{\"all\":[{\"at\":\"/n\",\"ge\":1},{\"at\":\"/n\",\"le\":500},"
                                   "{\"at\":\"/absent\",\"ge\":1},{\"at\":\"/b\",\"eq\":true}]}");
    AUTO(auto_json) json_t *doc = parse(DOC);
    struct predicate_reads reads = {0};

    (void)state;
    assert_int_equal(predicate_eval(p, doc, &reads), TRI_UNKNOWN);
    assert_int_equal(reads.n, 3);
    assert_string_equal(reads.reads[0].pointer, "/n");
    assert_int_equal(json_integer_value(reads.reads[0].value), 120);
    assert_string_equal(reads.reads[1].pointer, "/absent");
    assert_null(reads.reads[1].value);
    assert_string_equal(reads.reads[2].pointer, "/b");
}

static json_t *nested_not(int depth)
{
    json_t *inner = parse("{\"at\":\"/n\",\"ge\":1}");

    for (int i = 0; i < depth; i++)
        inner = json_pack("{s:o}", "not", inner);
    return inner;
}

static void depth_is_bounded(void **state)
{
    AUTO(auto_json) json_t *deepest = nested_not(16);
    AUTO(auto_json) json_t *deeper = nested_not(17);
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct predicate *none = NULL;
    struct err err = {0};

    (void)state;
    assert_ok(predicate_compile(&p, deepest, &err), &err);
    assert_fails(predicate_compile(&none, deeper, &err), &err, ERR_CONFIG, "too deep");
}

static void reads_and_nodes_are_bounded(void **state)
{
    AUTO(auto_json) json_t *list = json_array(), *any = NULL;
    AUTO(auto_json) json_t *doc = parse(DOC);
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct predicate_reads reads = {0};
    struct predicate *none = NULL;
    struct err err = {0};

    (void)state;
    for (int i = 0; i < PREDICATE_NODES_MAX - 1; i++) {
        char pointer[24];

        snprintf(pointer, sizeof(pointer), "/absent%d", i % 20);
        json_array_append_new(list, json_pack("{s:s,s:i}", "at", pointer, "ge", i));
    }
    any = json_pack("{s:O}", "any", list);
    assert_ok(predicate_compile(&p, any, &err), &err);
    assert_int_equal(predicate_eval(p, doc, &reads), TRI_UNKNOWN);
    assert_int_equal(reads.n, PREDICATE_READS_MAX); /* of 20 pointers */
    json_array_append_new(list, json_pack("{s:s,s:i}", "at", "/n", "ge", 1));
    assert_fails(predicate_compile(&none, any, &err), &err, ERR_CONFIG, "too large");
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, eval_rows, check_eval);
    TEST_ADD_ROWS(&list, bad_rows, check_bad);
    TEST_ADD(&list, reads_name_pointer_and_value_once);
    TEST_ADD(&list, depth_is_bounded);
    TEST_ADD(&list, reads_and_nodes_are_bounded);
    return test_run("predicate", &list);
}
