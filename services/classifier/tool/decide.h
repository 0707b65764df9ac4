/*
 * decide - what the classifier would decide: on a report as it is posted, or once more on what a grade was made from. It looks at the clock for a report that does not say when it was noticed.
 *
 * Threads     Any.
 * Ownership   A decision borrows from the policy and from what it was made from; decided_done() frees the latter.
 * Bounds      Those of reports and of classify.h.
 * Errors      ERR_INPUT with the pointer: not a report that intake would take. ERR_FATAL: no memory.
 */
#ifndef SERVICES_CLASSIFIER_TOOL_DECIDE_H
#define SERVICES_CLASSIFIER_TOOL_DECIDE_H

#include "services/classifier/classify.h"
#include "services/classifier/facts.h"

struct decided {
    struct incident_classified
        body; /* the decision, summary, facts and profile; the rest is zero */
    struct facts facts;
    struct profile profile;
    json_t *report, *profile_doc; /* the texts */
    struct arena arena;
};

/* {"summary": …, …} as `tongbao submit` posts it; it may hold the enterprise's "profile" too, and discovered_at may be absent: now. Takes
 * the profile out of the object. `ret` is to be done with also after an error. */
bool decide_report(struct decided *ret, const struct policy *policy, json_t *report,
                   struct err *err) MUST_CHECK;
void decided_done(struct decided *d); /* accepts a zeroed one */

/* The summary, facts and profile of a grade, classified by this policy: of a first grade exactly what the classifier does; of a later one
 * nearly, because its body no longer tells which text said what. What does not follow from the rules stays as the grade has it. */
bool decide_again(const struct policy *policy, const struct incident_classified *grade,
                  struct arena *arena, struct incident_classified *ret, struct err *err) MUST_CHECK;

/* What follows from the facts: category, gbt20986, level, needs_human, regimes by their ids (a level is null when it cannot be told),
 * reasons, missing, policy_version. NULL: no memory. */
json_t *decision_json(const struct incident_classified *body);

#endif
