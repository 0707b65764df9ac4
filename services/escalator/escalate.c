#include "services/escalator/escalate.h"

#include <stdio.h>
#include <string.h>

#include "services/escalator/work.h"

/* --- work.h ------------------------------------------------------------------------------------ */

void work_count(struct work *k)
{
    if (k->is_counted)
        return;
    k->is_counted = true;
    k->inc->seq++;
    k->inc->changed = true;
}

void work_at(struct work *k, int64_t due_at)
{
    k->occurred_at = due_at;
    k->is_counted = false;
}

void *work_take(struct work *k, size_t size)
{
    return arena_take(k->w->arena, size);
}

bool work_publish(struct work *k, enum event_type type, const struct id *id, const void *body)
{
    struct effect *e = work_take(k, sizeof(*e));

    if (!e)
        return false;
    *e = (struct effect){.type = type, .id = *id, .body = body};
    if (k->out->last)
        k->out->last->next = e;
    else
        k->out->first = e;
    k->out->last = e;
    return true;
}

/* --- the answer to an action or a grade --------------------------------------------------------- */

static bool is_grade(enum event_type type)
{
    return type == EVENT_INCIDENT_CLASSIFIED || type == EVENT_INCIDENT_RECLASSIFIED;
}

static bool add_acknowledged(struct work *k, struct escalation_state *b)
{
    const struct incident *inc = k->inc;

    b->acknowledged_escalation_ids =
        work_take(k, (inc->calls_n + 1) * sizeof(*b->acknowledged_escalation_ids));
    if (!b->acknowledged_escalation_ids)
        return false;
    for (size_t i = 0; i < inc->calls_n; i++)
        if (inc->calls[i].acknowledged_at && chains_is_present(inc, &inc->calls[i]) &&
            b->acknowledged_escalation_ids_n < POLICY_CALLS_MAX)
            b->acknowledged_escalation_ids[b->acknowledged_escalation_ids_n++] =
                inc->calls[i].id.text;
    return true;
}

/* The event that is answered. A person's decision came by way of the classifier: it is the action that its actor looks for, not the grade. */
static bool name_cause(struct work *k, const struct event *cause, struct escalation_state *b)
{
    const char *id = cause->id.text;
    enum event_type type = cause->type;

    if (is_grade(type) && cause->incident_classified->answers_event_id) {
        id = cause->incident_classified->answers_event_id;
        type = EVENT_ACTION_RECLASSIFIED;
    }
    b->cause_type = event_types[type].name;
    return text_keep(&b->cause_event_id, id, k->w->arena);
}

/* Every action, grade, challenge and campaign that opens gets exactly one, after everything else that follows from it: who reads it has read all of that. Its id follows from
 * the cause alone. refused: NULL when it was applied. */
static bool answer(struct work *k, const struct event *cause, struct actor *actor,
                   const char *refused)
{
    const struct incident *inc = k->inc;
    struct escalation_state *b = work_take(k, sizeof(*b));
    struct id event_id;

    work_count(k);
    if (!b || !add_acknowledged(k, b) || !name_cause(k, cause, b))
        return false;
    WORK_COMMON(k, b);
    WORK_SEQ(k, b);
    SHAPE_SET(b, applied, refused == NULL);
    b->refused_why = refused;
    SHAPE_SET(b, state, inc->state);
    if (inc->is_graded) {
        SHAPE_SET(b, level, inc->level);
        SHAPE_SET(b, category, inc->category);
        SHAPE_SET(b, revision, inc->revision);
    }
    b->actor = actor;
    event_id_derive(&event_id, &cause->id, "escalation.state", NULL);
    return work_publish(k, EVENT_ESCALATION_STATE, &event_id, b);
}

/* --- reports ------------------------------------------------------------------------------------ */

static bool open_incident(struct work *k, const struct event *ev, const char *reference)
{
    struct incident *inc = k->inc;

    inc->is_open = true;
    inc->enterprise_id = ev->enterprise_id;
    inc->drill = ev->drill;
    snprintf(inc->reference, sizeof(inc->reference), "%s", reference);
    inc->state = STATE_UNGRADED;
    work_count(k);
    return true;
}

/* The first report opens the incident, waiting for its grade. Later ones are the classifier's. */
static bool on_report(struct work *k, const struct event *ev, int64_t appended_ms)
{
    const struct report_submitted *b = ev->report_submitted;
    struct incident *inc = k->inc;

    if (inc->reported_at)
        return true;
    inc->reported_at = ev->occurred_at;
    inc->changed = true;
    if (inc->is_open)
        return duties_anchored(k, ANCHOR_REPORTED, appended_ms);
    inc->discovered_at = b->discovered_at;
    return open_incident(k, ev, b->reference) &&
           text_keep(&inc->enterprise_name, b->profile->name, k->w->arena) &&
           text_keep(&inc->summary, b->summary, k->w->arena) && chains_begin_ungraded(k);
}

/* --- grades ------------------------------------------------------------------------------------- */

static bool is_active(const struct incident *inc)
{
    return inc->state != STATE_REFUTED && inc->state != STATE_CLOSED;
}

static bool take_grade(struct work *k, const struct event *ev, int64_t appended_ms)
{
    const struct incident_classified *b = ev->incident_classified;
    struct incident *inc = k->inc;

    if (!inc->is_graded) {
        inc->graded_at = appended_ms;
        inc->state = STATE_REPORTED;
    }
    if (b->revision == 0 && !inc->reported_at)
        inc->reported_at = ev->occurred_at; /* the first grade's time is its report's */
    inc->is_graded = true;
    inc->level = b->level;
    inc->category = b->category;
    inc->revision = b->revision;
    inc->discovered_at = b->discovered_at;
    inc->changed = true;
    return text_keep(&inc->enterprise_name, b->profile->name, k->w->arena) &&
           text_keep(&inc->summary, b->summary, k->w->arena) && duties_judge(k, ev);
}

/* Calls for a first grade and for a greater level; a lower one pages nobody, and stops nobody. */
static bool call_for_grade(struct work *k, bool is_first, bool is_raised)
{
    if (is_first)
        chains_stop_all(k); /* the wait for this grade */
    else if (is_raised)
        chains_new_generation(k);
    else
        return true;
    return chains_begin(k, is_first ? "first_grade" : "level_raised");
}

/* A refused decision repeats the grade that stands, with its revision: nothing follows but the answer. Were that grade not heard, it counts here. */
static bool on_grade(struct work *k, const struct event *ev, int64_t appended_ms)
{
    const struct incident_classified *b = ev->incident_classified;
    struct incident *inc = k->inc;
    bool is_first = !inc->is_graded;
    bool is_raised = !is_first && b->level > inc->level;
    struct actor *actor = b->refused_why ? NULL : b->actor; /* whose the standing grade is */

    if (!is_first && b->revision <= inc->revision)
        return answer(k, ev, actor,
                      b->refused_why
                          ? b->refused_why
                          : "a grade of the same or a greater revision is in force already");
    if (!inc->is_open && !open_incident(k, ev, b->reference))
        return false;
    if (!take_grade(k, ev, appended_ms))
        return false;
    if (is_active(inc) && !(call_for_grade(k, is_first, is_raised) && duties_begin(k, appended_ms)))
        return false;
    return answer(k, ev, actor, b->refused_why);
}

/* --- actions ------------------------------------------------------------------------------------ */

#define IN(state) (1U << (unsigned)(state))
#define IN_RESPONSE                                                                                \
    (IN(STATE_REPORTED) | IN(STATE_TRIAGED) | IN(STATE_CONFIRMED) | IN(STATE_CONTAINED) |          \
     IN(STATE_RECOVERED) | IN(STATE_REVIEWED))
#define IN_ANY         (IN_RESPONSE | IN(STATE_CLOSED) | IN(STATE_REFUTED))
#define STATE_THE_SAME STATE_UNGRADED /* no step leads there */

/* The life of an incident (R27): what may follow what, in order, nothing skipped. */
static const struct step {
    enum event_type type;
    unsigned from; /* states that it is legal in */
    enum state to;
    const char *refusal;
} steps[] = {
    {EVENT_ACTION_ACKNOWLEDGED, IN_RESPONSE, STATE_THE_SAME,
     "the incident is closed or refuted: reopen it first"},
    {EVENT_ACTION_CONFIRMED, IN(STATE_TRIAGED), STATE_CONFIRMED,
     "only a triaged incident can be confirmed: acknowledge it first"},
    {EVENT_ACTION_REFUTED, IN(STATE_REPORTED) | IN(STATE_TRIAGED) | IN(STATE_CONFIRMED),
     STATE_REFUTED, "only an incident that is not contained yet can be refuted"},
    {EVENT_ACTION_CONTAINED, IN(STATE_CONFIRMED), STATE_CONTAINED,
     "only a confirmed incident can be contained"},
    {EVENT_ACTION_RECOVERED, IN(STATE_CONTAINED), STATE_RECOVERED,
     "only a contained incident can be recovered"},
    {EVENT_ACTION_REVIEWED, IN(STATE_RECOVERED), STATE_REVIEWED,
     "only a recovered incident can be reviewed"},
    {EVENT_ACTION_CLOSED, IN(STATE_REVIEWED), STATE_CLOSED,
     "only a reviewed incident can be closed"},
    {EVENT_ACTION_REOPENED,
     IN(STATE_RECOVERED) | IN(STATE_REVIEWED) | IN(STATE_CLOSED) | IN(STATE_REFUTED),
     STATE_REPORTED, "only a recovered, reviewed, closed or refuted incident can be reopened"},
    {EVENT_ACTION_FILED, IN_ANY, STATE_THE_SAME, ""},
    {EVENT_ACTION_ASSIGNED, IN_RESPONSE, STATE_THE_SAME,
     "the incident is closed or refuted: reopen it first"},
    {EVENT_ACTION_TASK_DONE, IN_RESPONSE, STATE_THE_SAME,
     "the incident is closed or refuted: reopen it first"},
};

static const struct step *step_of(enum event_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (steps[i].type == type)
            return &steps[i];
    return NULL;
}

/* NULL: it can be acknowledged. */
static const char *refuse_acknowledgement(struct incident *inc, const struct event *ev)
{
    const char *named = ev->action_acknowledged->escalation_id;
    enum scope scope = ev->action_acknowledged->actor->scope;
    const struct call *call = named ? chains_find_call(inc, named) : NULL;

    if (named && !call)
        return "no such escalation is open: a newer one may have taken its place";
    if (call && call->scope != scope)
        return "that escalation was raised to somebody else: the enterprise's and the park's are "
               "acknowledged each by its own people";
    if (call && call->acknowledged_at)
        return "that escalation is acknowledged already";
    if (!chains_is_open(inc, scope) && inc->state != STATE_REPORTED)
        return "nothing is open to you: it is acknowledged already";
    return NULL;
}

static const char *refuse_filing(struct incident *inc, const struct event *ev)
{
    const struct owed *o = duties_find(inc, ev->action_filed->obligation_id);

    if (!o)
        return "the incident has no such obligation";
    if (strcmp(o->satisfied_by, event_types[EVENT_ACTION_FILED].name) != 0)
        return "that obligation is not satisfied by filing";
    if (o->state == CLOCK_STOPPED)
        return "that obligation has fallen away";
    return owed_is_open(o) ? NULL : "that obligation is fulfilled already";
}

static const char *refuse(struct incident *inc, const struct step *step, const struct event *ev)
{
    if (!(step->from & IN(inc->state)))
        return step->refusal;
    if (ev->type == EVENT_ACTION_ACKNOWLEDGED)
        return refuse_acknowledgement(inc, ev);
    return ev->type == EVENT_ACTION_FILED ? refuse_filing(inc, ev) : NULL;
}

static bool reopen(struct work *k, int64_t appended_ms)
{
    k->inc->handling_ended_at = 0;
    chains_new_generation(k);
    return chains_begin(k, "reopened") && duties_stop_anchored(k, ANCHOR_HANDLING_ENDED) &&
           duties_begin(k, appended_ms);
}

/* What follows from a step beside the state itself. */
static bool follow(struct work *k, const struct event *ev, int64_t appended_ms)
{
    struct incident *inc = k->inc;

    if (ev->type == EVENT_ACTION_REFUTED || ev->type == EVENT_ACTION_CLOSED)
        chains_stop_all(k);
    if (ev->type == EVENT_ACTION_REFUTED)
        return duties_stop_all(k);
    if (ev->type == EVENT_ACTION_REOPENED)
        return reopen(k, appended_ms);
    if (ev->type == EVENT_ACTION_FILED)
        return duties_file(k, duties_find(inc, ev->action_filed->obligation_id), ev, appended_ms);
    if (ev->type == EVENT_ACTION_RECOVERED) {
        inc->handling_ended_at = ev->occurred_at;
        if (!duties_anchored(k, ANCHOR_HANDLING_ENDED, appended_ms))
            return false;
    }
    return duties_satisfied_by(k, ev, appended_ms);
}

/* False: whoever took the message was told of a challenge or a campaign, and has not read what the incident is. */
static bool acknowledge(struct work *k, const struct event *ev, enum scope scope,
                        int64_t appended_ms)
{
    const char *escalation_id = ev->action_acknowledged->escalation_id;
    bool is_of_incident = !escalation_id || !chains_is_for_event(k->inc, escalation_id);

    chains_acknowledge(k, scope, escalation_id, &ev->id, appended_ms);
    if (is_of_incident && k->inc->state == STATE_REPORTED)
        k->inc->state = STATE_TRIAGED;
    return is_of_incident;
}

static bool take_step(struct work *k, const struct step *step, const struct event *ev,
                      struct actor *actor, int64_t appended_ms)
{
    struct incident *inc = k->inc;

    inc->changed = true;
    if (step->to != STATE_THE_SAME)
        inc->state = step->to;
    if (ev->type == EVENT_ACTION_ACKNOWLEDGED && !acknowledge(k, ev, actor->scope, appended_ms))
        return answer(k, ev, actor, NULL);
    return follow(k, ev, appended_ms) && answer(k, ev, actor, NULL);
}

/* Without a grade there is nothing to act on: actions wait for it, so that every order of arrival ends alike. Only the page
 * that says "no grade came" can be answered. */
static bool on_ungraded_action(struct work *k, const struct event *ev, int64_t appended_ms)
{
    struct actor *actor = event_action(ev)->actor;

    if (ev->type != EVENT_ACTION_ACKNOWLEDGED || !chains_is_open(k->inc, actor->scope)) {
        k->out->verdict = VERDICT_KEEP;
        return true;
    }
    chains_acknowledge(k, actor->scope, ev->action_acknowledged->escalation_id, &ev->id,
                       appended_ms);
    return answer(k, ev, actor, NULL);
}

static bool on_action(struct work *k, const struct event *ev, int64_t appended_ms)
{
    struct actor *actor = event_action(ev)->actor;
    const struct step *step = step_of(ev->type);
    const char *why;

    if (!k->inc->is_graded)
        return on_ungraded_action(k, ev, appended_ms);
    why = refuse(k->inc, step, ev);
    return why ? answer(k, ev, actor, why) : take_step(k, step, ev, actor, appended_ms);
}

/* --- what a grade is not, but calls for people --------------------------------------------------- */

/* Without a grade the incident is not known well enough to call anybody for more: the event waits with the actions. */
static bool call_for_event(struct work *k, const struct event *ev, const char *occasion,
                           enum scope scope)
{
    if (!k->inc->is_graded) {
        k->out->verdict = VERDICT_KEEP;
        return true;
    }
    if (!is_active(k->inc))
        return answer(k, ev, NULL,
                      "the incident is closed or refuted: nobody is called; reopen it if this is "
                      "a reason to");
    return chains_begin_for(k, occasion, scope, &ev->id) && answer(k, ev, NULL, NULL);
}

/* A person's decision stays in force; who decided is told that news speaks against it. */
static bool on_challenge(struct work *k, const struct event *ev)
{
    bool is_park = ev->incident_challenged->actor->scope == SCOPE_PARK;

    return call_for_event(k, ev, "challenged", is_park ? SCOPE_PARK : SCOPE_ENTERPRISE);
}

/* The park is called once for a campaign, by the incident that opens it; those that join say nothing. What comes to be known at one time may open many (a
 * list of indicators): the first of them calls. */
static bool on_link(struct work *k, const struct event *ev)
{
    if (!ev->incident_linked->opens)
        return true;
    if (k->inc->is_graded && is_active(k->inc) &&
        chains_was_called(k->inc, "campaign", ev->occurred_at))
        return answer(k, ev, NULL, NULL);
    return call_for_event(k, ev, "campaign", SCOPE_PARK);
}

/* --- messages ----------------------------------------------------------------------------------- */

static void on_message(struct work *k, const struct event *ev)
{
    struct call *call = chains_find_call(k->inc, ev->notification->escalation_id);

    if (call && ev->type == EVENT_NOTIFICATION_SENT)
        chains_delivered(k, call);
    else if (call)
        chains_undelivered(k, call);
}

/* --- the two entrances --------------------------------------------------------------------------- */

/* action.reclassified is answered when the classifier has said what became of it. */
bool escalate_wants(enum event_type type)
{
    return type == EVENT_REPORT_SUBMITTED || is_grade(type) || step_of(type) ||
           type == EVENT_INCIDENT_CHALLENGED || type == EVENT_INCIDENT_LINKED ||
           type == EVENT_NOTIFICATION_SENT || type == EVENT_NOTIFICATION_DEAD;
}

static bool is_foreign(const struct incident *inc, const struct event *ev)
{
    return inc->is_open && strcmp(inc->enterprise_id.text, ev->enterprise_id.text) != 0 &&
           !(event_is_action(ev->type) && event_action(ev)->actor->scope == SCOPE_PARK);
}

static bool dispatch(struct work *k, const struct event *ev, int64_t appended_ms)
{
    if (ev->type == EVENT_REPORT_SUBMITTED)
        return on_report(k, ev, appended_ms);
    if (is_grade(ev->type))
        return on_grade(k, ev, appended_ms);
    if (event_is_action(ev->type))
        return on_action(k, ev, appended_ms);
    if (ev->type == EVENT_INCIDENT_CHALLENGED)
        return on_challenge(k, ev);
    if (ev->type == EVENT_INCIDENT_LINKED)
        return on_link(k, ev);
    on_message(k, ev);
    return true;
}

bool escalate_event(struct incident *inc, const struct event *ev, int64_t appended_ms,
                    const struct world *w, struct changes *ret, struct err *err)
{
    struct work k = {.inc = inc, .w = w, .out = ret, .occurred_at = ev->occurred_at};

    *ret = (struct changes){0};
    if (!escalate_wants(ev->type))
        return true;
    if (is_foreign(inc, ev)) {
        ret->verdict = VERDICT_FOREIGN;
        return true;
    }
    return dispatch(&k, ev, appended_ms) || err_memory(err);
}

bool escalate_due(struct incident *inc, int64_t heard_ms, bool is_deaf, const struct world *w,
                  struct changes *ret, struct err *err)
{
    struct work k = {.inc = inc, .w = w, .out = ret};

    *ret = (struct changes){0};
    return (chains_due(&k, heard_ms, is_deaf) && duties_due(&k, heard_ms)) || err_memory(err);
}
