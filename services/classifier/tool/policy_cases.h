/*
 * policy_cases - the examples of a policy: reports, each with the decision that is expected.
 *
 *     FOLDER/cases/ *.json   {"cases": [{"name", "report", "profile", "expected": {"category", "gbt20986", "sub", "level",
 *                            "regimes": {"cac-2025": "major"}, "reportable": {"eu-dora": true}, "needs_human"}}]}
 *
 * Profile     What a case does not say of its enterprise is that of a manufacturer with 300 people.
 * Compared    Category, category of GB/T 20986, level; every regime that is named (null: it cannot be told, or does not apply), sub-category and needs_human if they are given.
 * Threads     One.
 * Ownership   policy_cases_done() frees; a case borrows from the struct.
 * Bounds      POLICY_CASES_MAX cases, POLICY_CASE_FILE_MAX_BYTES a file.
 * Errors      ERR_CONFIG: file, case, place in it, and what is legal there. ERR_FATAL: no memory.
 */
#ifndef SERVICES_CLASSIFIER_TOOL_POLICY_CASES_H
#define SERVICES_CLASSIFIER_TOOL_POLICY_CASES_H

#include "services/classifier/tool/decide.h"

#define POLICY_CASES_MAX           ((size_t)10000)
#define POLICY_CASE_FILE_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct policy_case {
    const char *file, *name;
    json_t *report, *profile, *expected; /* profile: NULL when it has none */
};

struct policy_cases {
    struct policy_case *all;
    size_t n, files_n;
    json_t *docs; /* by file name; the cases borrow from it */
};

/* All cases of the folder, checked against the policy: an unknown member, value or regime is an error. None at all is no error. */
bool policy_cases_load(struct policy_cases *ret, const struct policy *policy, const char *folder,
                       struct err *err) MUST_CHECK;
void policy_cases_done(struct policy_cases *cases); /* accepts a zeroed one */

/* Grades the case and compares. *ret_wrong is a new list of {"what", "expected", "got"}, empty when all is as expected; `ret` is the decision, to be done with
 * also after an error. ERR_CONFIG: its report is none that intake would take. */
bool policy_case_run(const struct policy *policy, const struct policy_case *one,
                     struct decided *ret, json_t **ret_wrong, struct err *err) MUST_CHECK;

/* "level: larger expected, major came; …" of such a list. */
void policy_case_text(struct buf *out, const json_t *wrong);

#endif
