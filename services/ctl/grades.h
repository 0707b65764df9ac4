/*
 * grades - past grades, read from the views of analytics and given to tongbao-policy.
 *
 * Rights      Those of tongbao_analyst are enough; without --pg, TONGBAO_PG (of var/tongbao.env) is taken.
 * Bounds      GRADES_MAX grades of one replay, GRADES_CORRECTIONS_MAX corrections, the last 500 earlier ones of one incident; bodies are read GRADES_PAGE at a time.
 * Errors      ERR_INPUT: no such incident, or not graded yet. As services/ctl/program.h and sql.h say.
 */
#ifndef SERVICES_CTL_GRADES_H
#define SERVICES_CTL_GRADES_H

#include <stdio.h>

#include "common/base/id.h"
#include "services/ctl/program.h"

#define GRADES_MAX             1000000
#define GRADES_PAGE            200
#define GRADES_CORRECTIONS_MAX 100000

/* One of the two is set. */
struct incident_name {
    struct id id;
    char reference[REFERENCE_TEXT_MAX];
};

/* An id or a reference, as people write them. */
bool incident_name_parse(struct incident_name *ret, const char *text);

/* {"grade": the body that stands, "at", "earlier": […]} to the program. */
bool grades_explain(const char *conninfo, const struct incident_name *name,
                    const char *const *words, struct err *err) MUST_CHECK;

/* The bodies of all grades by rules since then, one a line, those of an incident behind each other. */
bool grades_replay(const char *conninfo, int64_t since_ms, const char *const *words,
                   struct err *err) MUST_CHECK;

/* What people decided since then, as the text model is trained: {"text", "category", "gbt20986", "reference"} one a line, each incident once. */
bool grades_corrections(const char *conninfo, int64_t since_ms, FILE *out,
                        struct err *err) MUST_CHECK;

#endif
