/*
 * tool - tongbao-policy: the classifier's decisions without a broker and a database, for people and scripts.
 *
 *     tongbao-policy grade            one report a line from standard input, one decision a line to standard output
 *     tongbao-policy check DIR        what the folder holds, and what nobody tests in it
 *     tongbao-policy test DIR         its cases
 *     tongbao-policy explain FILE     a report's grade, for people
 *     tongbao-policy explain-grade    {"grade": body of incident.classified, "earlier": [...]} from standard input, for people
 *     tongbao-policy diff OLD NEW     two folders' rules; with --file: the bodies of grades, one a line, graded by both
 *
 * `tongbao grade`, `tongbao policy` and `tongbao model` call it (services/ctl/policy.c), since no service includes another.
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

/* What policy_load() says, else versions and numbers, rules that no case shows. ERR_CONFIG: the folder is not good. */
bool tool_check(const char *folder, bool as_json, FILE *out, struct err *err) MUST_CHECK;

/* A line for each case that is not as expected, and a sum. ERR_INPUT at the end when there was one; ERR_CONFIG without cases. */
bool tool_test(const char *folder, bool as_json, FILE *out, struct err *err) MUST_CHECK;

/* `language`: zh, en or both. The names of the regimes come from the folder; a grade is explained also without a good one. */
bool tool_explain_report(const char *folder, const char *path, const char *language, bool as_json,
                         FILE *out, struct err *err) MUST_CHECK;
bool tool_explain_grade(const char *folder, const char *language, bool as_json, FILE *out,
                        struct err *err) MUST_CHECK;

/* What differs in the files of two folders: rules, lists of words, other files by name. */
bool tool_diff_rules(const char *old_folder, const char *new_folder, bool as_json, FILE *out,
                     struct err *err) MUST_CHECK;

/*
 * Grades by rules, bodies of incident.classified and incident.reclassified one a line (path, "-": standard input), those of an incident behind each
 * other: the last of each is graded by both policies, and a line printed where they differ. What people decided is passed over. A first grade that names the
 * old folder's version must follow from it, byte by byte: ERR_INPUT at the end when one does not, or when a line is no grade.
 */
bool tool_diff_grades(const char *old_folder, const char *new_folder, const char *path,
                      bool as_json, FILE *out, struct err *err) MUST_CHECK;

#endif
