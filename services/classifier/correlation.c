#include "services/classifier/correlation.h"

#include <stdlib.h>
#include <string.h>

#include "proto/policy_docs.h"
#include "services/classifier/indicator.h"

#define ARENA_MAX_BYTES ((size_t)1024 * 1024)

void correlation_free(struct correlation *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->ignore_n; i++)
        free(c->ignore[i]);
    free(c->ignore);
    arena_done(&c->arena);
    free(c);
}

/* What stands in braces is one of ours. */
static bool check_filled(const char *member, const char *text, struct err *err)
{
    static const char *const places[] = {"{enterprises}", "{value}", "{window}"};

    for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
        size_t i = 0;

        while (i < ARRAY_LEN(places) && strncmp(at, places[i], strlen(places[i])) != 0)
            i++;
        if (i == ARRAY_LEN(places))
            return err_at(err, member,
                          "only {enterprises}, {value} and {window} may stand in braces");
    }
    return true;
}

static bool read_window(struct correlation_rule *rule, struct err *err)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{" min", 60000}, {" h", 3600000}, {" d", 86400000}};
    char *end;
    int64_t n = strtoll(rule->window, &end, 10);

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

/* What a rule of its kind looks at, and nothing else. */
static bool read_kind(struct correlation_rule *rule, const struct policy_link *doc,
                      correlation_sub_fn *is_sub, const void *ctx, struct err *err)
{
    bool by_type = doc->kind == CORRELATION_INDICATOR,
         by_sub = doc->kind == CORRELATION_SUB_CATEGORY;

    if ((doc->indicator_types_n > 0) != by_type)
        return err_at(err, "/indicator_types",
                      by_type ? "must be a list of at least one" : "only with kind indicator");
    if ((doc->subs_n > 0) != by_sub)
        return err_at(err, "/subs",
                      by_sub ? "must be a list of at least one" : "only with kind sub_category");
    for (size_t i = 0; i < doc->indicator_types_n; i++)
        rule->types |= 1U << doc->indicator_types[i];
    for (size_t i = 0; i < doc->subs_n; i++) /* what is "other" has nothing in common */
        if (strcmp(doc->subs[i], "其他") == 0 || !is_sub(ctx, doc->subs[i]))
            return err_at(err, "", "must be a sub-category that taxonomy.json lists, not 其他") ||
                   err_under(err, "/subs/%zu", i);
    rule->subs = doc->subs;
    rule->subs_n = doc->subs_n;
    return true;
}

static bool read_advisory(struct correlation_rule *rule, const struct policy_advisory *doc,
                          struct err *err)
{
    if (!check_filled("/title", doc->title, err) || !check_filled("/text", doc->text, err))
        return false;
    if (strcmp(doc->audience, "all") != 0 &&
        (strncmp(doc->audience, "sector:", 7) != 0 || !doc->audience[7]))
        return err_at(err, "/audience", "must be all, or sector:<name>");
    rule->title = doc->title;
    rule->text = doc->text;
    rule->audience = doc->audience;
    rule->tlp = doc->tlp;
    return true;
}

static bool read_rule(struct correlation *c, const struct policy_link *doc,
                      correlation_sub_fn *is_sub, const void *ctx, struct err *err)
{
    struct correlation_rule *rule = &c->rules[c->rules_n];

    *rule = (struct correlation_rule){.id = doc->id,
                                      .zh = doc->zh,
                                      .en = doc->en,
                                      .kind = doc->kind,
                                      .window = doc->window,
                                      .enterprises = (size_t)doc->enterprises};
    if (!read_kind(rule, doc, is_sub, ctx, err) || !read_window(rule, err) ||
        !check_filled("/zh", doc->zh, err) || !check_filled("/en", doc->en, err))
        return false;
    if (doc->advisory && !read_advisory(rule, doc->advisory, err))
        return err_under(err, "/advisory");
    for (size_t i = 0; i < c->rules_n; i++)
        if (strcmp(c->rules[i].id, rule->id) == 0)
            return err_at(err, "/id", "\"%s\" stands there twice", rule->id);
    c->rules_n++;
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

static bool read_ignore(struct correlation *c, const struct policy_correlation *doc,
                        struct err *err)
{
    char value[INDICATOR_VALUE_MAX];

    c->ignore = calloc(doc->ignore_n + 1, sizeof(*c->ignore));
    if (!c->ignore)
        return err_memory(err);
    for (size_t i = 0; i < doc->ignore_n; i++) {
        if (!normalise_ignored(value, doc->ignore[i]))
            return err_at(err, "", "must be a text that is more than blanks") ||
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
    AUTO(auto_correlation) struct correlation *c = calloc(1, sizeof(*c));
    struct policy_correlation body;

    if (!c)
        return err_memory(err);
    arena_init(&c->arena, ARENA_MAX_BYTES);
    if (!shape_decode(&policy_correlation_shape, doc, true, TIME_EXACT, &body, &c->arena, err) ||
        !read_ignore(c, &body, err))
        return false;
    for (size_t i = 0; i < body.rules_n; i++)
        if (!read_rule(c, &body.rules[i], is_sub, ctx, err))
            return err_under(err, "/rules/%zu", i);
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
