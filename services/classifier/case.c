#include "services/classifier/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "proto/node.h"
#include "services/classifier/classify.h"
#include "services/classifier/facts.h"

#define SUMMARY_CHARS_MAX     4000
#define STAGE_ARENA_MAX_BYTES (4 * CLASSIFY_ARENA_MAX_BYTES) /* with what is kept of others */

void case_done(struct case_file *c)
{
    for (size_t i = 0; i < c->inputs_n; i++)
        event_done(&c->inputs[i].ev);
    free(c->inputs);
    c->inputs = NULL;
    c->inputs_n = c->inputs_cap = 0;
}

/* --- inputs --- */

static const struct actor *actor_of(const struct event *ev)
{
    if (ev->type == EVENT_REPORT_SUBMITTED)
        return ev->report_submitted->actor;
    if (ev->type == EVENT_REPORT_SUPPLEMENTED)
        return ev->report_supplemented->actor;
    return event_is_action(ev->type) ? event_action(ev)->actor : NULL;
}

static enum scope scope_of(const struct event *ev)
{
    const struct actor *actor = actor_of(ev);

    return actor ? actor->scope : SCOPE_SYSTEM;
}

static bool is_stranger(const struct case_file *c, const struct event *ev)
{
    return strcmp(ev->enterprise_id.text, c->enterprise_id.text) != 0 &&
           !(scope_of(ev) == SCOPE_PARK && ev->type != EVENT_REPORT_SUBMITTED);
}

static int compare_times(const struct event *a, const struct event *b)
{
    if (a->occurred_at != b->occurred_at)
        return a->occurred_at < b->occurred_at ? -1 : 1;
    return strcmp(a->id.text, b->id.text);
}

static int compare(const struct event *a, const struct event *b)
{
    bool a_reports = a->type == EVENT_REPORT_SUBMITTED,
         b_reports = b->type == EVENT_REPORT_SUBMITTED;

    if (a_reports != b_reports)
        return a_reports ? -1 : 1;
    return compare_times(a, b);
}

static bool is_known(const struct case_file *c, const struct id *id)
{
    for (size_t i = 0; i < c->inputs_n; i++)
        if (strcmp(c->inputs[i].ev.id.text, id->text) == 0)
            return true;
    return false;
}

static bool make_room(struct case_file *c, struct err *err)
{
    size_t cap = c->inputs_cap ? 2 * c->inputs_cap : 4;
    struct case_input *inputs;

    if (c->inputs_n < c->inputs_cap)
        return true;
    inputs = reallocarray(c->inputs, cap, sizeof(*inputs));
    if (!inputs)
        return err_memory(err);
    c->inputs = inputs;
    c->inputs_cap = cap;
    return true;
}

bool case_add(struct case_file *c, struct event *ev, bool is_early, void *origin, struct err *err)
{
    size_t at = c->inputs_n;

    if (!make_room(c, err))
        return false;
    while (at > 0 && compare(&c->inputs[at - 1].ev, ev) > 0) {
        c->inputs[at] = c->inputs[at - 1];
        at--;
    }
    c->inputs[at] = (struct case_input){.ev = *ev, .is_early = is_early, .origin = origin};
    c->inputs_n++;
    *ev = (struct event){0};
    return true;
}

/* --- taking an event --- */

/* Early inputs belong to the incident now, but for those of strangers. */
static void open_case(struct case_file *c, const struct event *ev)
{
    c->enterprise_id = ev->enterprise_id;
    for (size_t i = 0; i < c->inputs_n; i++) {
        c->inputs[i].is_early = false;
        c->inputs[i].is_stranger = is_stranger(c, &c->inputs[i].ev);
    }
}

/* A challenge is of one decision: another one, or none, has not been challenged. */
static void stand(struct case_file *c, struct published p)
{
    const struct published *was = &c->published;

    if (id_is_set(&p.decision_event_id) &&
        strcmp(p.decision_event_id.text, was->decision_event_id.text) == 0) {
        p.is_challenged = was->is_challenged;
        p.challenged_level = was->challenged_level;
    }
    c->published = p;
}

/* Duties are judged by a grade's regimes and facts, so a grade at the same level that says other things is another grade. Not enough memory: "". */
static void write_digest(char ret[SHA256_HEX_MAX], const struct incident_classified *body)
{
    AUTO(buf_done) struct buf text;
    uint8_t digest[SHA256_LEN];
    bool ok = true;

    buf_init(&text, EVENT_BODY_MAX_BYTES);
    for (size_t i = 0; ok && i < body->regimes_n; i++)
        ok = shape_canonical(&regime_grade_shape, &body->regimes[i], &text, NULL);
    ok = ok && shape_canonical(&gbt_category_shape, body->gbt20986, &text, NULL) &&
         shape_canonical(&facts_shape, body->facts, &text, NULL) &&
         buf_str(&text, body->needs_human ? "needs a person" : "");
    ret[0] = '\0';
    if (!ok)
        return;
    sha256(text.data, text.len, digest);
    hex_encode(ret, digest, SHA256_LEN);
}

/* A person's decision that a grade follows: the one that it answers, or else the one that stood before. */
static void read_decision(struct id *ret, const struct incident_classified *grade,
                          const struct published *was)
{
    if (grade->decided_by == SCOPE_SYSTEM)
        return;
    if (grade->answers_event_id)
        (void)id_set(ret, grade->answers_event_id, ID_TEXT_LEN);
    else if (id_is_set(&was->decision_event_id))
        *ret = was->decision_event_id;
    else
        (void)id_set(ret, grade->parent_event_id, ID_TEXT_LEN);
}

/* What incident.v1 says: a greater revision replaces a smaller one. A refusal only repeats one. */
static enum case_outcome take_grade(struct case_file *c, struct event *ev)
{
    const struct incident_classified *grade = ev->incident_classified;
    bool is_news = !grade->refused_why && grade->revision > c->published.revision;

    if (is_news) {
        struct published p = {.revision = grade->revision,
                              .level = grade->level,
                              .category = grade->category,
                              .gbt = grade->gbt20986->name};

        read_decision(&p.decision_event_id, grade, &c->published);
        write_digest(p.digest, grade);
        stand(c, p);
    }
    event_done(ev);
    return is_news ? CASE_CHANGED : CASE_UNCHANGED;
}

/* The first report: who reported what when. NULL: none yet. */
static const struct report_submitted *first_report(const struct case_file *c)
{
    for (size_t i = 0; i < c->inputs_n; i++)
        if (c->inputs[i].ev.type == EVENT_REPORT_SUBMITTED && !c->inputs[i].is_stranger)
            return c->inputs[i].ev.report_submitted;
    return NULL;
}

/* Those that are of its kind and by its sender. */
static size_t count_like(const struct case_file *c, const struct event *ev)
{
    size_t ret = 0;

    for (size_t i = 0; i < c->inputs_n; i++) {
        const struct event *other = &c->inputs[i].ev;

        ret += !c->inputs[i].is_stranger && other->type == ev->type &&
               scope_of(other) == scope_of(ev) &&
               strcmp(other->enterprise_id.text, ev->enterprise_id.text) == 0;
    }
    return ret;
}

/* The campaign that has hit most: of several it is what a grade goes by. NULL: the incident is part of none. */
static const struct campaign *widest_campaign(const struct case_file *c)
{
    const struct campaign *ret = NULL;

    for (size_t i = 0; i < c->inputs_n; i++) {
        const struct event *ev = &c->inputs[i].ev;

        if (ev->type == EVENT_INCIDENT_LINKED && !c->inputs[i].is_stranger &&
            (!ret || ev->incident_linked->campaign->enterprises > ret->enterprises))
            ret = ev->incident_linked->campaign;
    }
    return ret;
}

/* An older or a smaller campaign than the one that is known changes nothing. */
static bool is_old_news(const struct case_file *c, const struct event *ev)
{
    const struct campaign *widest = widest_campaign(c);

    return ev->type == EVENT_INCIDENT_LINKED && widest &&
           ev->incident_linked->campaign->enterprises <= widest->enterprises;
}

static enum case_outcome take_input(struct case_file *c, struct event *ev, bool early_room,
                                    void *origin, struct err *err)
{
    bool is_early = !id_is_set(&c->enterprise_id);
    struct id id = ev->id;

    if (is_known(c, &ev->id) || is_old_news(c, ev)) {
        event_done(ev);
        return CASE_UNCHANGED;
    }
    if (is_early && !early_room) {
        err_set(err, ERR_INPUT,
                "the incident is not known, and its enterprise has left too many events that wait "
                "for incidents: replay it when the incident is there");
        return CASE_REFUSED;
    }
    if (count_like(c, ev) >= CASE_INPUTS_MAX) {
        err_set(err, ERR_INPUT, "the incident has %d %s of this sender already", CASE_INPUTS_MAX,
                event_types[ev->type].name);
        return ev->type == EVENT_ACTION_RECLASSIFIED && first_report(c) ? CASE_ANSWERED
                                                                        : CASE_REFUSED;
    }
    if (!case_add(c, ev, is_early, origin, err))
        return CASE_FAILED;
    for (size_t i = 0; i < c->inputs_n; i++)
        if (strcmp(c->inputs[i].ev.id.text, id.text) == 0)
            c->inputs[i].is_new = true;
    return CASE_CHANGED;
}

enum case_outcome case_take(struct case_file *c, struct event *ev, bool early_room, void *origin,
                            struct err *err)
{
    bool is_grade =
        ev->type == EVENT_INCIDENT_CLASSIFIED || ev->type == EVENT_INCIDENT_RECLASSIFIED;
    struct id id = ev->id;
    enum case_outcome ret;

    if (!id_is_set(&c->enterprise_id) && (is_grade || ev->type == EVENT_REPORT_SUBMITTED))
        open_case(c, ev);
    if (id_is_set(&c->enterprise_id) && is_stranger(c, ev)) {
        err_set(err, ERR_INPUT, "%s of enterprise %s on an incident of another enterprise: refused",
                event_types[ev->type].name, ev->enterprise_id.text);
        return CASE_STRANGER;
    }
    ret = is_grade ? take_grade(c, ev) : take_input(c, ev, early_room, origin, err);
    if (ret == CASE_CHANGED || ret == CASE_ANSWERED)
        c->changed_by = id;
    return ret;
}

/* --- the grade by all that is known --- */

static bool is_fact(const struct case_input *input)
{
    return !input->is_stranger && (input->ev.type == EVENT_REPORT_SUBMITTED ||
                                   input->ev.type == EVENT_REPORT_SUPPLEMENTED);
}

static size_t count_known(const struct case_file *c)
{
    size_t ret = 0;

    for (size_t i = 0; i < c->inputs_n; i++)
        ret += !c->inputs[i].is_stranger;
    return ret;
}

static bool outranks(const struct event *a, const struct event *b)
{
    bool a_park = event_action(a)->actor->scope == SCOPE_PARK;
    bool b_park = event_action(b)->actor->scope == SCOPE_PARK;

    return a_park == b_park ? compare(a, b) > 0 : a_park;
}

static const struct event *deciding(const struct case_file *c)
{
    const struct event *ret = NULL;

    for (size_t i = 0; i < c->inputs_n; i++) {
        const struct case_input *input = &c->inputs[i];

        if (input->ev.type == EVENT_ACTION_RECLASSIFIED && !input->is_stranger &&
            (!ret || outranks(&input->ev, ret)))
            ret = &input->ev;
    }
    return ret;
}

static const char *summary_of(const struct event *ev)
{
    return ev->type == EVENT_REPORT_SUBMITTED ? ev->report_submitted->summary
                                              : ev->report_supplemented->summary;
}

struct merging {
    const struct case_file *c;
    const struct policy *policy;
    struct facts facts;
    struct classify_input in;
    struct arena *arena; /* what was merged lives there */
};

static void merging_begin(struct merging *m, const struct case_file *c, const struct policy *policy,
                          struct arena *arena)
{
    const struct report_submitted *report = first_report(c);

    *m = (struct merging){.c = c, .policy = policy, .arena = arena};
    m->in.facts = &m->facts;
    m->in.discovered_at = report ? report->discovered_at : 0;
    m->in.campaign = widest_campaign(c);
}

static bool merge_input(struct merging *m, size_t i, struct err *err)
{
    const struct event *ev = &m->c->inputs[i].ev;
    const struct profile *profile = NULL;
    struct facts facts;

    if (ev->type == EVENT_REPORT_SUBMITTED) {
        facts_of_report(&facts, ev->report_submitted);
        profile = ev->report_submitted->profile;
    } else {
        facts_of_supplement(&facts, ev->report_supplemented);
    }
    if (!m->in.profile)
        m->in.profile = profile;
    classify_read(m->policy, summary_of(ev), &facts, &m->in);
    return facts_merge(&m->facts, &facts, m->arena, err);
}

/* The decision at the last stage of the merging that reached the highest level, and what a challenge has to know of the way there. */
struct highest {
    struct incident_classified body;
    struct arena arena; /* the body lives there */
    bool is_set;
    enum level before; /* the highest level that a stage without news reached; is_split: or more */
    bool is_split;     /* some of what is no news was merged behind news */
    const struct event *by; /* the last news when the level was first reached; NULL: none yet */
};

static void highest_done(struct highest *h)
{
    arena_done(&h->arena);
}

/* --- what a later stage takes nothing of --- */

static bool copy_reason(struct incident_classified *to, const struct reason *from,
                        struct arena *arena)
{
    struct reason *reason = &to->reasons[to->reasons_n];

    if (to->reasons_n == CLASSIFY_REASONS_MAX)
        return true;
    *reason = *from;
    if (from->source) {
        reason->source = arena_take(arena, sizeof(*reason->source));
        if (!reason->source)
            return false;
        *reason->source = *from->source;
    }
    reason->fields = arena_take(arena, (from->fields_n + 1) * sizeof(*reason->fields));
    if (!reason->fields)
        return false;
    for (size_t i = 0; i < from->fields_n; i++) {
        size_t size = strlen(from->fields[i].value) + 1;
        char *value = arena_take(arena, size);

        if (!value)
            return false;
        reason->fields[i] = (struct read_field){from->fields[i].pointer,
                                                memcpy(value, from->fields[i].value, size)};
    }
    to->reasons_n++;
    return true;
}

static struct regime_grade *grade_by(struct incident_classified *body, const char *regime)
{
    for (size_t i = 0; i < body->regimes_n; i++)
        if (strcmp(body->regimes[i].regime, regime) == 0)
            return &body->regimes[i];
    if (body->regimes_n == POLICY_REGIMES_MAX)
        return NULL;
    body->regimes[body->regimes_n] = (struct regime_grade){.regime = regime};
    SHAPE_SET(&body->regimes[body->regimes_n], needs_human, false);
    return &body->regimes[body->regimes_n++];
}

/* Of one regime: a level that another stage reached stays reached, and what has to be reported stays so, with the reasons. */
static bool keep_regime(struct incident_classified *to, const struct incident_classified *from,
                        const struct regime_grade *was, struct arena *arena)
{
    struct regime_grade *grade = grade_by(to, was->regime);
    bool had_more, had_report;

    if (!grade)
        return true;
    had_more = was->has_level && (!grade->has_level || was->level > grade->level);
    had_report =
        was->has_reportable && was->reportable && !(grade->has_reportable && grade->reportable);
    if (had_more)
        SHAPE_SET(grade, level, was->level);
    if (had_report)
        SHAPE_SET(grade, reportable, true);
    for (size_t i = 0; (had_more || had_report) && i < from->reasons_n; i++) {
        const struct reason *reason = &from->reasons[i];

        if (strcmp(reason->regime, was->regime) == 0 &&
            (had_report || (reason->has_level && reason->level == was->level)) &&
            !copy_reason(to, reason, arena))
            return false;
    }
    if (had_more || had_report)
        grade->needs_human = grade->needs_human || was->needs_human;
    to->needs_human = to->needs_human || grade->needs_human;
    return true;
}

/* Legal duties run by regime: no supplement takes a regime's level back, as none takes back the incident's. */
static bool keep_regimes(struct incident_classified *to, const struct incident_classified *from,
                         struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < from->regimes_n; i++)
        if (!keep_regime(to, from, &from->regimes[i], arena))
            return err_memory(err);
    return true;
}

/* Classifies the stage. What it gave stands if nothing before was higher; of the other the regimes that were higher. */
static bool take_stage(struct highest *h, const struct merging *m, const struct event *news,
                       struct err *err)
{
    AUTO(arena_done) struct arena arena;
    struct incident_classified body = {0};

    arena_init(&arena, STAGE_ARENA_MAX_BYTES);
    if (!classify(m->policy, &m->in, &arena, &body, err))
        return false;
    if (!news && body.level > h->before)
        h->before = body.level;
    if (h->is_set && body.level < h->body.level)
        return keep_regimes(&h->body, &body, &h->arena, err);
    if (!h->is_set || body.level > h->body.level)
        h->by = news;
    if (h->is_set && !keep_regimes(&body, &h->body, &arena, err))
        return false;
    arena_done(&h->arena);
    h->arena = arena;
    arena = (struct arena){0};
    h->body = body;
    h->is_set = true;
    return true;
}

/* A report is graded by itself as soon as it comes; so it is a stage by itself, too, wherever it comes to stand behind the first. */
static bool take_report_alone(struct highest *h, struct merging *m, size_t i,
                              const struct event *news, struct err *err)
{
    struct merging alone;

    if (m->c->inputs[i].ev.type != EVENT_REPORT_SUBMITTED || !h->is_set)
        return true;
    merging_begin(&alone, m->c, m->policy, m->arena);
    alone.in.discovered_at = m->c->inputs[i].ev.report_submitted->discovered_at;
    return merge_input(&alone, i, err) && take_stage(h, &alone, news, err);
}

/* NULL: nobody decided. */
static bool is_after(const struct event *ev, const struct event *decision)
{
    return decision && compare_times(ev, decision) > 0;
}

/* Each text is read once: reading is what a grade costs. with_news: false leaves out what is news to whoever decided. The first report never is. */
static bool find_highest(struct highest *ret, struct merging *m, const struct event *decision,
                         bool with_news, struct err *err)
{
    const struct event *news = NULL;

    *ret = (struct highest){.before = LEVEL_GENERAL};
    for (size_t i = 0; i < m->c->inputs_n; i++) {
        const struct case_input *input = &m->c->inputs[i];
        bool is_new = ret->is_set && is_after(&input->ev, decision);

        if (!is_fact(input) || (is_new && !with_news))
            continue;
        if (is_new)
            news = &input->ev;
        ret->is_split = ret->is_split || (news && !is_new);
        if (!take_report_alone(ret, m, i, news, err) || !merge_input(m, i, err) ||
            !take_stage(ret, m, news, err))
            return false;
    }
    return true;
}

static bool grade_all(struct regrade *r, const struct case_file *c, const struct policy *policy,
                      const struct event *decision, struct highest *h, struct err *err)
{
    struct merging m;

    merging_begin(&m, c, policy, &r->arena);
    if (!find_highest(h, &m, decision, true, err))
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
        const char *summary = is_fact(&c->inputs[i]) ? summary_of(&c->inputs[i].ev) : NULL;
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
    if (!find_highest(&before, &m, decision, false, err))
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
    const struct report_submitted *report = first_report(c);
    const struct event *decision = deciding(c);

    *ret = (struct regrade){0};
    arena_init(&ret->arena, CASE_ARENA_MAX_BYTES);
    /* Without a published grade only a person's decision may come first; with one and nothing but its report there is nothing to add. */
    if (!report || (c->published.revision < 0 ? !decision : count_known(c) < 2))
        return true;
    if (!grade_all(ret, c, policy, decision, &h, err) || !join_summaries(ret, c, err))
        return false;
    fill_common(ret, c, report, decision);
    if (!decision)
        keep_level(ret, &c->published);
    else if (!challenge(ret, c, policy, decision, &h, err) ||
             !apply_decision(ret, policy, decision, err))
        return false;
    write_digest(ret->digest, &ret->body);
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

void case_published(struct case_file *c, const struct regrade *r)
{
    struct published p = {.revision = r->body.revision,
                          .level = r->body.level,
                          .category = r->body.category,
                          .gbt = r->body.gbt20986->name,
                          .decision_event_id = r->decision_event_id};

    memcpy(p.digest, r->digest, sizeof(p.digest));
    stand(c, p);
}

void case_challenged(struct case_file *c, const struct regrade *r)
{
    c->published.is_challenged = true;
    c->published.challenged_level = r->challenge.level;
}

/* --- the answer to a decision that does not count --- */

/* Without its report an incident cannot be graded, and no decision on it be answered. */
static bool had_report(const struct case_file *c)
{
    for (size_t i = 0; i < c->inputs_n; i++)
        if (c->inputs[i].ev.type == EVENT_REPORT_SUBMITTED && !c->inputs[i].is_stranger &&
            !c->inputs[i].is_new)
            return true;
    return false;
}

const char *case_refusal(const struct case_file *c, size_t i)
{
    const struct case_input *input = &c->inputs[i];
    const struct event *stands;

    if (input->ev.type != EVENT_ACTION_RECLASSIFIED || input->is_stranger || !first_report(c) ||
        (!input->is_new && had_report(c)))
        return NULL;
    stands = deciding(c);
    if (stands == &input->ev)
        return NULL;
    if (scope_of(stands) == SCOPE_PARK && scope_of(&input->ev) != SCOPE_PARK)
        return "the park has decided the grade: only the park can change it";
    return "a later decision stands: decide again if it is wrong";
}

void case_answer(struct regrade *r, const struct case_file *c, const struct event *decision,
                 const char *why)
{
    struct incident_classified *body = &r->body;

    r->cause = &decision->id;
    SHAPE_SET(body, occurred_at, decision->occurred_at);
    SHAPE_SET(body, revision, c->published.revision);
    body->parent_event_id = body->answers_event_id = decision->id.text;
    body->refused_why = why;
}
