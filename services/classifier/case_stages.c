#include "services/classifier/case_parts.h"

#include <string.h>

#include "services/classifier/facts.h"

#define WAYS_MAX              4
#define STAGE_ARENA_MAX_BYTES (4 * CLASSIFY_ARENA_MAX_BYTES) /* with what is kept of others */

void merging_begin(struct merging *m, const struct case_file *c, const struct policy *policy,
                   struct arena *arena)
{
    const struct report_submitted *report = case_first_report(c);

    *m = (struct merging){.c = c, .policy = policy, .arena = arena};
    m->in.facts = &m->facts;
    m->in.discovered_at = report ? report->discovered_at : 0;
    m->in.campaign = case_widest_campaign(c);
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
    classify_read(m->policy, case_summary_of(ev), &facts, &m->in);
    return facts_merge(&m->facts, &facts, m->arena, err);
}

void highest_done(struct highest *h)
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

static bool is_report(const struct case_input *input)
{
    return input->ev.type == EVENT_REPORT_SUBMITTED && !input->is_stranger;
}

/* What may be said beside the facts themselves. */
struct question {
    const struct event *decision; /* NULL: nobody decided */
    bool with_news;
};

/* The first report is what was decided on. */
static bool is_news(const struct case_file *c, const struct event *ev, const struct question *q)
{
    const struct report_submitted *first = case_first_report(c);

    return q->decision && !(ev->type == EVENT_REPORT_SUBMITTED && ev->report_submitted == first) &&
           case_compare_times(ev, q->decision) > 0;
}

/* Stage by stage, in order. only: the one report that is taken, with all supplements, or as many as `supplements`; NULL: all reports. */
static bool take_stages(struct highest *h, struct merging *m, const struct question *q,
                        const struct case_input *only, size_t supplements, struct err *err)
{
    const struct event *news = NULL;

    for (size_t i = 0; i < m->c->inputs_n; i++) {
        const struct case_input *input = &m->c->inputs[i];
        bool is_new = is_news(m->c, &input->ev, q);

        if (!case_is_fact(input) || (is_new && !q->with_news) ||
            (only && is_report(input) && input != only))
            continue;
        if (!is_report(input) && supplements-- == 0)
            break;
        if (is_new)
            news = &input->ev;
        h->is_split = h->is_split || (news && !is_new);
        if (!merge_input(m, i, err) || !take_stage(h, m, news, err))
            return false;
    }
    return true;
}

/* Each report is graded by itself as soon as it comes, and whatever comes behind it together with it: so it is a way of its own, wherever it stands beside the
 * others. Beyond the first of them only the reports themselves are, for ways are dear. */
static bool take_reports(struct highest *h, const struct merging *all, const struct question *q,
                         struct err *err)
{
    const struct case_file *c = all->c;
    size_t n = 0;

    for (size_t i = 0; i < c->inputs_n; i++) {
        struct merging one;

        if (!is_report(&c->inputs[i]))
            continue;
        merging_begin(&one, c, all->policy, all->arena);
        one.in.discovered_at = c->inputs[i].ev.report_submitted->discovered_at;
        if (!take_stages(h, &one, q, &c->inputs[i], n < WAYS_MAX ? SIZE_MAX : 0, err))
            return false;
        n++;
    }
    return true;
}

static size_t count_reports(const struct case_file *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->inputs_n; i++)
        n += is_report(&c->inputs[i]);
    return n;
}

bool case_find_highest(struct highest *ret, struct merging *m, const struct event *decision,
                       bool with_news, struct err *err)
{
    const struct question q = {decision, with_news};

    *ret = (struct highest){.before = LEVEL_GENERAL};
    return (count_reports(m->c) < 2 || take_reports(ret, m, &q, err)) &&
           take_stages(ret, m, &q, NULL, SIZE_MAX, err);
}
