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

/* Borrows from `report`. */
void facts_of_report(struct facts *ret, const struct report_submitted *report);

/* Merges the facts of an event's body (other members do not count) into `merged`, an object. */
bool facts_merge(json_t *merged, json_t *body, struct err *err) MUST_CHECK;

#endif
