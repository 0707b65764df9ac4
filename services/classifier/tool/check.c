/* tongbao policy check: what a folder holds, and what loading it does not tell. */
#include <string.h>

#include "proto/policy_file.h"
#include "services/classifier/tool/folder.h"
#include "services/classifier/tool/io.h"
#include "services/classifier/tool/policy_cases.h"
#include "services/classifier/tool/tool.h"

#define TAXONOMY   "gbt-20986" /* what a decision's reasons call the rules of taxonomy.json */
#define NAME_BYTES 700         /* of a regime and a rule */
#define TEXT_BYTES ((size_t)4 * 1024 * 1024)

/* --- rules that no case shows --- */

/* "regime/rule": what stands among the reasons of a decision. */
static bool note_shown(json_t *shown, const struct incident_classified *body)
{
    char name[NAME_BYTES];

    for (size_t i = 0; i < body->reasons_n; i++) {
        (void)snprintf(name, sizeof(name), "%s/%s", body->reasons[i].regime, body->reasons[i].rule);
        if (json_object_set_new(shown, name, json_true()))
            return false;
    }
    return true;
}

static bool run_cases(const struct policy *policy, const struct policy_cases *cases, json_t *shown,
                      size_t *ret_failed, struct err *err)
{
    for (size_t i = 0; i < cases->n; i++) {
        AUTO(decided_done) struct decided decided = {0};
        AUTO(auto_json) json_t *wrong = NULL;

        if (!policy_case_run(policy, &cases->all[i], &decided, &wrong, err))
            return false;
        *ret_failed += json_array_size(wrong) > 0;
        if (!note_shown(shown, &decided.body))
            return err_memory(err);
    }
    return true;
}

static void add_unshown(json_t *ret, const json_t *shown, const char *regime, const json_t *rule)
{
    const char *id = json_string_value(json_object_get(rule, "id"));
    char name[NAME_BYTES];

    if (!id)
        return;
    (void)snprintf(name, sizeof(name), "%s/%s", regime, id);
    if (!json_object_get(shown, name))
        (void)json_array_append_new(ret, json_string(name));
}

/* --- the answer --- */

static void add_file(json_t *ret, const json_t *shown, const char *regime, const json_t *doc)
{
    const json_t *rules = json_object_get(doc, "rules");
    json_t *unshown = json_object_get(ret, "unshown");

    for (size_t i = 0; i < json_array_size(rules); i++)
        add_unshown(unshown, shown, regime, json_array_get(rules, i));
    add_unshown(unshown, shown, regime, json_object_get(doc, "otherwise"));
}

static void add_rules(json_t *ret, const json_t *docs, const json_t *shown)
{
    const char *file, *id;
    json_t *doc;

    json_object_foreach((json_t *)(uintptr_t)docs, file, doc)
    {
        if (strncmp(file, "regimes/", strlen("regimes/")) != 0)
            continue;
        id = json_string_value(json_object_get(doc, "id"));
        (void)json_array_append_new(
            json_object_get(ret, "regimes"),
            json_pack("{s:s,s:O,s:O,s:I}", "id", id, "zh", json_object_get(doc, "zh"), "en",
                      json_object_get(doc, "en"), "rules",
                      (json_int_t)json_array_size(json_object_get(doc, "rules"))));
        add_file(ret, shown, id, doc);
    }
    add_file(ret, shown, TAXONOMY, json_object_get(docs, "taxonomy.json"));
}

static json_int_t count(const json_t *docs, const char *file, const char *member)
{
    const json_t *list = json_object_get(json_object_get(docs, file), member);

    return (json_int_t)(json_is_array(list) ? json_array_size(list) : json_object_size(list));
}

static bool make_answer(const struct policy *policy, const char *folder, json_t **ret,
                        struct err *err)
{
    AUTO(auto_json) json_t *docs = json_object();
    AUTO(auto_json) json_t *shown = json_object();
    AUTO(policy_cases_done) struct policy_cases cases = {0};
    size_t failed = 0;

    if (!docs || !shown)
        return err_memory(err);
    if (!folder_read(docs, folder, "", POLICY_FILE_MAX_BYTES, err) ||
        !folder_read(docs, folder, "regimes", POLICY_FILE_MAX_BYTES, err) ||
        !policy_cases_load(&cases, policy, folder, err) ||
        !run_cases(policy, &cases, shown, &failed, err))
        return false;
    *ret = json_pack(
        "{s:s,s:s,s:[],s:I,s:I,s:I,s:I,s:I,s:I,s:[]}", "folder", folder, "version", policy->version,
        "regimes", "category_rules", count(docs, "taxonomy.json", "rules"), "word_lists",
        count(docs, "words.json", "lists") + count(docs, "words.json", "together"), "figures",
        count(docs, "figures.json", "figures"), "cases", (json_int_t)cases.n, "case_files",
        (json_int_t)cases.files_n, "cases_failed", (json_int_t)failed, "unshown");
    if (!*ret)
        return err_memory(err);
    add_rules(*ret, docs, shown);
    return true;
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static long long number_at(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

static void write_warnings(struct buf *out, const json_t *answer)
{
    const json_t *unshown = json_object_get(answer, "unshown");

    if (number_at(answer, "cases") == 0) {
        (void)buf_str(out, "\nwarning: without cases nothing shows that it decides as it should\n");
        return;
    }
    if (json_array_size(unshown) > 0)
        (void)buf_printf(out, "\nwarning: no case has these %zu rules among its reasons:\n",
                         json_array_size(unshown));
    for (size_t i = 0; i < json_array_size(unshown); i++)
        (void)buf_printf(out, "  %s\n", json_string_value(json_array_get(unshown, i)));
}

static void write_answer(struct buf *out, const json_t *answer)
{
    const json_t *regimes = json_object_get(answer, "regimes");
    long long failed = number_at(answer, "cases_failed");

    (void)buf_printf(out, "%s: good\n\nversion     %s\n", text_at(answer, "folder"),
                     text_at(answer, "version"));
    for (size_t i = 0; i < json_array_size(regimes); i++) {
        const json_t *regime = json_array_get(regimes, i);

        (void)buf_printf(out, "%s%s: %lld rules, %s / %s\n",
                         i == 0 ? "regimes     " : "            ", text_at(regime, "id"),
                         number_at(regime, "rules"), text_at(regime, "zh"), text_at(regime, "en"));
    }
    (void)buf_printf(out, "categories  %lld rules\nlists       %lld of words, %lld figures\n",
                     number_at(answer, "category_rules"), number_at(answer, "word_lists"),
                     number_at(answer, "figures"));
    (void)buf_printf(out, "cases       %lld in %lld files", number_at(answer, "cases"),
                     number_at(answer, "case_files"));
    if (failed > 0)
        (void)buf_printf(out, "; %lld fail: `tongbao policy test` shows them", failed);
    (void)buf_char(out, '\n');
    write_warnings(out, answer);
}

bool tool_check(const char *folder, bool as_json, FILE *out, struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    AUTO(auto_json) json_t *answer = NULL;
    AUTO(buf_done) struct buf text = {0};

    if (!policy_load(&policy, folder, err) || !make_answer(policy, folder, &answer, err))
        return false;
    if (as_json)
        return io_put_json(out, answer, JSON_INDENT(2), err);
    buf_init(&text, TEXT_BYTES);
    write_answer(&text, answer);
    return io_put_text(out, &text, err);
}
