/*
 * facts - what is known of an incident, taken out of the bodies that say it, and put together. Pure.
 *
 * Left out    Evidence and indicators stay where they were reported: a grade is not made from them, and its event stays below EVENT_BODY_MAX_BYTES whatever
 *             was attached.
 * Merging     Of two values the later one counts; objects member by member; lists are joined, each item once, up to the field's bound.
 */
#ifndef SERVICES_CLASSIFIER_FACTS_H
#define SERVICES_CLASSIFIER_FACTS_H

#include "proto/event.h"

/* Borrow from what they are given. */
void facts_of_report(struct facts *ret, const struct report_submitted *report);
void facts_of_supplement(struct facts *ret, const struct report_supplemented *supplement);
void facts_of_request(struct facts *ret, const struct report_request *request);

/* Merges `more` into `merged`, which borrows from it and from the arena. */
bool facts_merge(struct facts *merged, const struct facts *more, struct arena *arena,
                 struct err *err) MUST_CHECK;

#endif
