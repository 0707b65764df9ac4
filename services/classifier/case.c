#include "services/classifier/case_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/node.h"

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

enum scope case_scope_of(const struct event *ev)
{
    const struct actor *actor = actor_of(ev);

    return actor ? actor->scope : SCOPE_SYSTEM;
}

static bool is_stranger(const struct case_file *c, const struct event *ev)
{
    return strcmp(ev->enterprise_id.text, c->enterprise_id.text) != 0 &&
           !(case_scope_of(ev) == SCOPE_PARK && ev->type != EVENT_REPORT_SUBMITTED);
}

int case_compare_times(const struct event *a, const struct event *b)
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
    return case_compare_times(a, b);
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
void case_write_digest(char ret[SHA256_HEX_MAX], const struct incident_classified *body)
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
        standing_of(&p.standing, grade);
        case_write_digest(p.digest, grade);
        stand(c, p);
    }
    event_done(ev);
    return is_news ? CASE_CHANGED : CASE_UNCHANGED;
}

/* The first report: who reported what when. NULL: none yet. */
const struct report_submitted *case_first_report(const struct case_file *c)
{
    for (size_t i = 0; i < c->inputs_n; i++)
        if (c->inputs[i].ev.type == EVENT_REPORT_SUBMITTED && !c->inputs[i].is_stranger)
            return c->inputs[i].ev.report_submitted;
    return NULL;
}

/* Is there room for one more of its kind by its sender? */
static bool has_room(const struct case_file *c, const struct event *ev)
{
    size_t n = 0, bytes = ev->arena.used;

    for (size_t i = 0; i < c->inputs_n; i++) {
        const struct event *other = &c->inputs[i].ev;

        if (c->inputs[i].is_stranger || other->type != ev->type ||
            case_scope_of(other) != case_scope_of(ev) ||
            strcmp(other->enterprise_id.text, ev->enterprise_id.text) != 0)
            continue;
        n++;
        bytes += other->arena.used;
    }
    return n < CASE_INPUTS_MAX && bytes <= CASE_INPUTS_MAX_BYTES;
}

/* The campaign that has hit most: of several it is what a grade goes by. NULL: the incident is part of none. */
const struct campaign *case_widest_campaign(const struct case_file *c)
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
    const struct campaign *widest = case_widest_campaign(c);

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
    if (!has_room(c, ev)) {
        err_set(err, ERR_INPUT,
                "the incident has %d %s of this sender already, or as many as %zu MiB hold",
                CASE_INPUTS_MAX, event_types[ev->type].name, CASE_INPUTS_MAX_BYTES >> 20);
        return ev->type == EVENT_ACTION_RECLASSIFIED && case_first_report(c) ? CASE_ANSWERED
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

bool case_is_fact(const struct case_input *input)
{
    return !input->is_stranger && (input->ev.type == EVENT_REPORT_SUBMITTED ||
                                   input->ev.type == EVENT_REPORT_SUPPLEMENTED);
}

size_t case_count_known(const struct case_file *c)
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

const struct event *case_deciding(const struct case_file *c)
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

const char *case_summary_of(const struct event *ev)
{
    return ev->type == EVENT_REPORT_SUBMITTED ? ev->report_submitted->summary
                                              : ev->report_supplemented->summary;
}

void case_published(struct case_file *c, const struct regrade *r)
{
    struct published p = {.revision = r->body.revision,
                          .level = r->body.level,
                          .category = r->body.category,
                          .gbt = r->body.gbt20986->name,
                          .decision_event_id = r->decision_event_id};

    memcpy(p.digest, r->digest, sizeof(p.digest));
    standing_of(&p.standing, &r->body);
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

    if (input->ev.type != EVENT_ACTION_RECLASSIFIED || input->is_stranger ||
        !case_first_report(c) || (!input->is_new && had_report(c)))
        return NULL;
    stands = case_deciding(c);
    if (stands == &input->ev)
        return NULL;
    if (case_scope_of(stands) == SCOPE_PARK && case_scope_of(&input->ev) != SCOPE_PARK)
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
