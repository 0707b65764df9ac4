/* predicate_set: predicates answer in a set what they answer alone, and miss the same, whatever the input has; and in a set of more parts than have numbers. */
#include "tests/support/test.h"

#include <stdio.h>

#include "proto/event.h"
#include "proto/predicate_set.h"

#include "proto/shape_members.h"
#include "tests/unit/predicate_view.def"

#include "proto/shape_rows.h"
#include "tests/unit/predicate_view.def"

enum { PREDICATES = 60, SETS = 30, INPUTS = 60, DEPTH = 3, NAMES = 8 };

static uint32_t seed = 20251101;

static unsigned below(unsigned n)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % n;
}

/* --- what they look at --- */

static bool find(void *ctx, const char *name, size_t *ret)
{
    (void)ctx;
    *ret = (size_t)(name[0] - 'a');
    return *ret < NAMES;
}

static const struct predicate_names names[] = {
    {.source = PREDICATE_FOUND, .root = "/words/", .end = "", .help = "the test", .find = find},
    {.source = PREDICATE_FOUND,
     .root = "/dear/",
     .end = "",
     .help = "the test",
     .is_dear = true,
     .find = find},
    {.source = PREDICATE_RANGE, .root = "/said/", .end = "", .help = "the test", .find = find},
    {.source = PREDICATE_ENUM,
     .root = "/regimes/",
     .end = "/level",
     .help = "the test",
     .values = &level_table,
     .find = find},
};
static const struct predicate_view view = {
    .shape = &outer_shape, .names = names, .names_n = ARRAY_LEN(names), .unasked = "/absent/"};

/* Of each name: bit 0, found; 1, said; 2, graded. */
struct known {
    unsigned of[NAMES];
    size_t asked_n;
};

static bool is_found(const void *ctx, size_t id)
{
    ((struct known *)(uintptr_t)ctx)->asked_n++;
    return ((const struct known *)ctx)->of[id] & 1;
}

static bool is_said(const void *ctx, size_t id, double *ret_least, double *ret_most)
{
    *ret_least = (double)id;
    *ret_most = 2.0 * (double)id;
    return ((const struct known *)ctx)->of[id] & 2;
}

static bool level_of(const void *ctx, size_t id, int *ret)
{
    *ret = (int)(id % 4);
    return ((const struct known *)ctx)->of[id] & 4;
}

/* --- any of them --- */

static json_t *any_comparison(void)
{
    static const char *const texts[] = {
        "{'at':'/n','ge':5}",
        "{'at':'/n','exists':false}",
        "{'at':'/t','eq':'a'}",
        "{'at':'/t','regex':'^a'}",
        "{'at':'/b','eq':true}",
        "{'at':'/level','in':['major','extreme']}",
        "{'at':'/list','ne':'major'}",
        "{'at':'/ints','lt':7}",
        "{'at':'/o/is_cii','eq':true}",
        "{'at':'/o/outage_minutes','ge':'2 h'}",
        "{'at':'/absent/is_cii','eq':true}",
        "{'at':'/regimes/b/level','in':['major']}",
        "{'at':'/regimes/c/level','exists':true}",
    };
    static const char *const of_names[] = {"words", "dear"};
    json_t *ret;
    char at[32];

    if (below(2)) {
        snprintf(at, sizeof(at), "/%s/%c", of_names[below(2)], (int)('a' + below(NAMES)));
        return json_pack("{s:s,s:b}", "at", at, "exists", below(2));
    }
    if (below(4) == 0) {
        snprintf(at, sizeof(at), "/said/%c", (int)('a' + below(NAMES)));
        return json_pack("{s:s,s:i}", "at", at, below(2) ? "ge" : "lt", (int)below(12));
    }
    {
        char *text = strdup(texts[below(ARRAY_LEN(texts))]);

        for (char *c = text; *c; c++)
            if (*c == '\'')
                *c = '"';
        ret = json_loads(text, 0, NULL);
        free(text);
    }
    assert_non_null(ret);
    return ret;
}

static json_t *any_condition(int depth)
{
    json_t *of;

    if (depth == 0 || below(4) == 0)
        return any_comparison();
    if (below(5) == 0)
        return json_pack("{s:o}", "not", any_condition(depth - 1));
    of = json_array();
    for (unsigned n = 1 + below(3); n > 0; n--)
        json_array_append_new(of, any_condition(depth - 1));
    return json_pack("{s:o}", below(2) ? "all" : "any", of);
}

static void compile_any(struct predicate **ret, struct predicate_set *set)
{
    AUTO(auto_json) json_t *condition = any_condition(DEPTH);
    struct err err = {0};

    assert_ok(predicate_compile(ret, &view, condition, &err), &err);
    assert_ok(predicate_set_add(set, *ret, &err), &err);
}

static void fill_any(struct outer *body, struct inner *inner, struct known *known)
{
    static enum level levels[] = {LEVEL_MAJOR, LEVEL_LARGER};
    static int64_t ints[] = {3, 9};

    *body = (struct outer){.list = levels, .list_n = below(3), .ints = ints, .ints_n = below(3)};
    *inner = (struct inner){0};
    *known = (struct known){0};
    body->t = below(2) ? (below(2) ? "a" : "b") : NULL;
    body->o = below(2) ? inner : NULL;
    if (below(2))
        SHAPE_SET(body, n, below(10));
    if (below(2))
        SHAPE_SET(body, b, below(2));
    if (below(2))
        SHAPE_SET(body, level, (enum level)below(4));
    if (below(2))
        SHAPE_SET(inner, is_cii, below(2));
    if (below(2))
        SHAPE_SET(inner, outage_minutes, below(300));
    for (size_t i = 0; i < NAMES; i++)
        known->of[i] = below(3) ? 0 : below(8);
}

/* --- tests --- */

static void check_input(struct predicate *const *predicates, const struct predicate_set *set)
{
    struct predicate_answers answers;
    struct outer body;
    struct inner inner;
    struct known known;
    struct predicate_input alone, together;
    const char *asked[PREDICATES];

    fill_any(&body, &inner, &known);
    alone = (struct predicate_input){
        .body = &body, .ctx = &known, .found = is_found, .range = is_said, .value = level_of};
    together = alone;
    predicate_set_begin(set, &together, &answers);
    for (size_t i = 0; i < PREDICATES; i++) {
        const char *missed = predicate_misses(predicates[i], &alone),
                   *of_set = predicate_misses(predicates[i], &together);

        assert_int_equal(predicate_eval(predicates[i], &together, NULL),
                         predicate_eval(predicates[i], &alone, NULL));
        assert_string_equal(of_set ? of_set : "none", missed ? missed : "none");
        for (size_t other = 0; of_set && other < i; other++)
            if (asked[other] && strcmp(asked[other], of_set) == 0)
                assert_ptr_equal(asked[other], of_set);
        asked[i] = of_set;
        assert_true(!missed || strncmp(missed, "/absent/", 8) != 0);
    }
}

static void they_answer_together_as_alone(void **state)
{
    (void)state;
    for (int s = 0; s < SETS; s++) {
        struct predicate *predicates[PREDICATES];
        struct predicate_set *set;
        struct err err = {0};

        assert_ok(predicate_set_new(&set, &err), &err);
        for (size_t i = 0; i < PREDICATES; i++)
            compile_any(&predicates[i], set);
        assert_ok(predicate_set_close(set, &err), &err);
        for (int i = 0; i < INPUTS; i++)
            check_input(predicates, set);
        predicate_set_free(set);
        for (size_t i = 0; i < PREDICATES; i++)
            predicate_free(predicates[i]);
    }
}

/* Three thousand different parts: the last have no numbers, and are answered all the same. */
static void parts_beyond_the_bound_are_asked_each_time(void **state)
{
    struct predicate *predicates[3] = {0};
    struct predicate_set *set;
    struct predicate_answers answers;
    struct outer body = {0};
    struct predicate_input in = {.body = &body};
    struct err err = {0};

    (void)state;
    SHAPE_SET(&body, n, 999);
    assert_ok(predicate_set_new(&set, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(predicates); i++) {
        AUTO(auto_json) json_t *condition = json_pack("{s:[]}", "any");

        for (size_t n = 0; n < 1000; n++)
            json_array_append_new(json_object_get(condition, "any"),
                                  json_pack("{s:s,s:f}", "at", "/n", "eq",
                                            (double)n - 1000 * (double)(i % 2) + (double)i / 8));
        assert_ok(predicate_compile(&predicates[i], &view, condition, &err), &err);
        assert_ok(predicate_set_add(set, predicates[i], &err), &err);
    }
    assert_ok(predicate_set_close(set, &err), &err);
    predicate_set_begin(set, &in, &answers);
    assert_int_equal(predicate_eval(predicates[0], &in, NULL), TRI_TRUE);
    assert_int_equal(predicate_eval(predicates[1], &in, NULL), TRI_FALSE);
    assert_int_equal(predicate_eval(predicates[2], &in, NULL), TRI_FALSE);
    SHAPE_SET(&body, n, 0);
    body.has_n = false;
    predicate_set_begin(set, &in, &answers);
    for (size_t i = 0; i < ARRAY_LEN(predicates); i++) {
        assert_int_equal(predicate_eval(predicates[i], &in, NULL), TRI_UNKNOWN);
        assert_string_equal(predicate_misses(predicates[i], &in), "/n");
        predicate_free(predicates[i]);
    }
    predicate_set_free(set);
}

/* Whoever asks the dear ones first pays; who needs none pays nothing. */
static void what_is_dear_is_looked_at_only_when_an_answer_needs_it(void **state)
{
    AUTO(auto_json)
    json_t *condition = json_pack("{s:[{s:s,s:b},{s:s,s:b}]}", "any", "at", "/b", "exists", 1, "at",
                                  "/dear/a", "exists", 1);
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct predicate_set *set;
    struct predicate_answers answers;
    struct known known = {.of = {1}};
    struct outer body = {0};
    struct predicate_input in = {.body = &body, .ctx = &known, .found = is_found};
    struct err err = {0};

    (void)state;
    assert_ok(predicate_compile(&p, &view, condition, &err), &err);
    assert_ok(predicate_set_new(&set, &err), &err);
    assert_ok(predicate_set_add(set, p, &err), &err);
    assert_ok(predicate_set_close(set, &err), &err);
    SHAPE_SET(&body, b, false);
    predicate_set_begin(set, &in, &answers);
    assert_int_equal(predicate_eval(p, &in, NULL), TRI_TRUE);
    assert_int_equal(known.asked_n, 0);
    body.has_b = false;
    predicate_set_begin(set, &in, &answers);
    assert_int_equal(known.asked_n, 0);
    assert_int_equal(predicate_eval(p, &in, NULL), TRI_TRUE);
    assert_int_equal(predicate_eval(p, &in, NULL), TRI_TRUE);
    assert_int_equal(known.asked_n, 1);
    predicate_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_answer_together_as_alone),
        cmocka_unit_test(parts_beyond_the_bound_are_asked_each_time),
        cmocka_unit_test(what_is_dear_is_looked_at_only_when_an_answer_needs_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
