/* The cases of deploy/policy/cases: each report must get the category, the levels and the need for a person that the case says. */
#include "tests/support/test.h"

#include "services/classifier/tool/policy_cases.h"

#define CASES_LEAST 150

static struct policy *policy;
static struct policy_cases cases;

static void check(void **state)
{
    const struct policy_case *one = *state;
    AUTO(decided_done) struct decided decided = {0};
    AUTO(auto_json) json_t *wrong = NULL;
    AUTO(buf_done) struct buf text = {0};
    struct err err = {0};

    assert_ok(policy_case_run(policy, one, &decided, &wrong, &err), &err);
    buf_init(&text, 4096);
    policy_case_text(&text, wrong);
    if (json_array_size(wrong) > 0)
        fail_msg("%s: %s", one->file, buf_text(&text));
}

/* A comparison that finds nothing would let every case pass. */
static void each_expectation_is_compared(void **state)
{
    static const char other[] =
        "{\"category\": \"malware\", \"gbt20986\": \"facility_failure\", \"sub\": \"没有\", "
        "\"level\": \"extreme\", \"regimes\": {\"cac-2025\": \"extreme\", "
        "\"park-lingang\": null}, \"needs_human\": false}";
    AUTO(auto_json) json_t *report = json_pack("{s:s}", "summary", "今天网络有点慢。");
    AUTO(auto_json) json_t *expected = json_loads(other, 0, NULL);
    struct policy_case one = {.file = "f", .name = "n", .report = report, .expected = expected};
    AUTO(decided_done) struct decided decided = {0};
    AUTO(auto_json) json_t *wrong = NULL;
    AUTO(buf_done) struct buf text = {0};
    struct err err = {0};

    (void)state;
    assert_ok(policy_case_run(policy, &one, &decided, &wrong, &err), &err);
    assert_int_equal(json_array_size(wrong), 7);
    buf_init(&text, 4096);
    policy_case_text(&text, wrong);
    assert_string_equal(
        buf_text(&text),
        "category: malware expected, intrusion came; gbt20986: facility_failure expected, other "
        "came; sub: 没有 expected, none came; "
        "level: extreme expected, general came; cac-2025: extreme expected, none came; "
        "park-lingang: none expected, general came; needs_human: false expected, true came");
}

static void a_report_that_intake_refuses_is_named(void **state)
{
    AUTO(auto_json) json_t *report = json_pack("{s:s,s:{}}", "summary", "x", "impakt");
    AUTO(auto_json) json_t *expected = json_object();
    struct policy_case one = {
        .file = "cases/f.json", .name = "n", .report = report, .expected = expected};
    AUTO(decided_done) struct decided decided = {0};
    AUTO(auto_json) json_t *wrong = NULL;
    struct err err = {0};

    (void)state;
    assert_false(policy_case_run(policy, &one, &decided, &wrong, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "cases/f.json: \"n\": /report/impakt"));
}

int main(void)
{
    static struct test_list list;
    struct err err = {0};
    int failed;

    if (!policy_load(&policy, "deploy/policy", &err) ||
        !policy_cases_load(&cases, policy, "deploy/policy", &err)) {
        print_error("%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < cases.n; i++)
        test_add(&list, cases.all[i].name, check, &cases.all[i]);
    TEST_ADD(&list, each_expectation_is_compared);
    TEST_ADD(&list, a_report_that_intake_refuses_is_named);
    if (cases.n < CASES_LEAST) {
        print_error("only %zu cases\n", cases.n);
        return 1;
    }
    failed = test_run("classifier policy cases", &list);
    policy_cases_done(&cases);
    policy_unref(policy);
    return failed;
}
