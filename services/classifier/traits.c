#include "services/classifier/traits.h"

#include <string.h>

#include "services/classifier/indicator.h"

static void derive_trait(struct trait *t)
{
    struct id_hash hash;

    id_derive(&hash, "trait");
    id_derive_text(&hash, "rule", t->rule->id);
    id_derive_text(&hash, "type",
                   t->rule->kind == CORRELATION_INDICATOR
                       ? enum_text(&indicator_type_table, (int)t->type)
                       : NULL);
    id_derive_text(&hash, "value", t->value);
    id_derive_int(&hash, "drill", t->drill);
    id_derive_end(&hash, &t->id);
}

/* In order, each once: there is nothing to look for twice. */
static void add_trait(struct traits *ret, const struct trait *trait)
{
    size_t at = ret->n;

    while (at > 0 && strcmp(ret->items[at - 1].id.text, trait->id.text) > 0)
        at--;
    if (at > 0 && strcmp(ret->items[at - 1].id.text, trait->id.text) == 0)
        return;
    if (ret->n == TRAITS_MAX) {
        ret->left_out++;
        return;
    }
    memmove(&ret->items[at + 1], &ret->items[at], (ret->n - at) * sizeof(*ret->items));
    ret->items[at] = *trait;
    ret->n++;
}

struct gathering {
    struct traits *ret;
    const struct correlation *c;
    struct arena *arena;
    bool drill;
};

static bool looks_at(const struct correlation_rule *rule, enum correlation_kind kind,
                     enum indicator_type type)
{
    return rule->kind == kind && (kind != CORRELATION_INDICATOR || rule->types & 1U << type);
}

/* `value` is normalised. */
static void add_value(struct gathering *g, enum correlation_kind kind, enum indicator_type type,
                      const char *value)
{
    size_t len = strlen(value);
    char *copy = NULL;

    if (correlation_ignores(g->c, value, len))
        return;
    for (size_t i = 0; i < g->c->rules_n; i++) {
        struct trait t = {.rule = &g->c->rules[i], .type = type, .drill = g->drill};

        if (!looks_at(t.rule, kind, type))
            continue;
        if (!copy)
            copy = arena_take(g->arena, len + 1);
        if (!copy) {
            g->ret->left_out++;
            return;
        }
        memcpy(copy, value, len + 1);
        t.value = copy;
        derive_trait(&t);
        add_trait(g->ret, &t);
    }
}

static void add_indicator(struct gathering *g, enum indicator_type type, const char *text)
{
    char value[INDICATOR_VALUE_MAX];
    const char *host;
    size_t host_len;

    if (!indicator_normalise(value, type, text))
        return;
    host = indicator_host(value, &host_len);
    if (type != INDICATOR_URL || !correlation_ignores(g->c, host, host_len))
        add_value(g, CORRELATION_INDICATOR, type, value);
}

static void add_cves(struct gathering *g, const char *text)
{
    char cve[CVE_TEXT_MAX];

    while (text && (text = indicator_next_cve(text, cve)))
        add_value(g, CORRELATION_INDICATOR, INDICATOR_CVE, cve);
}

static void add_supplier(struct gathering *g, const char *text)
{
    char value[INDICATOR_VALUE_MAX];

    if (text && indicator_plain(value, text))
        add_value(g, CORRELATION_SUPPLIER, INDICATOR_OTHER, value);
}

/* The fields that a report and a supplement have in common; their structs differ. */
#define ADD_FACTS(g, body)                                                                         \
    do {                                                                                           \
        for (size_t i = 0; i < (body)->indicators_n; i++)                                          \
            add_indicator((g), (body)->indicators[i].type, (body)->indicators[i].value);           \
        if ((body)->ransom && (body)->ransom->note_id)                                             \
            add_indicator((g), INDICATOR_RANSOM_NOTE, (body)->ransom->note_id);                    \
        add_supplier((g), (body)->supplier);                                                       \
        add_cves((g), (body)->summary);                                                            \
        add_cves((g), (body)->cause);                                                              \
        add_cves((g), (body)->traces);                                                             \
    } while (0)

static void add_sub(struct gathering *g, const char *sub)
{
    for (size_t i = 0; sub && i < g->c->rules_n; i++) {
        const struct correlation_rule *rule = &g->c->rules[i];
        struct trait t = {.rule = rule, .type = INDICATOR_OTHER, .drill = g->drill};

        for (size_t s = 0; s < rule->subs_n; s++)
            if (strcmp(rule->subs[s], sub) == 0)
                t.value = rule->subs[s];
        if (!t.value)
            continue;
        derive_trait(&t);
        add_trait(g->ret, &t);
    }
}

void traits_of(struct traits *ret, const struct correlation *c, const struct event *ev,
               struct arena *arena)
{
    struct gathering g = {.ret = ret, .c = c, .arena = arena, .drill = ev->drill};

    ret->n = ret->left_out = 0;
    if (ev->type == EVENT_REPORT_SUBMITTED)
        ADD_FACTS(&g, ev->report_submitted);
    else if (ev->type == EVENT_REPORT_SUPPLEMENTED)
        ADD_FACTS(&g, ev->report_supplemented);
    else if (ev->type == EVENT_INCIDENT_CLASSIFIED || ev->type == EVENT_INCIDENT_RECLASSIFIED)
        add_sub(&g, ev->incident_classified->gbt20986->sub);
}
