/*
 * tool - tongbao-policy: the classifier's decisions without a broker and a database, for people and scripts.
 *
 *     tongbao-policy grade      one report a line from standard input, one decision a line to standard output
 *
 * `tongbao grade` calls it (services/ctl/policy.c), since no service includes another.
 *
 * Threads     One.
 * Errors      As err.h says; main() prints them.
 */
#ifndef SERVICES_CLASSIFIER_TOOL_TOOL_H
#define SERVICES_CLASSIFIER_TOOL_TOOL_H

#include <stdio.h>

#include "services/classifier/classify.h"

/* What follows from a report as it is posted ({"summary": …, …}); it may hold the enterprise's "profile" too, and discovered_at may be absent. A new
 * object: category, gbt20986, level, needs_human, regimes by their ids (a level is null when it cannot be told), reasons, missing, policy_version.
 * ERR_INPUT with the pointer: not a report that intake would take. */
bool tool_decide(const struct policy *policy, const char *report, size_t len, json_t **ret,
                 struct err *err) MUST_CHECK;

/* Each line of `in` to a line of `out`: its decision, or {"error": …, "line": …, "pointer": …} when it is no report; empty lines are passed over. ERR_INPUT at the end when
 * there was one of these. */
bool tool_grade(const struct policy *policy, FILE *in, FILE *out, struct err *err) MUST_CHECK;

#endif
