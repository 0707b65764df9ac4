#include "services/classifier/correlation.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "services/classifier/indicator.h"

#define ID_CHARS       100
#define REASON_CHARS   300 /* filled in they still fit incident.linked */
#define TITLE_CHARS    120
#define TEXT_CHARS     4000
#define AUDIENCE_CHARS 64
#define WINDOW_CHARS   12
#define SUB_CHARS      40

void correlation_free(struct correlation *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->ignore_n; i++)
        free(c->ignore[i]);
    free(c->ignore);
    free(c);
}

/* --- members --- */

static bool is_among(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static bool check_members(json_t *object, const char *const *names, struct err *err)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return err_at(err, "", "must be an object");
    json_object_foreach(object, name, value)
    {
        if (!is_among(name, names))
            return err_at(err, "",
                          "no such member here (services/classifier/README.md lists them)") ||
                   err_under(err, "/%s", name);
    }
    return true;
}

static bool get_text(json_t *object, const char *name, size_t chars_max, const char **ret,
                     struct err *err)
{
    json_t *value = json_object_get(object, name);
    size_t len = json_string_length(value);
    size_t chars = json_is_string(value) ? utf8_count(json_string_value(value), len) : 0;

    if (chars == 0 || chars > chars_max || strlen(json_string_value(value)) != len)
        return err_at(err, "", "must be a text of 1 to %zu characters", chars_max) ||
               err_under(err, "/%s", name);
    *ret = json_string_value(value);
    return true;
}

/* What stands in braces is one of ours. */
static bool check_places(const char *text)
{
    static const char *const places[] = {"{enterprises}", "{value}", "{window}"};

    for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
        size_t i = 0;

        while (i < ARRAY_LEN(places) && strncmp(at, places[i], strlen(places[i])) != 0)
            i++;
        if (i == ARRAY_LEN(places))
            return false;
    }
    return true;
}

static bool get_filled(json_t *object, const char *name, size_t chars_max, const char **ret,
                       struct err *err)
{
    if (!get_text(object, name, chars_max, ret, err))
        return false;
    return check_places(*ret) ||
           (err_at(err, "", "only {enterprises}, {value} and {window} may stand in braces") ||
            err_under(err, "/%s", name));
}

static bool get_window(struct correlation_rule *rule, json_t *object, struct err *err)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{" min", 60000}, {" h", 3600000}, {" d", 86400000}};
    char *end;
    int64_t n;

    if (!get_text(object, "window", WINDOW_CHARS, &rule->window, err))
        return false;
    n = strtoll(rule->window, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (rule->window[0] >= '1' && rule->window[0] <= '9' && strcmp(end, units[i].name) == 0 &&
            n <= CORRELATION_WINDOW_MAX_MS / units[i].ms) {
            rule->window_ms = n * units[i].ms;
            return true;
        }
    return err_at(err, "/window",
                  "must be like \"30 min\", \"24 h\" or \"7 d\", and at most 90 d; got \"%s\"",
                  rule->window);
}

static bool get_enterprises(struct correlation_rule *rule, json_t *object, struct err *err)
{
    json_t *value = json_object_get(object, "enterprises");
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;

    if (n < 2 || n > CORRELATION_ENTERPRISES_MAX)
        return err_at(err, "/enterprises", "must be a whole number from 2 to %d",
                      CORRELATION_ENTERPRISES_MAX);
    rule->enterprises = (size_t)n;
    return true;
}

/* --- what the rule looks at --- */

static bool get_types(struct correlation_rule *rule, json_t *object, struct err *err)
{
    json_t *list = json_object_get(object, "indicator_types"), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        int type = 0;

        if (!json_is_string(item) ||
            !enum_parse(&indicator_type_table, json_string_value(item), &type))
            return err_at(err, "",
                          "must be ip, domain, url, sha256, sha1, md5, email, cve, ransom_note or "
                          "other") ||
                   err_under(err, "/indicator_types/%zu", i);
        if (rule->types & 1U << type)
            return err_at(err, "", "stands there twice") ||
                   err_under(err, "/indicator_types/%zu", i);
        rule->types |= 1U << type;
    }
    return rule->types != 0 || err_at(err, "/indicator_types", "must be a list of at least one");
}

static bool get_subs(struct correlation_rule *rule, json_t *object, correlation_sub_fn *is_sub,
                     const void *ctx, struct err *err)
{
    json_t *list = json_object_get(object, "subs"), *item;
    size_t i;

    if (json_array_size(list) == 0 || json_array_size(list) > CORRELATION_SUBS_MAX)
        return err_at(err, "/subs", "must be a list of 1 to %d sub-categories",
                      CORRELATION_SUBS_MAX);
    json_array_foreach(list, i, item)
    {
        const char *sub = json_string_value(item);

        /* what is "other" has nothing in common */
        if (!sub || utf8_count(sub, strlen(sub)) > SUB_CHARS || strcmp(sub, "其他") == 0 ||
            !is_sub(ctx, sub))
            return err_at(err, "", "must be a sub-category that taxonomy.json lists, not 其他") ||
                   err_under(err, "/subs/%zu", i);
        rule->subs[rule->subs_n++] = sub;
    }
    return true;
}

static bool get_kind(struct correlation_rule *rule, json_t *object, correlation_sub_fn *is_sub,
                     const void *ctx, struct err *err)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    bool has_types = json_object_get(object, "indicator_types") != NULL;
    bool has_subs = json_object_get(object, "subs") != NULL;

    if (kind && strcmp(kind, "indicator") == 0)
        rule->kind = CORRELATION_INDICATOR;
    else if (kind && strcmp(kind, "sub_category") == 0)
        rule->kind = CORRELATION_SUB_CATEGORY;
    else if (kind && strcmp(kind, "supplier") == 0)
        rule->kind = CORRELATION_SUPPLIER;
    else
        return err_at(err, "/kind", "must be indicator, sub_category or supplier");
    if (has_types && rule->kind != CORRELATION_INDICATOR)
        return err_at(err, "/indicator_types", "only with kind indicator");
    if (has_subs && rule->kind != CORRELATION_SUB_CATEGORY)
        return err_at(err, "/subs", "only with kind sub_category");
    if (rule->kind == CORRELATION_INDICATOR)
        return get_types(rule, object, err);
    return rule->kind != CORRELATION_SUB_CATEGORY || get_subs(rule, object, is_sub, ctx, err);
}

static bool get_advisory(struct correlation_rule *rule, json_t *advisory, struct err *err)
{
    static const char *const members[] = {"title", "text", "tlp", "audience", NULL};
    const char *tlp = json_string_value(json_object_get(advisory, "tlp"));
    int value = 0;

    if (!check_members(advisory, members, err) ||
        !get_filled(advisory, "title", TITLE_CHARS, &rule->title, err) ||
        !get_filled(advisory, "text", TEXT_CHARS, &rule->text, err) ||
        !get_text(advisory, "audience", AUDIENCE_CHARS, &rule->audience, err))
        return false;
    if (!tlp || !enum_parse(&tlp_table, tlp, &value))
        return err_at(err, "/tlp",
                      "must be TLP:RED, TLP:AMBER+STRICT, TLP:AMBER, TLP:GREEN or TLP:CLEAR");
    if (strcmp(rule->audience, "all") != 0 &&
        (strncmp(rule->audience, "sector:", 7) != 0 || !rule->audience[7]))
        return err_at(err, "/audience", "must be all, or sector:<name>");
    rule->tlp = (enum tlp)value;
    return true;
}

/* --- the file --- */

static bool read_rule(struct correlation *c, json_t *object, correlation_sub_fn *is_sub,
                      const void *ctx, struct err *err)
{
    static const char *const members[] = {
        "id", "kind", "indicator_types", "subs", "window", "enterprises",
        "zh", "en",   "advisory",        NULL};
    struct correlation_rule *rule = &c->rules[c->rules_n];
    json_t *advisory = json_object_get(object, "advisory");

    if (!check_members(object, members, err) || !get_text(object, "id", ID_CHARS, &rule->id, err) ||
        !get_kind(rule, object, is_sub, ctx, err) || !get_window(rule, object, err) ||
        !get_enterprises(rule, object, err) ||
        !get_filled(object, "zh", REASON_CHARS, &rule->zh, err) ||
        !get_filled(object, "en", REASON_CHARS, &rule->en, err))
        return false;
    if (advisory && !get_advisory(rule, advisory, err))
        return err_under(err, "/advisory");
    for (size_t i = 0; i < c->rules_n; i++)
        if (strcmp(c->rules[i].id, rule->id) == 0)
            return err_at(err, "/id", "\"%s\" stands there twice", rule->id);
    c->rules_n++;
    return true;
}

static bool read_rules(struct correlation *c, json_t *list, correlation_sub_fn *is_sub,
                       const void *ctx, struct err *err)
{
    json_t *item;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > CORRELATION_RULES_MAX)
        return err_at(err, "/rules", "must be a list of at most %d rules", CORRELATION_RULES_MAX);
    json_array_foreach(list, i, item)
    {
        if (!read_rule(c, item, is_sub, ctx, err))
            return err_under(err, "/rules/%zu", i);
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Written as the value that it stands for would be: an address, a name, else any text. */
static bool normalise_ignored(char ret[INDICATOR_VALUE_MAX], const char *text)
{
    static const enum indicator_type types[] = {INDICATOR_IP, INDICATOR_EMAIL, INDICATOR_DOMAIN};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (indicator_normalise(ret, types[i], text))
            return true;
    return indicator_plain(ret, text);
}

static bool read_ignore(struct correlation *c, json_t *list, struct err *err)
{
    char value[INDICATOR_VALUE_MAX];
    json_t *item;
    size_t i;

    if (list && (!json_is_array(list) || json_array_size(list) > CORRELATION_IGNORE_MAX))
        return err_at(err, "/ignore", "must be a list of at most %d values",
                      CORRELATION_IGNORE_MAX);
    c->ignore = calloc(json_array_size(list) + 1, sizeof(*c->ignore));
    if (!c->ignore)
        return err_memory(err);
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item) || strlen(json_string_value(item)) != json_string_length(item) ||
            !normalise_ignored(value, json_string_value(item)))
            return err_at(err, "", "must be a text of 1 to %d bytes", INDICATOR_VALUE_MAX - 1) ||
                   err_under(err, "/ignore/%zu", i);
        c->ignore[c->ignore_n] = strdup(value);
        if (!c->ignore[c->ignore_n])
            return err_memory(err);
        c->ignore_n++;
    }
    qsort(c->ignore, c->ignore_n, sizeof(*c->ignore), by_text);
    return true;
}

bool correlation_load(struct correlation **ret, json_t *doc, correlation_sub_fn *is_sub,
                      const void *ctx, struct err *err)
{
    static const char *const members[] = {"ignore", "rules", NULL};
    AUTO(auto_correlation) struct correlation *c = calloc(1, sizeof(*c));

    if (!c)
        return err_memory(err);
    if (!check_members(doc, members, err) || !read_ignore(c, json_object_get(doc, "ignore"), err) ||
        !read_rules(c, json_object_get(doc, "rules"), is_sub, ctx, err))
        return false;
    *ret = TAKE(c);
    return true;
}

bool correlation_ignores(const struct correlation *c, const char *value, size_t len)
{
    char text[INDICATOR_VALUE_MAX];
    const char *key = text;

    if (len >= sizeof(text))
        return false;
    for (size_t i = 0; i < len; i++) /* a ransom note's id keeps its letters, the list does not */
        text[i] = value[i] >= 'A' && value[i] <= 'Z' ? (char)(value[i] - 'A' + 'a') : value[i];
    text[len] = '\0';
    return bsearch(&key, c->ignore, c->ignore_n, sizeof(*c->ignore), by_text) != NULL;
}
