/* tongbao policy test: the cases of a folder, graded and compared. */
#include "services/classifier/tool/io.h"
#include "services/classifier/tool/policy_cases.h"
#include "services/classifier/tool/tool.h"

#define LINE_BYTES ((size_t)64 * 1024)

static json_t *rules_of(const struct incident_classified *body)
{
    json_t *ret = json_array();

    for (size_t i = 0; i < body->reasons_n; i++)
        (void)json_array_append_new(ret, json_string(body->reasons[i].rule));
    return ret;
}

static bool put_failure(FILE *out, const json_t *failure, struct err *err)
{
    const json_t *rules = json_object_get(failure, "rules");
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, LINE_BYTES);
    (void)buf_printf(&text, "%s: %s: ", json_string_value(json_object_get(failure, "file")),
                     json_string_value(json_object_get(failure, "name")));
    policy_case_text(&text, json_object_get(failure, "wrong"));
    (void)buf_str(&text, "; by");
    for (size_t i = 0; i < json_array_size(rules); i++)
        (void)buf_printf(&text, "%s %s", i > 0 ? "," : "",
                         json_string_value(json_array_get(rules, i)));
    (void)buf_char(&text, '\n');
    return io_put_text(out, &text, err);
}

/* Adds what is wrong with one case to the list; prints it at once unless JSON is wanted at the end. */
static bool run_case(const struct policy *policy, const struct policy_case *one, json_t *failures,
                     bool as_json, FILE *out, struct err *err)
{
    AUTO(decided_done) struct decided decided = {0};
    AUTO(auto_json) json_t *wrong = NULL;
    json_t *failure;

    if (!policy_case_run(policy, one, &decided, &wrong, err))
        return false;
    if (json_array_size(wrong) == 0)
        return true;
    failure = json_pack("{s:s,s:s,s:O,s:o}", "file", one->file, "name", one->name, "wrong", wrong,
                        "rules", rules_of(&decided.body));
    if (!failure || json_array_append_new(failures, failure))
        return err_memory(err);
    return as_json || put_failure(out, failure, err);
}

bool tool_test(const char *folder, bool as_json, FILE *out, struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    AUTO(policy_cases_done) struct policy_cases cases = {0};
    AUTO(auto_json) json_t *failures = json_array();
    AUTO(auto_json) json_t *answer = NULL;
    AUTO(buf_done) struct buf text = {0};
    size_t failed;

    if (!policy_load(&policy, folder, err) || !policy_cases_load(&cases, policy, folder, err))
        return false;
    if (cases.n == 0)
        return err_set(err, ERR_CONFIG,
                       "%s/cases: no cases: nothing was tested (services/classifier/README.md "
                       "says what a case is)",
                       folder);
    for (size_t i = 0; i < cases.n; i++)
        if (!run_case(policy, &cases.all[i], failures, as_json, out, err))
            return false;
    failed = json_array_size(failures);
    answer = json_pack("{s:I,s:I,s:O}", "passed", (json_int_t)(cases.n - failed), "failed",
                       (json_int_t)failed, "failures", failures);
    buf_init(&text, LINE_BYTES);
    (void)buf_printf(&text, "%zu passed, %zu failed\n", cases.n - failed, failed);
    if (as_json ? !io_put_json(out, answer, JSON_INDENT(2), err) : !io_put_text(out, &text, err))
        return false;
    return failed == 0 ||
           err_set(err, ERR_INPUT, "%zu of %zu cases are not as expected", failed, cases.n);
}
