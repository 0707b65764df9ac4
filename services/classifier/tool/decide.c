#include "services/classifier/tool/decide.h"

#include <string.h>

#include "common/base/clock.h"
#include "services/classifier/tool/tool.h"

/* Who reports is not known: an enterprise like any other. */
static const struct {
    const char *name, *value;
} unknown_profile[] = {
    {"code", "\"-\""}, {"name", "\"-\""},   {"sector", "\"-\""},
    {"staff", "0"},    {"is_cii", "false"}, {"is_listed", "false"},
};

/* What is given over what is not known; *ret borrows from *ret_doc. */
static bool read_profile(json_t *given, json_t **ret_doc, struct profile *ret, struct arena *arena,
                         struct err *err)
{
    json_t *profile = *ret_doc = json_object();
    struct err why = {0};

    for (size_t i = 0; profile && i < ARRAY_LEN(unknown_profile); i++)
        if (json_object_set_new(profile, unknown_profile[i].name,
                                json_loads(unknown_profile[i].value, JSON_DECODE_ANY, NULL)))
            return err_memory(err);
    if (!profile || (json_is_object(given) && json_object_update(profile, given)))
        return err_memory(err);
    if (given && !json_is_object(given))
        return err_at(err, "/profile", "must be an object");
    return shape_decode(&profile_shape, profile, true, TIME_ANY_RFC3339, ret, arena, &why) ||
           err_at(err, "/profile", "%s: %s", why.pointer, why.text);
}

static bool read_report(json_t *report, struct report_request *ret, struct arena *arena,
                        struct err *err)
{
    char now[CLOCK_TEXT_MAX];

    clock_format_utc(now, clock_wall_ms());
    if (!json_object_get(report, "discovered_at") &&
        json_object_set_new(report, "discovered_at", json_string(now)))
        return err_memory(err);
    return shape_decode(&report_request_shape, report, true, TIME_ANY_RFC3339, ret, arena, err);
}

static json_t *list_of(const struct shape *shape, const void *items, size_t n)
{
    json_t *ret = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(ret, shape_encode(shape, (const char *)items + i * shape->size)))
            break; /* json_pack() below fails for what is missing: memory */
    return ret;
}

static json_t *level_json(bool has_level, enum level level)
{
    return has_level ? json_string(enum_text(&level_table, (int)level)) : json_null();
}

static json_t *regimes_of(const struct incident_classified *body)
{
    json_t *ret = json_object();

    for (size_t i = 0; i < body->regimes_n; i++) {
        const struct regime_grade *grade = &body->regimes[i];
        json_t *regime = json_pack("{s:o,s:b}", "level", level_json(grade->has_level, grade->level),
                                   "needs_human", grade->needs_human);

        if (grade->has_reportable)
            (void)json_object_set_new(regime, "reportable", json_boolean(grade->reportable));
        (void)json_object_set_new(ret, grade->regime, regime);
    }
    return ret;
}

json_t *decision_json(const struct incident_classified *body)
{
    return json_pack("{s:s,s:o,s:o,s:b,s:o,s:o,s:o,s:s}", "category",
                     enum_text(&category_table, (int)body->category), "gbt20986",
                     shape_encode(&gbt_category_shape, body->gbt20986), "level",
                     level_json(true, body->level), "needs_human", body->needs_human, "regimes",
                     regimes_of(body), "reasons",
                     list_of(&reason_shape, body->reasons, body->reasons_n), "missing",
                     list_of(&missing_shape, body->missing, body->missing_n), "policy_version",
                     body->policy_version);
}

bool decide_report(struct decided *ret, const struct policy *policy, json_t *report,
                   struct err *err)
{
    AUTO(auto_json) json_t *given = json_incref(json_object_get(report, "profile"));
    struct classify_input in = {.facts = &ret->facts, .profile = &ret->profile};
    struct report_request request;

    *ret = (struct decided){.report = json_incref(report)};
    arena_init(&ret->arena, 4 * CLASSIFY_ARENA_MAX_BYTES);
    (void)json_object_del(report, "profile");
    if (!read_profile(given, &ret->profile_doc, &ret->profile, &ret->arena, err) ||
        !read_report(report, &request, &ret->arena, err))
        return false;
    facts_of_request(&ret->facts, &request);
    in.summary = ret->body.summary = request.summary;
    in.discovered_at = request.discovered_at;
    ret->body.facts = &ret->facts;
    ret->body.profile = &ret->profile;
    classify_read(policy, in.summary, &ret->facts, &in);
    return classify(policy, &in, &ret->arena, &ret->body, err);
}

void decided_done(struct decided *d)
{
    arena_done(&d->arena);
    json_decref(d->profile_doc);
    json_decref(d->report);
    *d = (struct decided){0};
}

bool decide_again(const struct policy *policy, const struct incident_classified *grade,
                  struct arena *arena, struct incident_classified *ret, struct err *err)
{
    struct classify_input in = {.summary = grade->summary,
                                .facts = grade->facts,
                                .profile = grade->profile,
                                .discovered_at = grade->discovered_at,
                                .campaign = grade->campaign};

    *ret = *grade;
    classify_read(policy, in.summary, in.facts, &in);
    return classify(policy, &in, arena, ret, err);
}

bool tool_decide(const struct policy *policy, const char *report, size_t len, json_t **ret,
                 struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(decided_done) struct decided decided = {0};

    if (!json_read_strict(&doc, report, len, err) || !decide_report(&decided, policy, doc, err))
        return false;
    *ret = decision_json(&decided.body);
    return *ret || err_memory(err);
}
