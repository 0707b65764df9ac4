#include "services/classifier/case_parts.h"

#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

#define SUMMARY_CHARS_MAX 4000

static bool grade_all(struct regrade *r, const struct case_file *c, const struct policy *policy,
                      const struct event *decision, struct highest *h, struct err *err)
{
    struct merging m;

    merging_begin(&m, c, policy, &r->arena);
    if (!case_find_highest(h, &m, decision, true, err))
        return false;
    r->body = h->body;
    r->body.facts = arena_take(&r->arena, sizeof(*r->body.facts));
    if (!r->body.facts)
        return err_memory(err);
    *r->body.facts = m.facts;
    return true;
}

/* The summaries below each other, as many as fit. */
static bool join_summaries(struct regrade *r, const struct case_file *c, struct err *err)
{
    AUTO(buf_done) struct buf text;
    size_t chars = 0;
    char *copy;

    buf_init(&text, (size_t)SUMMARY_CHARS_MAX * 4 + 1);
    for (size_t i = 0; i < c->inputs_n; i++) {
        const char *summary =
            case_is_fact(&c->inputs[i]) ? case_summary_of(&c->inputs[i].ev) : NULL;
        size_t more = summary ? utf8_count(summary, strlen(summary)) + 1 : 0;

        if (!summary || chars + more > SUMMARY_CHARS_MAX + 1)
            continue;
        if (chars > 0)
            buf_char(&text, '\n');
        buf_str(&text, summary);
        chars += more;
    }
    copy = text.failed ? NULL : arena_take(&r->arena, text.len + 1);
    if (!copy)
        return err_memory(err);
    memcpy(copy, buf_text(&text), text.len + 1);
    r->body.summary = copy;
    return true;
}

/* When the last of the inputs happened: follows from them, whatever order they came in. */
static int64_t last_occurred_at(const struct case_file *c)
{
    int64_t ret = 0;

    for (size_t i = 0; i < c->inputs_n; i++)
        if (!c->inputs[i].is_stranger && c->inputs[i].ev.occurred_at > ret)
            ret = c->inputs[i].ev.occurred_at;
    return ret;
}

static void fill_common(struct regrade *r, const struct case_file *c,
                        const struct report_submitted *report, const struct event *decision)
{
    struct incident_classified *body = &r->body;
    bool is_decided = decision && strcmp(c->published.decision_event_id.text, decision->id.text);

    body->enterprise_id = report->enterprise_id;
    body->incident_id = report->incident_id;
    body->reference = report->reference;
    r->cause = is_decided ? &decision->id : &c->changed_by;
    body->parent_event_id = r->cause->text;
    body->answers_event_id = is_decided ? decision->id.text : NULL;
    body->profile = report->profile;
    SHAPE_SET(body, occurred_at, last_occurred_at(c));
    SHAPE_SET(body, drill, report->drill);
    SHAPE_SET(body, discovered_at, report->discovered_at);
    SHAPE_SET(body, revision, (c->published.revision > 0 ? c->published.revision : 0) + 1);
}

/* A person's level and category stand above the rules'. */
static bool apply_decision(struct regrade *r, const struct policy *policy,
                           const struct event *decision, struct err *err)
{
    const struct action_reclassified *action = decision->action_reclassified;
    struct incident_classified *body = &r->body;

    r->decision_event_id = decision->id;
    SHAPE_SET(body, level, action->level);
    SHAPE_SET(body, needs_human, false);
    SHAPE_SET(body, decided_by, action->actor->scope == SCOPE_PARK ? SCOPE_PARK : SCOPE_ENTERPRISE);
    body->actor = action->actor;
    body->why = action->reason;
    if (!action->has_category || action->category == body->category)
        return true;
    SHAPE_SET(body, category, action->category);
    body->gbt20986 = arena_take(&r->arena, sizeof(*body->gbt20986));
    if (!body->gbt20986)
        return err_memory(err);
    SHAPE_SET(body->gbt20986, name, policy->gbt_of_category[action->category]);
    body->gbt20986->zh = gbt20986_table.values[body->gbt20986->name].zh;
    return true;
}

/* Rules never lower: what another policy graded higher stays until a person decides. */
static void keep_level(struct regrade *r, const struct published *p)
{
    if (p->revision < 0 || r->body.level >= p->level)
        return;
    SHAPE_SET(&r->body, level, p->level);
    SHAPE_SET(&r->body, needs_human, true);
}

/* --- the challenge to a person's decision --- */

/* The rules' highest level by what the person who decided could know. */
static bool level_before(const struct case_file *c, const struct policy *policy,
                         const struct event *decision, const struct highest *h, enum level *ret,
                         struct err *err)
{
    AUTO(arena_done) struct arena merged;
    AUTO(highest_done) struct highest before = {0};
    struct merging m;

    arena_init(&merged, CASE_ARENA_MAX_BYTES);
    *ret = h->before;
    if (!h->is_split)
        return true;
    merging_begin(&m, c, policy, &merged);
    if (!case_find_highest(&before, &m, decision, false, err))
        return false;
    *ret = before.before;
    return true;
}

/* The rules that give the level. */
static bool give_reasons(struct regrade *r, const struct incident_classified *graded,
                         struct err *err)
{
    struct incident_challenged *body = &r->challenge;

    body->reasons = arena_take(&r->arena, (graded->reasons_n + 1) * sizeof(*body->reasons));
    if (!body->reasons)
        return err_memory(err);
    for (size_t i = 0; i < graded->reasons_n; i++)
        if (graded->reasons[i].has_level && graded->reasons[i].level == graded->level)
            body->reasons[body->reasons_n++] = graded->reasons[i];
    return true;
}

static bool fill_challenge(struct regrade *r, const struct event *decision, const struct highest *h,
                           struct err *err)
{
    const struct action_reclassified *action = decision->action_reclassified;
    struct incident_challenged *body = &r->challenge;

    r->is_challenge_due = true;
    r->news = &h->by->id;
    body->enterprise_id = r->body.enterprise_id;
    body->incident_id = r->body.incident_id;
    body->reference = r->body.reference;
    body->decision_event_id = decision->id.text;
    body->parent_event_id = r->news->text;
    body->actor = action->actor;
    body->policy_version = h->body.policy_version;
    SHAPE_SET(body, occurred_at, h->by->occurred_at);
    SHAPE_SET(body, drill, r->body.drill);
    SHAPE_SET(body, decided_level, action->level);
    SHAPE_SET(body, level, h->body.level);
    return give_reasons(r, &h->body, err);
}

static bool challenge(struct regrade *r, const struct case_file *c, const struct policy *policy,
                      const struct event *decision, const struct highest *h, struct err *err)
{
    const struct published *p = &c->published;
    bool is_said = p->is_challenged && h->body.level <= p->challenged_level &&
                   strcmp(p->decision_event_id.text, decision->id.text) == 0;
    enum level before;

    if (!h->by || h->body.level <= decision->action_reclassified->level ||
        h->body.level <= h->before || is_said)
        return true;
    if (!level_before(c, policy, decision, h, &before, err))
        return false;
    return h->body.level <= before || fill_challenge(r, decision, h, err);
}

void case_challenge_id(struct id *ret, const struct regrade *r)
{
    char about[ID_TEXT_LEN + 32];

    snprintf(about, sizeof(about), "%s %s", r->challenge.decision_event_id,
             enum_text(&level_table, (int)r->challenge.level));
    event_id_derive(ret, r->news, "challenged", about);
}

/* --- the whole --- */

static bool differs(const struct published *p, const struct regrade *r)
{
    return p->revision < 0 || p->level != r->body.level || p->category != r->body.category ||
           p->gbt != r->body.gbt20986->name || strcmp(p->digest, r->digest) != 0 ||
           strcmp(p->decision_event_id.text, r->decision_event_id.text) != 0;
}

bool case_regrade(struct regrade *ret, const struct case_file *c, const struct policy *policy,
                  struct err *err)
{
    AUTO(highest_done) struct highest h = {0};
    const struct report_submitted *report = case_first_report(c);
    const struct event *decision = case_deciding(c);

    *ret = (struct regrade){0};
    arena_init(&ret->arena, CASE_ARENA_MAX_BYTES);
    /* Without a published grade only a person's decision may come first; with one and nothing but its report there is nothing to add. */
    if (!report || (c->published.revision < 0 ? !decision : case_count_known(c) < 2))
        return true;
    if (!grade_all(ret, c, policy, decision, &h, err) || !join_summaries(ret, c, err))
        return false;
    fill_common(ret, c, report, decision);
    if (!standing_keep(&c->published.standing, &ret->body, &ret->arena, err))
        return false;
    if (!decision)
        keep_level(ret, &c->published);
    else if (!challenge(ret, c, policy, decision, &h, err) ||
             !apply_decision(ret, policy, decision, err))
        return false;
    case_write_digest(ret->digest, &ret->body);
    ret->is_due = differs(&c->published, ret);
    ret->graded = h.arena;
    h.arena = (struct arena){0};
    return true;
}

void regrade_done(struct regrade *r)
{
    arena_done(&r->arena);
    arena_done(&r->graded);
    *r = (struct regrade){0};
}
