/* duties - what is owed, to whom, until when, and what became of it. See work.h */
#include <stdio.h>
#include <string.h>

#include "services/escalator/work.h"

bool owed_is_open(const struct owed *o)
{
    return o->state == CLOCK_ANCHOR_MISSING || o->state == CLOCK_RUNNING ||
           o->state == CLOCK_WARNED || o->state == CLOCK_OVERDUE;
}

static void derive(struct id *ret, const struct incident *inc, const struct owed *o)
{
    struct id_hash d;

    id_derive(&d, "obligation");
    id_derive_text(&d, "incident", inc->id.text);
    id_derive_text(&d, "regime", o->regime);
    id_derive_text(&d, "duty", o->duty);
    id_derive_int(&d, "generation", o->generation);
    id_derive_end(&d, ret);
}

/* `about` tells several events of one type apart: a duty is told again when its anchor comes. */
static bool publish(struct work *k, enum event_type type, const struct owed *o, const char *about)
{
    struct obligation *b = work_take(k, sizeof(*b));
    struct source *source = work_take(k, sizeof(*source));
    struct id event_id;

    if (!b || !source)
        return false;
    work_count(k);
    WORK_COMMON(k, b);
    WORK_SEQ(k, b);
    b->obligation_id = o->id.text;
    b->regime = o->regime;
    b->duty = o->duty;
    SHAPE_SET(b, generation, o->generation);
    b->title_zh = o->title_zh;
    b->title_en = o->title_en;
    b->recipient_zh = o->recipient_zh;
    b->recipient_en = o->recipient_en;
    SHAPE_SET(b, anchor, o->anchor);
    if (o->anchor_at)
        SHAPE_SET(b, anchor_at, o->anchor_at);
    if (o->due_at)
        SHAPE_SET(b, due_at, o->due_at);
    SHAPE_SET(b, state, o->state);
    b->satisfied_by = o->satisfied_by;
    b->satisfied_by_event_id =
        id_is_set(&o->satisfied_by_event) ? o->satisfied_by_event.text : NULL;
    b->filed_reference = o->filed_reference;
    *source = (struct source){.document = o->document, .article = o->article, .url = o->url};
    b->source = source;
    b->reference = k->inc->reference;
    event_id_derive(&event_id, &o->id, event_types[type].name, about);
    return work_publish(k, type, &event_id, b);
}

#define DUTY_NAME_MAX_BYTES ((size_t)520) /* regime/duty, 64 characters each */

/* --- which duties ------------------------------------------------------------------------------ */

/* names: as inc->duties has them. */
static bool is_named(const char *names, const char *regime, const char *duty)
{
    size_t regime_len = strlen(regime), duty_len = strlen(duty);

    for (const char *at = names; at && *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");

        if (len == regime_len + 1 + duty_len && strncmp(at, regime, regime_len) == 0 &&
            at[regime_len] == '/' && strncmp(at + regime_len + 1, duty, duty_len) == 0)
            return true;
        at += len;
    }
    return false;
}

/* What runs goes on, whatever more has become known, and whatever the policy's files say now: only a person's decision on the grade ends it. */
static void keep_running(const struct incident *inc, struct buf *names)
{
    for (size_t i = 0; i < inc->owed_n; i++)
        if (owed_is_open(&inc->owed[i]) &&
            !is_named(buf_text(names), inc->owed[i].regime, inc->owed[i].duty))
            buf_printf(names, "%s%s/%s", names->len ? " " : "", inc->owed[i].regime,
                       inc->owed[i].duty);
}

bool duties_judge(struct work *k, const struct event *grade)
{
    AUTO(buf_done) struct buf names;
    const struct policy_duty *duties;
    bool is_decided =
        grade->incident_classified->answers_event_id && !grade->incident_classified->refused_why;
    size_t n;

    buf_init(&names, (POLICY_DUTIES_MAX + k->inc->owed_n) * DUTY_NAME_MAX_BYTES);
    duties = policy_duties(k->w->policy, &n);
    for (size_t i = 0; i < n; i++)
        if (!(k->inc->drill && duties[i].duty->regulator) &&
            policy_applies(k->w->policy, &duties[i], grade->incident_classified))
            buf_printf(&names, "%s%s/%s", names.len ? " " : "", duties[i].regime,
                       duties[i].duty->id);
    if (!is_decided)
        keep_running(k->inc, &names);
    return !names.failed && text_keep(&k->inc->duties, buf_text(&names), k->w->arena);
}

static const struct owed *latest(const struct incident *inc, const struct policy_duty *p)
{
    const struct owed *found = NULL;

    for (size_t i = 0; i < inc->owed_n; i++)
        if (strcmp(inc->owed[i].regime, p->regime) == 0 &&
            strcmp(inc->owed[i].duty, p->duty->id) == 0)
            found = &inc->owed[i];
    return found;
}

struct owed *duties_find(struct incident *inc, const char *obligation_id)
{
    for (size_t i = 0; i < inc->owed_n; i++)
        if (strcmp(inc->owed[i].id.text, obligation_id) == 0)
            return &inc->owed[i];
    return NULL;
}

/* --- clocks ------------------------------------------------------------------------------------ */

static int64_t anchor_time(const struct incident *inc, enum anchor anchor)
{
    switch (anchor) {
    case ANCHOR_DISCOVERED:
        return inc->discovered_at;
    case ANCHOR_CLASSIFIED:
        return inc->graded_at;
    case ANCHOR_REPORTED:
        return inc->reported_at;
    case ANCHOR_HANDLING_ENDED:
        return inc->handling_ended_at;
    }
    return 0;
}

/* Starts the clock if its anchor is known. A duty that is due before it came into being is warned of at once and never called overdue: whether it is late is a
 * person's judgement (a later rise of the level is settled by no rule). */
static void start(struct work *k, struct owed *o, int64_t appended_ms)
{
    o->anchor_at = anchor_time(k->inc, o->anchor);
    if (!o->anchor_at) {
        o->state = CLOCK_ANCHOR_MISSING;
        return;
    }
    o->due_at = o->anchor_at + o->within_ms;
    o->state = o->due_at > appended_ms ? CLOCK_RUNNING : CLOCK_WARNED;
    o->next_at = o->state == CLOCK_RUNNING ? o->due_at - o->warn_before_ms : 0;
}

static bool copy_terms(struct owed *o, const struct policy_duty *p, struct arena *arena)
{
    const struct duty *d = p->duty;

    o->anchor = d->anchor;
    o->within_ms = 1000 * d->within_s;
    o->warn_before_ms = 1000 * d->warn_before_s;
    return text_keep(&o->regime, p->regime, arena) && text_keep(&o->duty, d->id, arena) &&
           text_keep(&o->title_zh, d->title->zh, arena) &&
           text_keep(&o->title_en, d->title->en, arena) &&
           text_keep(&o->recipient_zh, d->recipient->zh, arena) &&
           text_keep(&o->recipient_en, d->recipient->en, arena) &&
           text_keep(&o->document, d->source->document, arena) &&
           text_keep(&o->article, d->source->article, arena) &&
           text_keep(&o->url, d->source->url, arena) &&
           text_keep(&o->satisfied_by, d->satisfied_by, arena);
}

/* A duty that fell away or was stopped begins again as a new row under a new id. */
static bool create(struct work *k, const struct policy_duty *p, int64_t appended_ms)
{
    const struct owed *before = latest(k->inc, p);
    int64_t generation = before ? before->generation + 1 : 0;
    struct owed *o = incident_add_owed(k->inc, k->w->arena);

    if (!o)
        return false;
    o->generation = generation;
    o->created_at = appended_ms;
    o->changed = true;
    if (!copy_terms(o, p, k->w->arena))
        return false;
    derive(&o->id, k->inc, o);
    start(k, o, appended_ms);
    return publish(k, EVENT_OBLIGATION_CREATED, o, NULL);
}

/* The clock ends without being satisfied: refuted, or not owed any more. */
static bool stop(struct work *k, struct owed *o)
{
    o->state = CLOCK_STOPPED;
    o->next_at = 0;
    o->changed = true;
    return publish(k, EVENT_OBLIGATION_SATISFIED, o, NULL);
}

bool duties_begin(struct work *k, int64_t appended_ms)
{
    const struct policy_duty *duties;
    size_t n;

    for (size_t i = 0; i < k->inc->owed_n; i++) {
        struct owed *o = &k->inc->owed[i];

        if (owed_is_open(o) && !is_named(k->inc->duties, o->regime, o->duty) && !stop(k, o))
            return false;
    }
    duties = policy_duties(k->w->policy, &n);
    for (size_t i = 0; i < n; i++) {
        const struct owed *o = latest(k->inc, &duties[i]);

        if ((!o || o->state == CLOCK_STOPPED) &&
            is_named(k->inc->duties, duties[i].regime, duties[i].duty->id) &&
            !create(k, &duties[i], appended_ms))
            return false;
    }
    return true;
}

bool duties_anchored(struct work *k, enum anchor anchor, int64_t appended_ms)
{
    for (size_t i = 0; i < k->inc->owed_n; i++) {
        struct owed *o = &k->inc->owed[i];

        if (o->state != CLOCK_ANCHOR_MISSING || o->anchor != anchor)
            continue;
        start(k, o, appended_ms);
        o->changed = true;
        if (!publish(k, EVENT_OBLIGATION_CREATED, o, "anchored"))
            return false;
    }
    return true;
}

bool duties_stop_all(struct work *k)
{
    for (size_t i = 0; i < k->inc->owed_n; i++)
        if (owed_is_open(&k->inc->owed[i]) && !stop(k, &k->inc->owed[i]))
            return false;
    return true;
}

bool duties_stop_anchored(struct work *k, enum anchor anchor)
{
    for (size_t i = 0; i < k->inc->owed_n; i++) {
        struct owed *o = &k->inc->owed[i];

        if (owed_is_open(o) && o->anchor == anchor && o->anchor_at && !stop(k, o))
            return false;
    }
    return true;
}

/* --- satisfied --------------------------------------------------------------------------------- */

/* On time is judged by when Kafka took the action. */
static bool satisfy(struct work *k, struct owed *o, const struct event *action, int64_t appended_ms)
{
    bool is_late = o->due_at && o->due_at > o->created_at && appended_ms > o->due_at;

    o->state = is_late ? CLOCK_SATISFIED_LATE : CLOCK_SATISFIED;
    o->satisfied_by_event = action->id;
    o->satisfied_at = appended_ms;
    o->next_at = 0;
    o->changed = true;
    return publish(k, EVENT_OBLIGATION_SATISFIED, o, NULL);
}

bool duties_satisfied_by(struct work *k, const struct event *action, int64_t appended_ms)
{
    for (size_t i = 0; i < k->inc->owed_n; i++) {
        struct owed *o = &k->inc->owed[i];

        if (owed_is_open(o) && strcmp(o->satisfied_by, event_types[action->type].name) == 0 &&
            !satisfy(k, o, action, appended_ms))
            return false;
    }
    return true;
}

bool duties_file(struct work *k, struct owed *o, const struct event *action, int64_t appended_ms)
{
    return text_keep(&o->filed_reference, action->action_filed->filed_reference, k->w->arena) &&
           satisfy(k, o, action, appended_ms);
}

/* --- time -------------------------------------------------------------------------------------- */

static bool fire(struct work *k, struct owed *o)
{
    bool is_overdue = o->state == CLOCK_WARNED || o->next_at == o->due_at;

    work_at(k, o->next_at);
    o->state = is_overdue ? CLOCK_OVERDUE : CLOCK_WARNED;
    o->next_at = is_overdue ? 0 : o->due_at;
    o->changed = true;
    return publish(k, is_overdue ? EVENT_OBLIGATION_OVERDUE : EVENT_OBLIGATION_WARNING, o, NULL);
}

bool duties_due(struct work *k, int64_t heard_ms)
{
    int64_t until_ms = heard_ms < k->w->now_ms ? heard_ms : k->w->now_ms;

    for (size_t i = 0; i < k->inc->owed_n; i++) {
        struct owed *o = &k->inc->owed[i];

        while (o->next_at && o->next_at <= until_ms)
            if (!fire(k, o))
                return false;
    }
    return true;
}
