#include "services/classifier/policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/hash.h"
#include "proto/policy_docs.h"
#include "proto/policy_file.h"

#include "proto/shape_rows.h"
#include "services/classifier/view.def"

#define NAME_BYTES 272 /* of a file, with its folder */
#define CHECK_STEPS_MAX                                                                            \
    ((size_t)20 * 1000 *                                                                           \
     1000) /* some tenths of a second; the deployed policy takes a fiftieth of them */
#define ARENA_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define DAY_MS          (INT64_C(24) * 3600 * 1000)

struct policy *policy_ref(struct policy *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

static void rule_done(struct rule *rule)
{
    predicate_free(rule->when);
    free(rule->missing_zh);
    free(rule->missing_en);
}

static void regime_done(struct regime *regime)
{
    for (size_t i = 0; i < regime->rules_n; i++)
        rule_done(&regime->rules[i]);
    free(regime->rules);
    rule_done(&regime->otherwise);
    predicate_free(regime->applies);
}

void policy_unref(struct policy *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    for (size_t i = 0; i < p->choices_n; i++)
        predicate_free(p->choices[i].when);
    free(p->choices);
    for (size_t i = 0; i < p->regimes_n; i++)
        regime_done(&p->regimes[i]);
    predicate_free(p->hint);
    correlation_free(p->correlation);
    text_model_free(p->model);
    figures_free(p->figures);
    words_free(p->words);
    json_decref(p->docs);
    predicate_set_free(p->conditions);
    arena_done(&p->arena);
    free(p);
}

/* --- conditions --- */

/* What `when` may name by "is": first each by itself, so that an error has its own place. */
static bool set_conditions(struct policy *p, const json_t *conditions, struct err *err)
{
    json_t *all = (json_t *)(uintptr_t)conditions,
           *one; /* jansson iterates over what is not const */
    const char *name;

    p->view.conditions = conditions;
    json_object_foreach(all, name, one)
    {
        AUTO(auto_predicate) struct predicate *ignored = NULL;

        if (!predicate_compile(&ignored, &p->view, one, err))
            return err_under(err, "/conditions/%s", name);
    }
    return true;
}

static bool compile(struct policy *p, const char *member, const json_t *condition,
                    struct predicate **ret, struct err *err)
{
    AUTO(auto_predicate) struct predicate *compiled = NULL;

    if (!condition)
        return err_at(err, member, "must be a condition");
    if (!predicate_compile(&compiled, &p->view, condition, err))
        return err_under(err, "%s", member);
    if (!predicate_can_hold(compiled, NULL, &p->check_steps))
        return err_at(err, member, "contradicts itself: it can never be true");
    if (!predicate_set_add(p->conditions, compiled, err))
        return false;
    *ret = TAKE(compiled);
    return true;
}

/* --- rules --- */

/* Midnight in China, where the laws are. Absent: `fallback`. */
static bool read_day(const char *member, const char *day, int64_t fallback, int64_t *ret,
                     struct err *err)
{
    char text[40];

    *ret = fallback;
    if (!day)
        return true;
    snprintf(text, sizeof(text), "%sT00:00:00+08:00", day);
    return clock_parse(ret, text, strlen(text)) || err_at(err, member, "must be a day, YYYY-MM-DD");
}

struct validity {
    int64_t from_ms, until_ms;
};
static const struct validity always = {INT64_MIN, INT64_MAX};

static bool read_validity(struct validity *ret, const char *from, const char *to,
                          const struct validity *fallback, struct err *err)
{
    if (!read_day("/valid_from", from, fallback->from_ms, &ret->from_ms, err) ||
        !read_day("/valid_to", to, fallback->until_ms, &ret->until_ms, err))
        return false;
    if (to)
        ret->until_ms += DAY_MS; /* the last day is one */
    return ret->from_ms < ret->until_ms ||
           err_at(err, "/valid_to", "must not be before \"valid_from\"");
}

/* What is said when the rule's facts are not known; the bounds of its texts keep it below those of proto/parts.def. */
static bool write_missing(struct rule *rule, struct err *err)
{
    const struct enum_value *level = &level_table.values[rule->level];

    if (!rule->has_level && !rule->is_reportable)
        return true;
    if (asprintf(&rule->missing_zh, "若%s,则%s%s", rule->zh, rule->has_level ? "为" : "须报告",
                 rule->has_level ? level->zh : "") < 0)
        rule->missing_zh = NULL;
    if (asprintf(&rule->missing_en, "%s if: %s", rule->has_level ? level->en : "reportable",
                 rule->en) < 0)
        rule->missing_en = NULL;
    return (rule->missing_zh && rule->missing_en) || err_memory(err);
}

/* What no source confirms never grades: a person decides. */
static bool read_rule(struct rule *ret, const struct policy_rule *doc,
                      const struct validity *fallback, struct err *err)
{
    struct validity valid;
    bool is_verified = doc->has_verified && doc->verified;
    bool wants_report = doc->has_reportable && doc->reportable;

    *ret = (struct rule){.id = doc->id,
                         .zh = doc->zh,
                         .en = doc->en,
                         .source = *doc->source,
                         .has_level = doc->has_level && is_verified,
                         .is_reportable = wants_report && is_verified,
                         .needs_human = (doc->has_needs_human && doc->needs_human) || !is_verified};
    ret->proposes = doc->has_level;
    ret->level = doc->has_level ? doc->level : LEVEL_GENERAL;
    if (!doc->has_level && !wants_report && !ret->needs_human)
        return err_at(
            err, "",
            "gives neither a \"level\" nor \"reportable\": true nor \"needs_human\": true");
    if (!read_validity(&valid, doc->valid_from, doc->valid_to, fallback, err))
        return false;
    ret->from_ms = valid.from_ms;
    ret->until_ms = valid.until_ms;
    return write_missing(ret, err);
}

/* A rule is of no use when another says as much, as surely, whenever it fires. */
static bool adds_nothing(const struct rule *rule, const struct rule *beside, size_t *steps)
{
    if ((rule->has_level && !(beside->has_level && beside->level >= rule->level)) ||
        (rule->is_reportable && !beside->is_reportable) ||
        rule->needs_human != beside->needs_human ||
        (rule->needs_human &&
         rule->has_level != beside->has_level)) /* a surer level silences one */
        return false;
    /* A level that is proven silences a proposal that is not above it. */
    if (rule->needs_human && beside->proposes && (!rule->proposes || rule->level > beside->level))
        return false;
    return beside->from_ms <= rule->from_ms && beside->until_ms >= rule->until_ms &&
           !predicate_can_hold(rule->when, beside->when, steps);
}

static bool check_rule(struct policy *p, const struct regime *regime, size_t index, struct err *err)
{
    const struct rule *rule = &regime->rules[index];

    for (size_t i = 0; i < regime->rules_n; i++) {
        const struct rule *beside = &regime->rules[i];

        if (i == index)
            continue;
        if (i < index && strcmp(beside->id, rule->id) == 0)
            return err_at(err, "/id", "\"%s\" stands there twice", rule->id);
        if (adds_nothing(rule, beside, &p->check_steps) &&
            (i < index || !adds_nothing(beside, rule, &p->check_steps)))
            return err_at(
                err, "",
                "\"%s\" can never decide anything: whenever it fires, \"%s\" does, with at "
                "least its level",
                rule->id, beside->id);
    }
    return true;
}

static bool read_rules(struct policy *p, struct regime *regime, const struct policy_regime *doc,
                       const struct validity *valid, struct err *err)
{
    if (doc->rules_n == 0)
        return err_at(err, "/rules", "must be a list with at least one rule");
    regime->rules = calloc(doc->rules_n, sizeof(*regime->rules));
    if (!regime->rules)
        return err_memory(err);
    for (size_t i = 0; i < doc->rules_n; i++) {
        struct rule *rule = &regime->rules[i];

        regime->rules_n++; /* policy_unref() frees a half-read one too */
        if (!read_rule(rule, &doc->rules[i], valid, err) ||
            !compile(p, "/when", doc->rules[i].when, &rule->when, err))
            return err_under(err, "/rules/%zu", i);
        regime->asks_report = regime->asks_report || rule->is_reportable;
    }
    for (size_t i = 0; i < regime->rules_n; i++)
        if (!check_rule(p, regime, i, err))
            return err_under(err, "/rules/%zu", i);
    return true;
}

static bool read_otherwise(struct regime *regime, const struct policy_rule *doc,
                           const struct validity *valid, struct err *err)
{
    regime->has_otherwise = doc != NULL;
    if (!doc)
        return true;
    if (doc->when)
        return err_at(err, "/otherwise/when", "counts when no rule does: no condition");
    return read_rule(&regime->otherwise, doc, valid, err) || err_under(err, "/otherwise");
}

static bool read_regime(struct policy *p, const struct policy_regime *doc, struct err *err)
{
    struct regime *regime = &p->regimes[p->regimes_n++];
    struct validity valid;

    regime->id = doc->id;
    regime->zh = doc->zh;
    regime->en = doc->en;
    for (size_t i = 0; i + 1 < p->regimes_n; i++)
        if (strcmp(p->regimes[i].id, regime->id) == 0)
            return err_at(err, "/id", "another regime is called \"%s\"", regime->id);
    return read_validity(&valid, doc->valid_from, doc->valid_to, &always, err) &&
           set_conditions(p, doc->conditions, err) &&
           (!doc->applies || compile(p, "/applies", doc->applies, &regime->applies, err)) &&
           read_otherwise(regime, doc->otherwise, &valid, err) &&
           read_rules(p, regime, doc, &valid, err);
}

/* --- taxonomy --- */

static bool read_gbt(struct policy *p, const struct policy_taxonomy *doc, struct err *err)
{
    unsigned seen = 0;

    for (size_t i = 0; i < doc->gbt20986_n; i++) {
        const struct policy_gbt_row *row = &doc->gbt20986[i];

        seen |= 1U << row->name;
        p->gbt[row->name] = (struct gbt_row){row->category, row->subs, row->subs_n};
    }
    return seen == (1U << (GBT_OTHER + 1)) - 1 ||
           err_at(err, "/gbt20986", "must have a row for each of the ten");
}

static void read_categories(struct policy *p, const struct policy_categories *doc)
{
    p->gbt_of_category[CATEGORY_SYSTEM_FAILURE] = doc->system_failure;
    p->gbt_of_category[CATEGORY_DATA_LEAK] = doc->data_leak;
    p->gbt_of_category[CATEGORY_MALWARE] = doc->malware;
    p->gbt_of_category[CATEGORY_INTRUSION] = doc->intrusion;
}

static bool has_sub(const struct gbt_row *row, const char *sub)
{
    for (size_t i = 0; i < row->subs_n; i++)
        if (strcmp(row->subs[i], sub) == 0)
            return true;
    return false;
}

static bool read_choice(const struct policy *p, struct choice *ret, const struct policy_choice *doc,
                        struct err *err)
{
    const struct gbt_row *row = &p->gbt[doc->gbt20986];

    *ret = (struct choice){.id = doc->id,
                           .zh = doc->zh,
                           .en = doc->en,
                           .gbt = doc->gbt20986,
                           .sub = doc->sub,
                           .category = doc->has_category ? doc->category : row->category};
    return !doc->sub || has_sub(row, doc->sub) ||
           err_at(err, "/sub", "\"%s\" is none of its sub-categories", doc->sub);
}

/* The first that is proven wins: one behind another that is true whenever it is would never be asked. */
static bool check_choice(struct policy *p, size_t index, struct err *err)
{
    for (size_t i = 0; i < index; i++)
        if (!predicate_can_hold(p->choices[index].when, p->choices[i].when, &p->check_steps))
            return err_at(err, "",
                          "\"%s\" can never be reached: whenever it fires, \"%s\" did before",
                          p->choices[index].id, p->choices[i].id);
    return true;
}

static bool read_choices(struct policy *p, const struct policy_taxonomy *doc, struct err *err)
{
    if (doc->rules_n == 0)
        return err_at(err, "/rules", "must be a list with at least one rule");
    p->choices = calloc(doc->rules_n, sizeof(*p->choices));
    if (!p->choices)
        return err_memory(err);
    for (size_t i = 0; i < doc->rules_n; i++) {
        struct choice *choice = &p->choices[p->choices_n++];

        if (!read_choice(p, choice, &doc->rules[i], err) ||
            !compile(p, "/when", doc->rules[i].when, &choice->when, err) ||
            !check_choice(p, i, err))
            return err_under(err, "/rules/%zu", i);
    }
    return true;
}

static bool read_taxonomy(struct policy *p, const struct policy_taxonomy *doc, struct err *err)
{
    p->model_sure = (double)doc->model_sure_percent / 100;
    read_categories(p, doc->categories);
    if (!read_gbt(p, doc, err) || !set_conditions(p, doc->conditions, err))
        return false;
    if (doc->otherwise->when)
        return err_at(err, "/otherwise/when", "counts when no rule does: no condition");
    if (!read_choice(p, &p->otherwise, doc->otherwise, err))
        return err_under(err, "/otherwise");
    return read_choices(p, doc, err);
}

static bool is_sub(const void *ctx, const char *sub)
{
    const struct policy *p = ctx;

    for (size_t g = 0; g < ARRAY_LEN(p->gbt); g++)
        if (has_sub(&p->gbt[g], sub))
            return true;
    return false;
}

static bool find_list(void *ctx, const char *name, size_t *ret_id)
{
    return words_find(ctx, name, ret_id);
}

static bool find_figure(void *ctx, const char *name, size_t *ret_id)
{
    return figures_find(ctx, name, ret_id);
}

static bool find_category(void *ctx, const char *name, size_t *ret_id)
{
    int category;

    (void)ctx;
    if (!enum_parse(&category_table, name, &category))
        return false;
    *ret_id = POLICY_MODEL_IDS + (size_t)category;
    return true;
}

/* What conditions may lead into: once words and figures are known. */
static void set_view(struct policy *p)
{
    p->names[0] = (struct predicate_names){.source = PREDICATE_FOUND,
                                           .root = "/words/",
                                           .end = "",
                                           .help = "words.json",
                                           .find = find_list,
                                           .ctx = p->words};
    p->names[1] = (struct predicate_names){.source = PREDICATE_RANGE,
                                           .root = "/said/",
                                           .end = "",
                                           .help = "figures.json",
                                           .find = find_figure,
                                           .ctx = p->figures};
    p->names[2] = (struct predicate_names){.source = PREDICATE_FOUND,
                                           .root = "/model/",
                                           .end = "",
                                           .help = "the park's four categories",
                                           .is_dear = true,
                                           .find = find_category};
    p->view = (struct predicate_view){.shape = &grading_shape,
                                      .names = p->names,
                                      .names_n = ARRAY_LEN(p->names),
                                      .unasked = "/campaign/"};
}

/* What a category that the reporter gave is explained by. */
static bool compile_hint(struct policy *p, struct err *err)
{
    AUTO(auto_json)
    json_t *reads = json_pack("{s:s,s:b}", "at", "/facts/category_hint", "exists", true);

    return reads ? predicate_compile(&p->hint, &p->view, reads, err) : err_memory(err);
}

/* --- files --- */

/* The files that make the policy's version, and what each of them becomes. */
struct loading {
    struct policy *policy;
    const char *folder;
    struct sha256 version;
};

static bool add_version(struct sha256 *version, const struct policy_file *f, struct err *err)
{
    AUTO(buf_done) struct buf canonical;

    buf_init(&canonical, 2 * POLICY_FILE_MAX_BYTES);
    if (!json_canonical(f->doc, &canonical))
        return err_set(err, ERR_CONFIG, "%s: has no canonical form", f->name);
    sha256_add(version, f->name, strlen(f->name) + 1);
    sha256_add(version, canonical.data, canonical.len);
    return true;
}

typedef bool take_fn(struct policy *p, const struct policy_file *f, struct err *err);

/* Reads the file and gives it to `take`, whose errors are about it. */
static bool load_file(struct loading *l, const char *name, take_fn *take, struct err *err)
{
    AUTO(policy_file_done) struct policy_file f;

    if (!policy_file_read(&f, l->folder, name, err) || !add_version(&l->version, &f, err))
        return false;
    if (json_array_append(l->policy->docs, f.doc))
        return err_memory(err);
    return take(l->policy, &f, err);
}

static bool take_words(struct policy *p, const struct policy_file *f, struct err *err)
{
    struct policy_words known;

    return policy_file_decode(f, &policy_words_shape, &known, &p->arena, err) &&
           (words_load(&p->words, f->doc, err) || policy_file_refuse(f, err));
}

static bool take_figures(struct policy *p, const struct policy_file *f, struct err *err)
{
    struct policy_figures known;

    return policy_file_decode(f, &policy_figures_shape, &known, &p->arena, err) &&
           (figures_load(&p->figures, p->words, f->doc, err) || policy_file_refuse(f, err));
}

static bool take_taxonomy(struct policy *p, const struct policy_file *f, struct err *err)
{
    struct policy_taxonomy doc;

    return policy_file_decode(f, &policy_taxonomy_shape, &doc, &p->arena, err) &&
           (read_taxonomy(p, &doc, err) || policy_file_refuse(f, err));
}

static bool take_correlation(struct policy *p, const struct policy_file *f, struct err *err)
{
    return correlation_load(&p->correlation, f->doc, is_sub, p, err) || policy_file_refuse(f, err);
}

static bool take_regime(struct policy *p, const struct policy_file *f, struct err *err)
{
    struct policy_regime doc;

    return policy_file_decode(f, &policy_regime_shape, &doc, &p->arena, err) &&
           (read_regime(p, &doc, err) || policy_file_refuse(f, err));
}

static bool has_file(const struct loading *l, const char *name)
{
    char path[4096];

    return snprintf(path, sizeof(path), "%s/%s", l->folder, name) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

/* A folder without one does without. */
static bool load_model(struct loading *l, struct err *err)
{
    AUTO(buf_done) struct buf bytes = {0};
    char path[4096];

    if (!has_file(l, "model.bin"))
        return true;
    snprintf(path, sizeof(path), "%s/model.bin", l->folder);
    if (!file_read(&bytes, path, MODEL_FILE_BYTES, err) ||
        !text_model_load(&l->policy->model, bytes.data, bytes.len, err))
        return err_wrap(err, "model.bin");
    sha256_add(&l->version, "model.bin", sizeof("model.bin"));
    sha256_add(&l->version, bytes.data, bytes.len);
    return true;
}

/* Every regimes/<name>.json, in order of the names. */
static bool load_regimes(struct loading *l, struct err *err)
{
    char path[4096], name[NAME_BYTES];
    struct dirent **files = NULL;
    bool ok;
    int n;

    if (snprintf(path, sizeof(path), "%s/regimes", l->folder) >= (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "the path is too long");
    n = scandir(path, &files, policy_file_is_json, alphasort);
    if (n < 0)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    ok = (n > 0 && n <= POLICY_REGIMES_MAX) ||
         err_set(err, ERR_CONFIG, "%s: must have 1 to %d files *.json", path, POLICY_REGIMES_MAX);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "regimes/%s", files[i]->d_name);
        ok = ok && load_file(l, name, take_regime, err);
        free(files[i]);
    }
    free(files);
    return ok;
}

/* First what the conditions of the others refer to. */
static bool load_all(struct loading *l, struct err *err)
{
    if (!load_file(l, "words.json", take_words, err) ||
        !load_file(l, "figures.json", take_figures, err) || !load_model(l, err))
        return false;
    set_view(l->policy);
    return compile_hint(l->policy, err) && load_file(l, "taxonomy.json", take_taxonomy, err) &&
           (!has_file(l, "correlation.json") ||
            load_file(l, "correlation.json", take_correlation, err)) &&
           load_regimes(l, err);
}

static bool is_folder(const char *folder, struct err *err)
{
    struct stat st;

    return (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)) ||
           err_set(err, ERR_CONFIG, "there is no such folder: name the one with words.json in it");
}

bool policy_load(struct policy **ret, const char *folder, struct err *err)
{
    AUTO(auto_policy) struct policy *p = calloc(1, sizeof(*p));
    struct loading l = {.policy = p, .folder = folder};
    uint8_t digest[SHA256_LEN];
    bool ok;

    if (!p)
        return err_memory(err);
    atomic_init(&p->refs, 1);
    arena_init(&p->arena, ARENA_MAX_BYTES);
    p->check_steps = CHECK_STEPS_MAX;
    p->docs = json_array();
    if (!p->docs || !predicate_set_new(&p->conditions, err))
        return err_memory(err);
    sha256_begin(&l.version);
    ok = is_folder(folder, err) && load_all(&l, err) && predicate_set_close(p->conditions, err);
    p->view.conditions = NULL;      /* of the file that was read last */
    sha256_end(&l.version, digest); /* also releases it */
    if (!ok)
        return err_wrap(err, "policy %s", folder);
    hex_encode(p->version, digest, SHA256_LEN);
    *ret = TAKE(p);
    return true;
}
