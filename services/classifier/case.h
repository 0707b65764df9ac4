/*
 * case - what is known of one incident, and the grade that follows from all of it. Pure.
 *
 * Inputs      Reports, supplements, people's decisions and links, a set by event id: a copy changes nothing. They are read in one order whatever order they
 *             came in (reports first, then by occurred_at and event id), so all orders of arrival end in the same grade.
 * Level       The facts are merged input by input; the level is the highest that any stage of this reached, because only a person lowers. A report is
 *             also a beginning of its own, to which the supplements come: so a second, conflicting one under an incident can only raise (hard case 9).
 *             The same of each regime's level. What was published stays, also what no stage reaches any more: a policy changed, or a supplement that
 *             came late stands before another and takes back what that one was about.
 * A person    decides over every rule, before and after; the park's decision over the enterprise's; of two of one scope the later.
 * Published   What counts is the decision that stands in incident.v1, not what would be computed anew (hard case 14): an incident of which nothing is
 *             known but the report that was graded is never graded again.
 * Challenge   What a person decided stays in force whatever comes to be known; a challenge only says so (incident.challenged). News is a report or a supplement
 *             whose (occurred_at, event id) is greater than the decision's: the events alone tell it, not when they came here. The first report never is:
 *             it is what was decided on. (A report occurred when the incident was noticed: a second one of what was noticed before the decision is no
 *             news.) A decision is challenged when the rules' level by all facts is above the decided one and above the rules' level by all facts but the
 *             news; once for each level that is above the last. So in all orders whoever decided hears in the end of the same level; but facts older than
 *             the decision that come last, and give that level too, take nothing back. A new decision has not been challenged yet.
 * Campaign    What links the incident with others (incident.linked) is an input too: of several the one that hit most enterprises counts. One that did
 *             not hit more than that is no news; and none is news to whoever decided: the park is called for the campaign itself.
 * Answers     Every decision on a reported incident has one (hard case 11): the grade that it became, or the standing grade repeated with the reason why
 *             it does not count. A repeated grade keeps its revision, so it is no news to anybody.
 * Early       Supplements and decisions that come before their incident are kept, not graded.
 * Strangers   An event of another enterprise is refused unless its actor is the park (hard case 10); early ones when the incident opens.
 *
 * Threads     One at a time. Ownership: a case owns its inputs.
 * Bounds      CASE_INPUTS_MAX inputs of one kind by one sender, and CASE_INPUTS_MAX_BYTES decoded: nobody takes another's room, and no supplement that of a report or a decision.
 * Errors      ERR_INPUT: the event must not be applied, it belongs among the dead letters. ERR_FATAL: no memory.
 */
#ifndef SERVICES_CLASSIFIER_CASE_H
#define SERVICES_CLASSIFIER_CASE_H

#include "common/base/hash.h"
#include "proto/event.h"
#include "services/classifier/standing.h"

#define CASE_INPUTS_MAX       256 /* of one type, one enterprise and one scope */
#define CASE_INPUTS_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define CASE_ARENA_MAX_BYTES                                                                       \
    ((size_t)16 * 1024 * 1024) /* of one regrade: merged facts, texts and reasons */

struct case_input {
    struct event ev;
    bool is_early; /* came before the incident */
    bool is_new;   /* in this transaction */
    bool
        is_stranger; /* an early one of another enterprise, found out when the incident opened: to be dropped */
    void *origin; /* the store's: where it was read; borrowed */
};

/* The decision that stands in incident.v1. */
struct published {
    int64_t revision; /* -1: none yet */
    enum level level;
    enum category category;
    enum gbt20986 gbt;
    struct standing standing;    /* by regime */
    struct id decision_event_id; /* the person's decision that it follows; none: the rules' */
    bool is_challenged;          /* that decision, at the level: */
    enum level challenged_level;
    char digest
        [SHA256_HEX_MAX]; /* of what else it says: levels by regime, who is needed, sub-category, facts; "": not known */
};

struct case_file {
    struct id incident_id;
    struct id enterprise_id; /* none: the incident is not open, its inputs are early */
    struct published published;
    struct id changed_by; /* the event that changed it last */
    struct case_input *inputs;
    size_t inputs_n, inputs_cap;
};

void case_done(struct case_file *c);

/* Adds an input that was stored before. Takes the event. */
bool case_add(struct case_file *c, struct event *ev, bool is_early, void *origin,
              struct err *err) MUST_CHECK;

enum case_outcome {
    CASE_FAILED,    /* err: no memory */
    CASE_REFUSED,   /* err says why: a bound is reached */
    CASE_STRANGER,  /* refused because it is another enterprise's; err says so */
    CASE_ANSWERED,  /* a decision that a bound keeps out for good: err is its case_answer() */
    CASE_UNCHANGED, /* nothing new in it */
    CASE_CHANGED,
};

/*
 * Takes an event (report.*, action.reclassified, incident.classified, .reclassified, .linked; it is empty afterwards unless refused or answered).
 * `early_room`: may the event's enterprise leave another early one?
 */
enum case_outcome case_take(struct case_file *c, struct event *ev, bool early_room, void *origin,
                            struct err *err);

/* The grade by all that is known: what it is, and whether it has to be published. Then, whether it challenges the person's decision. */
struct regrade {
    bool is_due; /* it differs from what is published, or another person's decision counts now */
    struct incident_classified body; /* of incident.reclassified, when it is due */
    struct id decision_event_id;     /* the person's decision that counts; none: the rules' */
    char digest[SHA256_HEX_MAX];
    const struct id *cause; /* that decision when it is new, else what changed the case last */
    bool is_challenge_due;
    struct incident_challenged challenge; /* the body of incident.challenged, when that is due */
    const struct id *news;                /* what brought it */
    struct arena arena, graded;           /* graded: what the rules decided */
};

/* Once after as many events as came at once: its price grows with what is known. The body borrows from policy, regrade, and the case as it is now. */
bool case_regrade(struct regrade *ret, const struct case_file *c, const struct policy *policy,
                  struct err *err) MUST_CHECK;
void regrade_done(struct regrade *r); /* accepts a zeroed one */

/* They have been put where they will be published; the challenge, if it is due, behind the grade that it is about. */
void case_published(struct case_file *c, const struct regrade *r);
void case_challenged(struct case_file *c, const struct regrade *r);

/* The id of the challenge: by the news, the decision and the level. */
void case_challenge_id(struct id *ret, const struct regrade *r);

/* Why the i-th input, a person's decision that could not be answered before, does not count. NULL: it does, or is no such thing. */
const char *case_refusal(const struct case_file *c, size_t i);

/* Turns what case_regrade() gave, once it is published if it was due, into the answer to a decision that does not count. Borrows from both. */
void case_answer(struct regrade *r, const struct case_file *c, const struct event *decision,
                 const char *why);

#endif
