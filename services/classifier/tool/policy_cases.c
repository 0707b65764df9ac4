#include "services/classifier/tool/policy_cases.h"

#include <stdio.h>
#include <string.h>

#include "services/classifier/tool/folder.h"

/* Of an enterprise that a case says nothing about. */
#define USUAL_PROFILE                                                                              \
    "{\"code\": \"X\", \"name\": \"某公司\", \"sector\": \"manufacturing\", \"staff\": 300, "   \
    "\"is_cii\": false, \"is_listed\": false}"

void policy_cases_done(struct policy_cases *cases)
{
    free(cases->all);
    json_decref(cases->docs);
    *cases = (struct policy_cases){0};
}

/* --- are they well formed? --- */

static bool check_members(const json_t *object, const char *const *names, size_t n, struct err *err)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return err_set(err, ERR_CONFIG, "must be an object");
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        size_t i = 0;

        while (i < n && strcmp(names[i], name) != 0)
            i++;
        if (i == n)
            return err_set(err, ERR_CONFIG, "/%s: no such member here", name);
    }
    return true;
}

static bool check_value(const json_t *object, const char *name, const struct enum_table *table,
                        bool may_be_null, struct err *err)
{
    const json_t *value = json_object_get(object, name);
    AUTO(buf_done) struct buf legal = {0};
    int found;

    if ((may_be_null && json_is_null(value)) ||
        (json_is_string(value) && enum_parse(table, json_string_value(value), &found)))
        return true;
    buf_init(&legal, 400);
    for (size_t i = 0; i < table->n; i++)
        (void)buf_printf(&legal, "%s%s", i > 0 ? ", " : "", table->values[i].text);
    return err_set(err, ERR_CONFIG, "/%s: must be one of %s%s", name, buf_text(&legal),
                   may_be_null ? ", or null: it cannot be told" : "");
}

static bool has_regime(const struct policy *policy, const char *id)
{
    for (size_t i = 0; i < policy->regimes_n; i++)
        if (strcmp(policy->regimes[i].id, id) == 0)
            return true;
    return false;
}

static bool check_regimes(const struct policy *policy, json_t *regimes, struct err *err)
{
    const char *name;
    json_t *value;

    if (regimes && !json_is_object(regimes))
        return err_set(err, ERR_CONFIG, "must be an object");
    json_object_foreach(regimes, name, value)
    {
        if (!has_regime(policy, name))
            return err_set(err, ERR_CONFIG, "/%s: the policy has no such regime", name);
        if (!check_value(regimes, name, &level_table, true, err))
            return false;
    }
    return true;
}

static bool check_reportable(const struct policy *policy, json_t *reportable, struct err *err)
{
    const char *name;
    json_t *value;

    if (reportable && !json_is_object(reportable))
        return err_set(err, ERR_CONFIG, "must be an object");
    json_object_foreach(reportable, name, value)
    {
        if (!has_regime(policy, name))
            return err_set(err, ERR_CONFIG, "/%s: the policy has no such regime", name);
        if (!json_is_boolean(value) && !json_is_null(value))
            return err_set(err, ERR_CONFIG, "/%s: must be true, false, or null: it cannot be told",
                           name);
    }
    return true;
}

static bool check_expected(const struct policy *policy, const json_t *expected, struct err *err)
{
    static const char *const members[] = {"category", "gbt20986",   "sub",        "level",
                                          "regimes",  "reportable", "needs_human"};
    const json_t *sub = json_object_get(expected, "sub");
    const json_t *needs_human = json_object_get(expected, "needs_human");

    if (!check_members(expected, members, ARRAY_LEN(members), err) ||
        !check_value(expected, "category", &category_table, false, err) ||
        !check_value(expected, "gbt20986", &gbt20986_table, false, err) ||
        !check_value(expected, "level", &level_table, false, err))
        return false;
    if (sub && !json_is_string(sub))
        return err_set(err, ERR_CONFIG, "/sub: must be a text");
    if (needs_human && !json_is_boolean(needs_human))
        return err_set(err, ERR_CONFIG, "/needs_human: must be true or false");
    if (!check_regimes(policy, json_object_get(expected, "regimes"), err))
        return err_wrap(err, "/regimes");
    return check_reportable(policy, json_object_get(expected, "reportable"), err) ||
           err_wrap(err, "/reportable");
}

static bool check_case(const struct policy *policy, const json_t *doc, struct err *err)
{
    static const char *const members[] = {"name", "report", "profile", "expected"};

    if (!check_members(doc, members, ARRAY_LEN(members), err))
        return false;
    if (json_string_length(json_object_get(doc, "name")) == 0)
        return err_set(err, ERR_CONFIG, "/name: must be a text");
    if (!json_is_object(json_object_get(doc, "report")))
        return err_set(err, ERR_CONFIG, "/report: must be an object");
    if (json_object_get(doc, "profile") && !json_is_object(json_object_get(doc, "profile")))
        return err_set(err, ERR_CONFIG, "/profile: must be an object");
    return check_expected(policy, json_object_get(doc, "expected"), err) ||
           err_wrap(err, "/expected");
}

/* --- loading --- */

static bool add_cases(struct policy_cases *ret, const struct policy *policy, const char *file,
                      const json_t *doc, struct err *err)
{
    static const char *const members[] = {"cases"};
    const json_t *list = json_object_get(doc, "cases");
    size_t more = json_array_size(list);
    struct policy_case *all;

    if (!check_members(doc, members, ARRAY_LEN(members), err))
        return false;
    if (more == 0 || ret->n + more > POLICY_CASES_MAX)
        return err_set(err, ERR_CONFIG,
                       "/cases: must be a list with a case; all files together at most %zu",
                       POLICY_CASES_MAX);
    all = reallocarray(ret->all, ret->n + more, sizeof(*all));
    if (!all)
        return err_memory(err);
    ret->all = all;
    for (size_t i = 0; i < more; i++) {
        const json_t *item = json_array_get(list, i);

        if (!check_case(policy, item, err))
            return err_wrap(err, "/cases/%zu", i);
        ret->all[ret->n++] =
            (struct policy_case){.file = file,
                                 .name = json_string_value(json_object_get(item, "name")),
                                 .report = json_object_get(item, "report"),
                                 .profile = json_object_get(item, "profile"),
                                 .expected = json_object_get(item, "expected")};
    }
    return true;
}

bool policy_cases_load(struct policy_cases *ret, const struct policy *policy, const char *folder,
                       struct err *err)
{
    const char *file;
    json_t *doc;

    *ret = (struct policy_cases){.docs = json_object()};
    if (!ret->docs)
        return err_memory(err);
    if (!folder_read(ret->docs, folder, "cases", POLICY_CASE_FILE_MAX_BYTES, err))
        return false;
    json_object_foreach(ret->docs, file, doc)
    {
        if (!add_cases(ret, policy, file, doc, err))
            return err_wrap(err, "%s/%s", folder, file);
        ret->files_n++;
    }
    return true;
}

/* --- comparing --- */

static void note(json_t *wrong, const char *what, json_t *expected, json_t *got)
{
    (void)json_array_append_new(
        wrong, json_pack("{s:s,s:O,s:o}", "what", what, "expected", expected, "got", got));
}

/* A member that is not expected is not compared; null expects that there is none. */
static void compare_text(json_t *wrong, const char *what, json_t *expected, const char *got)
{
    const char *text = json_string_value(expected);

    if (expected && ((text == NULL) != (got == NULL) || (text && strcmp(text, got) != 0)))
        note(wrong, what, expected, got ? json_string(got) : json_null());
}

/* NULL: it does not apply. */
static const struct regime_grade *grade_by(const struct incident_classified *body,
                                           const char *regime)
{
    for (size_t i = 0; i < body->regimes_n; i++)
        if (strcmp(body->regimes[i].regime, regime) == 0)
            return &body->regimes[i];
    return NULL;
}

static void compare_regime(json_t *wrong, const char *regime, json_t *level,
                           const struct regime_grade *grade)
{
    compare_text(wrong, regime, level,
                 grade && grade->has_level ? enum_text(&level_table, (int)grade->level) : NULL);
}

static void compare_reportable(json_t *wrong, const char *regime, json_t *expected,
                               const struct regime_grade *grade)
{
    json_t *got = grade && grade->has_reportable ? json_boolean(grade->reportable) : json_null();

    if (json_equal(got, expected))
        json_decref(got);
    else
        note(wrong, regime, expected, got);
}

static json_t *compare(const struct incident_classified *body, const json_t *expected)
{
    json_t *wrong = json_array(), *human = json_object_get(expected, "needs_human"), *want;
    const char *regime;

    if (!wrong)
        return NULL;
    compare_text(wrong, "category", json_object_get(expected, "category"),
                 enum_text(&category_table, (int)body->category));
    compare_text(wrong, "gbt20986", json_object_get(expected, "gbt20986"),
                 enum_text(&gbt20986_table, (int)body->gbt20986->name));
    compare_text(wrong, "sub", json_object_get(expected, "sub"), body->gbt20986->sub);
    compare_text(wrong, "level", json_object_get(expected, "level"),
                 enum_text(&level_table, (int)body->level));
    json_object_foreach(json_object_get(expected, "regimes"), regime, want)
        compare_regime(wrong, regime, want, grade_by(body, regime));
    json_object_foreach(json_object_get(expected, "reportable"), regime, want)
        compare_reportable(wrong, regime, want, grade_by(body, regime));
    if (human && json_is_true(human) != body->needs_human)
        note(wrong, "needs_human", human, json_boolean(body->needs_human));
    return wrong;
}

bool policy_case_run(const struct policy *policy, const struct policy_case *one,
                     struct decided *ret, json_t **ret_wrong, struct err *err)
{
    AUTO(auto_json) json_t *report = json_deep_copy(one->report);
    AUTO(auto_json) json_t *profile = json_loads(USUAL_PROFILE, 0, NULL);

    *ret = (struct decided){0};
    if (!report || !profile || (one->profile && json_object_update(profile, one->profile)) ||
        json_object_set(report, "profile", profile))
        return err_memory(err);
    if (!decide_report(ret, policy, report, err)) {
        char at[sizeof(err->pointer)] = "";

        if (err && err->kind == ERR_INPUT) { /* the sender is the policy's author */
            (void)snprintf(at, sizeof(at), "%s", err->pointer);
            err->kind = ERR_CONFIG;
        }
        return err_wrap(err, "%s: \"%.60s\": /report%s", one->file, one->name, at);
    }
    *ret_wrong = compare(&ret->body, one->expected);
    return *ret_wrong || err_memory(err);
}

static void put_value(struct buf *out, const json_t *value)
{
    if (json_is_string(value))
        (void)buf_str(out, json_string_value(value));
    else
        (void)buf_str(out, json_is_null(value) ? "none" : json_is_true(value) ? "true" : "false");
}

void policy_case_text(struct buf *out, const json_t *wrong)
{
    for (size_t i = 0; i < json_array_size(wrong); i++) {
        const json_t *item = json_array_get(wrong, i);

        (void)buf_printf(out, "%s%s: ", i > 0 ? "; " : "",
                         json_string_value(json_object_get(item, "what")));
        put_value(out, json_object_get(item, "expected"));
        (void)buf_str(out, " expected, ");
        put_value(out, json_object_get(item, "got"));
        (void)buf_str(out, " came");
    }
}
