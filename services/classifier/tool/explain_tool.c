/* tongbao policy explain: a report's grade, or one that was published. */
#include <string.h>

#include "services/classifier/tool/decide.h"
#include "services/classifier/tool/explain.h"
#include "services/classifier/tool/io.h"
#include "services/classifier/tool/tool.h"

#define REPORT_MAX_BYTES ((size_t)1024 * 1024)
#define GRADE_MAX_BYTES  ((size_t)4 * 1024 * 1024) /* a body and the list of the earlier ones */
#define TEXT_BYTES       ((size_t)8 * 1024 * 1024)

static json_t *regime_names(const struct policy *policy)
{
    json_t *ret = json_object();

    for (size_t i = 0; policy && i < policy->regimes_n; i++)
        (void)json_object_set_new(
            ret, policy->regimes[i].id,
            json_pack("{s:s,s:s}", "zh", policy->regimes[i].zh, "en", policy->regimes[i].en));
    return ret;
}

static bool check_language(const char *language, struct err *err)
{
    return strcmp(language, "zh") == 0 || strcmp(language, "en") == 0 ||
           strcmp(language, "both") == 0 ||
           err_set(err, ERR_CONFIG, "--lang must be zh, en or both; got \"%.40s\"", language);
}

static bool put_explained(const struct explain *what, const char *language, FILE *out,
                          struct err *err)
{
    bool both = strcmp(language, "both") == 0;
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, TEXT_BYTES);
    if (both || strcmp(language, "zh") == 0)
        explain_write(&text, what, EXPLAIN_ZH);
    if (both)
        (void)buf_str(&text, "\n----------------------------------------\n\n");
    if (both || strcmp(language, "en") == 0)
        explain_write(&text, what, EXPLAIN_EN);
    return io_put_text(out, &text, err);
}

bool tool_explain_report(const char *folder, const char *path, const char *language, bool as_json,
                         FILE *out, struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    AUTO(decided_done) struct decided decided = {0};
    AUTO(auto_json) json_t *report = NULL;
    AUTO(auto_json) json_t *answer = NULL;
    AUTO(auto_json) json_t *regimes = NULL;
    AUTO(buf_done) struct buf text = {0};

    if (!check_language(language, err) || !policy_load(&policy, folder, err) ||
        !file_read_any(&text, path, REPORT_MAX_BYTES, err))
        return false;
    if (!json_read_strict(&report, buf_text(&text), text.len, err) ||
        !decide_report(&decided, policy, report, err))
        return err_wrap(err, "%s: not a report%s%s",
                        strcmp(path, "-") == 0 ? "standard input" : path,
                        err && *err->pointer ? ": " : "", err ? err->pointer : "");
    if (as_json) {
        answer = decision_json(&decided.body);
        return io_put_json(out, answer, JSON_INDENT(2), err);
    }
    regimes = regime_names(policy);
    return put_explained(&(struct explain){.body = &decided.body, .regimes = regimes}, language,
                         out, err);
}

bool tool_explain_grade(const char *folder, const char *language, bool as_json, FILE *out,
                        struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(auto_json) json_t *regimes = NULL;
    AUTO(buf_done) struct buf text = {0};
    AUTO(arena_done) struct arena arena;
    struct incident_classified body;

    arena_init(&arena, GRADE_MAX_BYTES * 4);
    if (!check_language(language, err) || !file_read_any(&text, "-", GRADE_MAX_BYTES, err) ||
        !json_read_strict(&doc, buf_text(&text), text.len, err))
        return err_wrap(err, "explain-grade");
    if (as_json)
        return io_put_json(out, doc, JSON_INDENT(2), err);
    if (!shape_decode(&incident_classified_shape, json_object_get(doc, "grade"), false, TIME_EXACT,
                      &body, &arena, err))
        return err_wrap(err, "the grade: %s", err ? err->pointer : "");
    if (!policy_load(&policy, folder, NULL))
        policy = NULL; /* the regimes are shown without their names */
    regimes = regime_names(policy);
    return put_explained(&(struct explain){.body = &body,
                                           .at = json_string_value(json_object_get(doc, "at")),
                                           .regimes = regimes,
                                           .earlier = json_object_get(doc, "earlier")},
                         language, out, err);
}
