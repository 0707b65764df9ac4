#include "services/classifier/policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/utf8.h"

#include "proto/shape_rows.h"
#include "services/classifier/view.def"

#define FILES_MAX  (POLICY_REGIMES_MAX + 2)
#define NAME_BYTES 272 /* of a file, with its folder */
#define TEXT_CHARS                                                                                 \
    300 /* zh and en of a rule: with what is said around them they fit a reason and a `missing` */
#define LEGAL_BYTES   400 /* the values of an enumeration, listed */
#define LABEL_CHARS   64
#define RULE_ID_CHARS 100

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

void policy_unref(struct policy *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    for (size_t i = 0; i < p->choices_n; i++)
        predicate_free(p->choices[i].when);
    free(p->choices);
    for (size_t i = 0; i < p->regimes_n; i++) {
        for (size_t r = 0; r < p->regimes[i].rules_n; r++)
            rule_done(&p->regimes[i].rules[r]);
        free(p->regimes[i].rules);
    }
    predicate_free(p->hint);
    correlation_free(p->correlation);
    text_model_free(p->model);
    figures_free(p->figures);
    words_free(p->words);
    json_decref(p->docs);
    free(p);
}

/* --- members of an object --- */

static bool check_members(json_t *object, const char *const *names, size_t n, struct err *err)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return err_set(err, ERR_CONFIG, "must be an object");
    json_object_foreach(object, name, value)
    {
        size_t i = 0;

        while (i < n && strcmp(names[i], name) != 0)
            i++;
        if (i == n)
            return err_set(err, ERR_CONFIG, "/%s: no such member here (README.md lists them)",
                           name);
    }
    return true;
}
#define CHECK_MEMBERS(object, err, ...)                                                            \
    check_members((object), (const char *const[]){__VA_ARGS__},                                    \
                  ARRAY_LEN(((const char *const[]){__VA_ARGS__})), (err))

static bool get_text(json_t *object, const char *name, bool required, size_t chars_max,
                     const char **ret, struct err *err)
{
    json_t *value = json_object_get(object, name);
    size_t len = json_string_length(value), chars = 0;

    if (!value && !required)
        return true;
    if (json_is_string(value))
        chars = utf8_count(json_string_value(value), len);
    if (chars == 0 || chars > chars_max)
        return err_set(err, ERR_CONFIG, "/%s: must be a text of 1 to %zu characters", name,
                       chars_max);
    *ret = json_string_value(value);
    return true;
}

static bool get_bool(json_t *object, const char *name, bool fallback, bool *ret, struct err *err)
{
    json_t *value = json_object_get(object, name);

    if (value && !json_is_boolean(value))
        return err_set(err, ERR_CONFIG, "/%s: must be true or false", name);
    *ret = value ? json_is_true(value) : fallback;
    return true;
}

static bool refuse_enum(const char *name, const struct enum_table *table, const json_t *value,
                        struct err *err)
{
    AUTO(buf_done) struct buf legal;
    const char *got = json_string_value(value);

    buf_init(&legal, LEGAL_BYTES);
    for (size_t i = 0; i < table->n; i++)
        (void)buf_printf(&legal, "%s%s", i > 0 ? ", " : "", table->values[i].text);
    return err_set(err, ERR_CONFIG, "/%s: must be one of %s; got %s%.60s%s", name, buf_text(&legal),
                   got ? "\"" : "",
                   got     ? got
                   : value ? "no text"
                           : "nothing",
                   got ? "\"" : "");
}

/* Absent and not required: *ret stays. */
static bool get_enum(json_t *object, const char *name, bool required,
                     const struct enum_table *table, int *ret, struct err *err)
{
    json_t *value = json_object_get(object, name);

    if (!value && !required)
        return true;
    if (!json_is_string(value) || !enum_parse(table, json_string_value(value), ret))
        return refuse_enum(name, table, value, err);
    return true;
}

static bool get_when(struct policy *p, json_t *object, struct predicate **ret, struct err *err)
{
    json_t *when = json_object_get(object, "when");
    AUTO(auto_predicate) struct predicate *compiled = NULL;

    if (!predicate_compile(&compiled, &p->view, when, err))
        return err_wrap(err, "/when");
    *ret = TAKE(compiled);
    return true;
}

static bool get_source(json_t *object, struct source *ret, struct err *err)
{
    json_t *source = json_object_get(object, "source");

    if (!CHECK_MEMBERS(source, err, "document", "article", "url") ||
        !get_text(source, "document", true, 300, &ret->document, err) ||
        !get_text(source, "article", false, 100, &ret->article, err) ||
        !get_text(source, "url", false, 500, &ret->url, err))
        return err_wrap(err, "/source");
    return true;
}

/* --- regimes --- */

static bool read_rule(struct policy *p, struct rule *ret, json_t *object, struct err *err)
{
    int level = -1;
    bool verified = false;

    if (!CHECK_MEMBERS(object, err, "id", "level", "needs_human", "when", "zh", "en", "source",
                       "verified") ||
        !get_text(object, "id", true, RULE_ID_CHARS, &ret->id, err) ||
        !get_text(object, "zh", true, TEXT_CHARS, &ret->zh, err) ||
        !get_text(object, "en", true, TEXT_CHARS, &ret->en, err) ||
        !get_enum(object, "level", false, &level_table, &level, err) ||
        !get_bool(object, "needs_human", false, &ret->needs_human, err) ||
        !get_bool(object, "verified", false, &verified, err) ||
        !get_source(object, &ret->source, err))
        return false;
    if (level < 0 && !ret->needs_human)
        return err_set(err, ERR_CONFIG, "gives neither a \"level\" nor \"needs_human\": true");
    /* What no source confirms never grades: a person decides. */
    ret->has_level = level >= 0 && verified;
    ret->level = ret->has_level ? (enum level)level : LEVEL_GENERAL;
    ret->needs_human = ret->needs_human || !verified;
    return !p || get_when(p, object, &ret->when, err);
}

/* What is said when the rule's facts are not known; the bounds of its texts keep it below those of proto/parts.def. */
static bool write_missing(struct rule *rule, struct err *err)
{
    const struct enum_value *level = &level_table.values[rule->level];

    if (!rule->has_level)
        return true;
    if (asprintf(&rule->missing_zh, "若%s,则为%s", rule->zh, level->zh) < 0)
        rule->missing_zh = NULL;
    if (asprintf(&rule->missing_en, "%s if: %s", level->en, rule->en) < 0)
        rule->missing_en = NULL;
    return (rule->missing_zh && rule->missing_en) || err_memory(err);
}

static bool id_is_taken(const struct regime *regime, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(regime->rules[i].id, regime->rules[index].id) == 0)
            return true;
    return false;
}

static bool read_rules(struct policy *p, struct regime *regime, json_t *list, struct err *err)
{
    size_t n = json_array_size(list), i;
    json_t *item;

    if (n == 0 || n > POLICY_RULES_MAX)
        return err_set(err, ERR_CONFIG, "/rules: must be a list of 1 to %d rules",
                       POLICY_RULES_MAX);
    regime->rules = calloc(n, sizeof(*regime->rules));
    if (!regime->rules)
        return err_memory(err);
    json_array_foreach(list, i, item)
    {
        struct rule *rule = &regime->rules[i];

        regime->rules_n++; /* policy_unref() frees a half-read one too */
        if (!read_rule(p, rule, item, err) || !write_missing(rule, err))
            return err_wrap(err, "/rules/%zu", i);
        if (id_is_taken(regime, i))
            return err_set(err, ERR_CONFIG, "/rules/%zu: /id: \"%s\" stands there twice", i,
                           rule->id);
    }
    return true;
}

static bool read_regime(struct policy *p, json_t *doc, struct err *err)
{
    struct regime *regime = &p->regimes[p->regimes_n++];
    json_t *otherwise = json_object_get(doc, "otherwise");

    if (!CHECK_MEMBERS(doc, err, "id", "zh", "en", "otherwise", "rules") ||
        !get_text(doc, "id", true, LABEL_CHARS, &regime->id, err) ||
        !get_text(doc, "zh", true, LABEL_CHARS, &regime->zh, err) ||
        !get_text(doc, "en", true, LABEL_CHARS, &regime->en, err))
        return false;
    for (size_t i = 0; i + 1 < p->regimes_n; i++)
        if (strcmp(p->regimes[i].id, regime->id) == 0)
            return err_set(err, ERR_CONFIG, "/id: another regime is called \"%s\"", regime->id);
    if (otherwise && !read_rule(NULL, &regime->otherwise, otherwise, err))
        return err_wrap(err, "/otherwise");
    if (json_object_get(otherwise, "when"))
        return err_set(err, ERR_CONFIG,
                       "/otherwise: /when: counts when no rule does: no condition");
    regime->has_otherwise = otherwise != NULL;
    return read_rules(p, regime, json_object_get(doc, "rules"), err);
}

/* --- taxonomy --- */

static bool read_gbt_row(struct policy *p, json_t *object, unsigned *seen, struct err *err)
{
    int gbt = 0, category = 0;
    json_t *subs = json_object_get(object, "subs"), *sub;
    struct gbt_row *row;
    size_t i;

    if (!CHECK_MEMBERS(object, err, "name", "zh", "category", "subs") ||
        !get_enum(object, "name", true, &gbt20986_table, &gbt, err) ||
        !get_enum(object, "category", true, &category_table, &category, err))
        return false;
    if (json_array_size(subs) > POLICY_SUBS_MAX)
        return err_set(err, ERR_CONFIG, "/subs: at most %d", POLICY_SUBS_MAX);
    *seen |= 1U << gbt;
    row = &p->gbt[gbt];
    row->category = (enum category)category;
    row->subs_n = 0;
    json_array_foreach(subs, i, sub)
    {
        if (!json_is_string(sub))
            return err_set(err, ERR_CONFIG, "/subs/%zu: must be the sub-category's name", i);
        row->subs[row->subs_n++] = json_string_value(sub);
    }
    return true;
}

static bool read_gbt(struct policy *p, json_t *list, struct err *err)
{
    unsigned seen = 0;
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (!read_gbt_row(p, item, &seen, err)) return err_wrap(
        err, "/gbt20986/%zu", i);
    if (seen != (1U << (GBT_OTHER + 1)) - 1)
        return err_set(err, ERR_CONFIG, "/gbt20986: must have a row for each of the ten");
    return true;
}

static bool has_sub(const struct gbt_row *row, const char *sub)
{
    for (size_t i = 0; i < row->subs_n; i++)
        if (strcmp(row->subs[i], sub) == 0)
            return true;
    return false;
}

static bool read_choice(struct policy *p, struct choice *ret, json_t *object, struct err *err)
{
    int gbt = 0, category;

    if (!CHECK_MEMBERS(object, err, "id", "gbt20986", "sub", "category", "when", "zh", "en") ||
        !get_text(object, "id", true, RULE_ID_CHARS, &ret->id, err) ||
        !get_text(object, "zh", true, TEXT_CHARS, &ret->zh, err) ||
        !get_text(object, "en", true, TEXT_CHARS, &ret->en, err) ||
        !get_text(object, "sub", false, 40, &ret->sub, err) ||
        !get_enum(object, "gbt20986", true, &gbt20986_table, &gbt, err))
        return false;
    category = (int)p->gbt[gbt].category;
    if (!get_enum(object, "category", false, &category_table, &category, err))
        return false;
    if (ret->sub && !has_sub(&p->gbt[gbt], ret->sub))
        return err_set(err, ERR_CONFIG, "/sub: \"%s\" is none of its sub-categories", ret->sub);
    ret->gbt = (enum gbt20986)gbt;
    ret->category = (enum category)category;
    return true;
}

static bool read_choices(struct policy *p, json_t *list, struct err *err)
{
    size_t n = json_array_size(list), i;
    json_t *item;

    if (n == 0 || n > POLICY_RULES_MAX)
        return err_set(err, ERR_CONFIG, "/rules: must be a list of 1 to %d rules",
                       POLICY_RULES_MAX);
    p->choices = calloc(n, sizeof(*p->choices));
    if (!p->choices)
        return err_memory(err);
    json_array_foreach(list, i, item)
    {
        struct choice *choice = &p->choices[p->choices_n++];

        if (!read_choice(p, choice, item, err) || !get_when(p, item, &choice->when, err))
            return err_wrap(err, "/rules/%zu", i);
    }
    return true;
}

static bool read_taxonomy(struct policy *p, json_t *doc, struct err *err)
{
    json_t *categories = json_object_get(doc, "categories");

    p->model_sure = json_number_value(json_object_get(doc, "model_sure"));
    if (p->model_sure <= 0 || p->model_sure > 1)
        return err_set(err, ERR_CONFIG,
                       "/model_sure: must be the least probability of the text model that counts, "
                       "above 0 and up to 1");
    if (!CHECK_MEMBERS(doc, err, "model_sure", "gbt20986", "categories", "rules", "otherwise") ||
        !read_gbt(p, json_object_get(doc, "gbt20986"), err))
        return false;
    for (size_t i = 0; i < category_table.n; i++) {
        int gbt = 0;

        if (!get_enum(categories, category_table.values[i].text, true, &gbt20986_table, &gbt, err))
            return err_wrap(err, "/categories");
        p->gbt_of_category[i] = (enum gbt20986)gbt;
    }
    if (!read_choice(p, &p->otherwise, json_object_get(doc, "otherwise"), err))
        return err_wrap(err, "/otherwise");
    return read_choices(p, json_object_get(doc, "rules"), err);
}

/* --- files --- */

static bool read_text(const char *path, struct buf *ret, struct err *err)
{
    FILE *file = fopen(path, "re");
    char piece[4096];
    size_t n;
    bool ok;

    if (!file)
        return err_set(err, ERR_CONFIG, "%s", strerror(errno));
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(ret, piece, n);
    ok = !ferror(file);
    fclose(file);
    if (!ok)
        return err_set(err, ERR_CONFIG, "cannot be read");
    return !ret->failed || err_set(err, ERR_CONFIG, "has more than %zu bytes", ret->max);
}

/* A folder without one does without. */
static bool read_model(struct policy *p, struct sha256 *version, const char *folder,
                       struct err *err)
{
    AUTO(buf_done) struct buf bytes;
    char path[4096];

    buf_init(&bytes, MODEL_FILE_BYTES);
    if (snprintf(path, sizeof(path), "%s/model.bin", folder) >= (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "the path is too long");
    if (access(path, F_OK) != 0)
        return true;
    if (!read_text(path, &bytes, err) || !text_model_load(&p->model, bytes.data, bytes.len, err))
        return false;
    sha256_add(version, "model.bin", sizeof("model.bin"));
    sha256_add(version, bytes.data, bytes.len);
    return true;
}

/* Adds the document to p->docs and to the version. */
static bool read_file(struct policy *p, struct sha256 *version, const char *folder,
                      const char *name, json_t **ret, struct err *err)
{
    AUTO(buf_done) struct buf text, canonical;
    AUTO(auto_json) json_t *doc = NULL;
    char path[4096];
    bool ok;

    buf_init(&text, POLICY_FILE_MAX_BYTES);
    buf_init(&canonical, 2 * POLICY_FILE_MAX_BYTES);
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "the path is too long");
    if (!read_text(path, &text, err))
        return false;
    ok = json_read_strict(&doc, buf_text(&text), text.len, err);
    if (!ok && err)
        err->kind = ERR_CONFIG;
    if (!ok)
        return false;
    if (!json_canonical(doc, &canonical))
        return err_set(err, ERR_CONFIG, "has no canonical form");
    sha256_add(version, name, strlen(name) + 1);
    sha256_add(version, canonical.data, canonical.len);
    if (json_array_append(p->docs, doc))
        return err_memory(err);
    *ret = doc; /* p->docs keeps it */
    return true;
}

static bool is_sub(const void *ctx, const char *sub)
{
    const struct policy *p = ctx;

    for (size_t g = 0; g < ARRAY_LEN(p->gbt); g++)
        if (has_sub(&p->gbt[g], sub))
            return true;
    return false;
}

/* After the taxonomy. A folder without one does without. */
static bool read_correlation(struct policy *p, struct sha256 *version, const char *folder,
                             struct err *err)
{
    char path[4096];
    json_t *doc;

    if (snprintf(path, sizeof(path), "%s/correlation.json", folder) >= (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "the path is too long");
    return access(path, F_OK) != 0 ||
           (read_file(p, version, folder, "correlation.json", &doc, err) &&
            correlation_load(&p->correlation, doc, is_sub, p, err)) ||
           err_wrap(err, "correlation.json");
}

struct names {
    char names[FILES_MAX][NAME_BYTES];
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "regimes/x.json" of every file there, in order. */
static bool list_regimes(struct names *ret, const char *folder, struct err *err)
{
    char path[4096];
    const struct dirent *entry;
    DIR *dir;
    bool ok = true;

    if (snprintf(path, sizeof(path), "%s/regimes", folder) >= (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "the path is too long");
    dir = opendir(path);
    if (!dir)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    while (ok && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);

        if (entry->d_name[0] == '.' || len < 6 || strcmp(entry->d_name + len - 5, ".json") != 0)
            continue;
        ok = ret->n < POLICY_REGIMES_MAX;
        if (ok)
            snprintf(ret->names[ret->n++], NAME_BYTES, "regimes/%s", entry->d_name);
    }
    closedir(dir);
    if (!ok || ret->n == 0)
        return err_set(err, ERR_CONFIG, "%s: must have 1 to %d files *.json", path,
                       POLICY_REGIMES_MAX);
    qsort(ret->names, ret->n, NAME_BYTES, by_name);
    return true;
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
                                           .find = find_category};
    p->view = (struct predicate_view){&grading_shape, p->names, ARRAY_LEN(p->names)};
}

/* What a category that the reporter gave is explained by. */
static bool compile_hint(struct policy *p, struct err *err)
{
    AUTO(auto_json)
    json_t *reads = json_pack("{s:s,s:b}", "at", "/facts/category_hint", "exists", true);

    return reads ? predicate_compile(&p->hint, &p->view, reads, err) : err_memory(err);
}

static bool read_words(struct policy *p, json_t *doc, struct err *err)
{
    return CHECK_MEMBERS(doc, err, "traditional", "lists", "plain", "together", "denial") &&
           words_load(&p->words, doc, err);
}

static bool read_figures(struct policy *p, json_t *doc, struct err *err)
{
    return CHECK_MEMBERS(doc, err, "units", "nouns", "before", "figures") &&
           figures_load(&p->figures, p->words, doc, err);
}

/* First what the conditions of the others refer to. */
static bool read_all(struct policy *p, const char *folder, struct err *err)
{
    struct names files = {0};
    struct sha256 version;
    uint8_t digest[SHA256_LEN];
    json_t *words = NULL, *figures = NULL, *taxonomy = NULL, *regime = NULL;
    bool ok;

    if (!list_regimes(&files, folder, err))
        return false;
    sha256_begin(&version);
    ok = (read_file(p, &version, folder, "words.json", &words, err) && read_words(p, words, err)) ||
         err_wrap(err, "words.json");
    ok = ok && ((read_file(p, &version, folder, "figures.json", &figures, err) &&
                 read_figures(p, figures, err)) ||
                err_wrap(err, "figures.json"));
    ok = ok && (read_model(p, &version, folder, err) || err_wrap(err, "model.bin"));
    if (ok) {
        set_view(p);
        ok = compile_hint(p, err);
    }
    ok = ok && ((read_file(p, &version, folder, "taxonomy.json", &taxonomy, err) &&
                 read_taxonomy(p, taxonomy, err)) ||
                err_wrap(err, "taxonomy.json"));
    ok = ok && read_correlation(p, &version, folder, err);
    for (size_t i = 0; ok && i < files.n; i++)
        ok = (read_file(p, &version, folder, files.names[i], &regime, err) &&
              read_regime(p, regime, err)) ||
             err_wrap(err, "%s", files.names[i]);
    sha256_end(&version, digest); /* also releases it */
    hex_encode(p->version, digest, SHA256_LEN);
    return ok;
}

bool policy_load(struct policy **ret, const char *folder, struct err *err)
{
    AUTO(auto_policy) struct policy *p = calloc(1, sizeof(*p));

    if (!p)
        return err_memory(err);
    atomic_init(&p->refs, 1);
    p->docs = json_array();
    if (!p->docs)
        return err_memory(err);
    if (!read_all(p, folder, err))
        return err_wrap(err, "policy %s", folder);
    *ret = TAKE(p);
    return true;
}
