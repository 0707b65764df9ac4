#include "services/classifier/standing.h"

#include <string.h>

static const char reportable[] = "reportable";

void standing_of(struct standing *ret, const struct incident_classified *grade)
{
    ret->n = 0;
    for (size_t i = 0; i < grade->regimes_n && ret->n < POLICY_REGIMES_MAX; i++) {
        const struct regime_grade *from = &grade->regimes[i];
        struct standing_regime *to = &ret->regimes[ret->n];

        *to = (struct standing_regime){.has_level = from->has_level,
                                       .level = from->level,
                                       .is_reportable = from->has_reportable && from->reportable};
        if ((!to->has_level && !to->is_reportable) || strlen(from->regime) >= sizeof(to->regime))
            continue;
        memcpy(to->regime, from->regime, strlen(from->regime) + 1);
        ret->n++;
    }
}

static struct regime_grade *find(struct incident_classified *body, const char *regime)
{
    for (size_t i = 0; i < body->regimes_n; i++)
        if (strcmp(body->regimes[i].regime, regime) == 0)
            return &body->regimes[i];
    return NULL;
}

/* The regime is none of the policy's any more, or applies no more. */
static bool add(struct incident_classified *body, const char *regime, struct arena *arena,
                struct regime_grade **ret)
{
    size_t size = strlen(regime) + 1;
    char *copy;

    *ret = NULL;
    if (body->regimes_n == POLICY_REGIMES_MAX)
        return true;
    copy = arena_take(arena, size);
    if (!copy)
        return false;
    *ret = &body->regimes[body->regimes_n++];
    **ret = (struct regime_grade){.regime = memcpy(copy, regime, size)};
    SHAPE_SET(*ret, needs_human, false);
    return true;
}

static bool keep(const struct standing_regime *s, struct incident_classified *body,
                 struct arena *arena)
{
    struct regime_grade *grade = find(body, s->regime);
    bool had_more = s->has_level && (!grade || !grade->has_level || grade->level < s->level);
    bool had_report = s->is_reportable && (!grade || !grade->has_reportable || !grade->reportable);

    if (!had_more && !had_report)
        return true;
    if (!grade && !add(body, s->regime, arena, &grade))
        return false;
    if (!grade)
        return true;
    if (had_more)
        SHAPE_SET(grade, level, s->level);
    if (had_report)
        SHAPE_SET(grade, reportable, true);
    SHAPE_SET(grade, needs_human, true);
    SHAPE_SET(body, needs_human, true);
    return true;
}

bool standing_keep(const struct standing *s, struct incident_classified *body, struct arena *arena,
                   struct err *err)
{
    for (size_t i = 0; i < s->n; i++)
        if (!keep(&s->regimes[i], body, arena))
            return err_memory(err);
    return true;
}

/* --- as it is stored --- */

bool standing_write(const struct standing *s, struct buf *out, struct err *err)
{
    buf_char(out, '{');
    for (size_t i = 0; i < s->n; i++) {
        const struct standing_regime *r = &s->regimes[i];

        buf_str(out, i > 0 ? "," : "");
        buf_json(out, r->regime);
        buf_printf(out, ":\"%s%s%s\"", r->has_level ? enum_text(&level_table, (int)r->level) : "",
                   r->has_level && r->is_reportable ? " " : "", r->is_reportable ? reportable : "");
    }
    return buf_char(out, '}') || err_memory(err);
}

static bool read_one(struct standing_regime *ret, const char *regime, const char *text)
{
    const char *level_end = strchrnul(text, ' ');
    char name[32] = "";
    int level;

    *ret = (struct standing_regime){.is_reportable = strstr(text, reportable) != NULL};
    if (strlen(regime) >= sizeof(ret->regime) || (size_t)(level_end - text) >= sizeof(name))
        return false;
    memcpy(ret->regime, regime, strlen(regime) + 1);
    memcpy(name, text, (size_t)(level_end - text));
    ret->has_level = enum_parse(&level_table, name, &level);
    if (ret->has_level)
        ret->level = (enum level)level;
    return ret->has_level || ret->is_reportable;
}

void standing_read(struct standing *ret, const char *text)
{
    AUTO(auto_json) json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
    const char *regime;
    json_t *value;

    ret->n = 0;
    json_object_foreach(
        doc, regime, value) if (ret->n < POLICY_REGIMES_MAX && json_is_string(value) &&
                                read_one(&ret->regimes[ret->n], regime, json_string_value(value)))
        ret->n++;
}
