/* The cases of deploy/policy/cases: each report must get the category, the levels and the need for a person that the case says. */
#include "tests/support/test.h"

#include <glob.h>
#include <stdio.h>

#include "services/classifier/classify.h"
#include "services/classifier/facts.h"

#define REPORTED_AT INT64_C(1767225600000) /* 2026-01-01 */

static struct policy *policy;

struct row {
    const char *name;
    json_t *doc;
};

static json_t *profile_of(json_t *doc)
{
    json_t *ret = json_pack("{s:s,s:s,s:s,s:i,s:b,s:b}", "code", "X", "name", "某公司", "sector",
                            "manufacturing", "staff", 300, "is_cii", 0, "is_listed", 0);

    json_object_update(ret, json_object_get(doc, "profile"));
    return ret;
}

/* The report of a case is one that intake would take. */
static void read_report(json_t *report, struct report_request *ret, struct arena *arena)
{
    struct err err = {0};

    json_object_set_new(report, "discovered_at", json_string("2026-11-22T03:00:00Z"));
    assert_ok(shape_decode(&report_request_shape, report, true, TIME_ANY_RFC3339, ret, arena, &err),
              &err);
}

static const char *level_of(const struct regime_grade *grade)
{
    return grade->has_level ? level_table.values[grade->level].text : NULL;
}

static void check_text(const char *what, const char *got, json_t *want)
{
    const char *text = json_string_value(want);

    if ((text == NULL) != (got == NULL) || (text && strcmp(text, got) != 0))
        fail_msg("%s is %s, not %s", what, got ? got : "none", text ? text : "none");
}

static void check_regime(const struct incident_classified *body, const char *name, json_t *want)
{
    for (size_t i = 0; i < body->regimes_n; i++)
        if (strcmp(body->regimes[i].regime, name) == 0) {
            check_text(name, level_of(&body->regimes[i]), want);
            return;
        }
    fail_msg("there is no regime %s", name);
}

static void check_grade(const struct incident_classified *body, json_t *expected)
{
    json_t *regimes = json_object_get(expected, "regimes"), *want;
    const char *name;

    check_text("category", category_table.values[body->category].text,
               json_object_get(expected, "category"));
    check_text("gbt20986", gbt20986_table.values[body->gbt20986->name].text,
               json_object_get(expected, "gbt20986"));
    check_text("level", level_table.values[body->level].text, json_object_get(expected, "level"));
    json_object_foreach(regimes, name, want) check_regime(body, name, want);
    if (json_object_get(expected, "sub"))
        check_text("sub", body->gbt20986->sub, json_object_get(expected, "sub"));
    if (json_object_get(expected, "needs_human"))
        assert_int_equal(body->needs_human, json_is_true(json_object_get(expected, "needs_human")));
}

static void check(void **state)
{
    const struct row *row = *state;
    AUTO(auto_json) json_t *profile_doc = profile_of(row->doc);
    AUTO(arena_done) struct arena arena;
    struct report_request report;
    struct profile profile;
    struct facts facts;
    struct classify_input in = {.facts = &facts, .profile = &profile, .reported_at = REPORTED_AT};
    struct incident_classified body = {0};
    struct err err = {0};

    arena_init(&arena, CLASSIFY_ARENA_MAX_BYTES);
    read_report(json_object_get(row->doc, "report"), &report, &arena);
    assert_ok(shape_decode(&profile_shape, profile_doc, true, TIME_EXACT, &profile, &arena, &err),
              &err);
    facts_of_request(&facts, &report);
    in.summary = report.summary;
    classify_read(policy, report.summary, &facts, &in);
    assert_ok(classify(policy, &in, &arena, &body, &err), &err);
    check_grade(&body, json_object_get(row->doc, "expected"));
}

int main(void)
{
    static struct test_list list;
    static struct row rows[TEST_MAX];
    json_t *docs = json_array();
    glob_t files = {0};
    struct err err = {0};
    size_t n = 0;
    int failed;

    if (!policy_load(&policy, "deploy/policy", &err)) {
        print_error("%s\n", err.text);
        return 1;
    }
    glob("deploy/policy/cases/*.json", 0, NULL, &files);
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *doc = json_load_file(files.gl_pathv[f], JSON_REJECT_DUPLICATES, NULL), *item;
        size_t i;

        json_array_append_new(docs, doc);
        json_array_foreach(json_object_get(doc, "cases"), i, item)
        {
            rows[n] = (struct row){json_string_value(json_object_get(item, "name")), item};
            test_add(&list, rows[n].name, check, &rows[n]);
            n++;
        }
    }
    globfree(&files);
    if (n < 50) {
        print_error("only %zu cases\n", n);
        return 1;
    }
    failed = test_run("classifier policy cases", &list);
    json_decref(docs);
    policy_unref(policy);
    return failed;
}
