/*
 * explain - a grade as a person reads it at night: what, why, by which law, what is not known, who has to look. Pure.
 *
 * Languages   Chinese or English; texts of the reporter and the names in laws stay as they are.
 * Threads     Any.
 * Ownership   Everything is borrowed.
 * Bounds      Those of the body; `out`'s own.
 * Terminals   Control characters of a reporter's text come out as blanks: no report moves a cursor.
 */
#ifndef SERVICES_CLASSIFIER_TOOL_EXPLAIN_H
#define SERVICES_CLASSIFIER_TOOL_EXPLAIN_H

#include "proto/event.h"

enum explain_language { EXPLAIN_ZH, EXPLAIN_EN };

struct explain {
    const struct incident_classified
        *body;             /* of an event; without reference: of a report that is not sent */
    const char *at;        /* when it was published; NULL: it was not */
    const json_t *regimes; /* {"cac-2025": {"zh", "en"}}: names to ids; NULL: ids only */
    const json_t *
        earlier; /* [{"revision", "at", "level", "category", "decided_by", "actor", "policy_version"}], the latest first; NULL: none */
};

void explain_write(struct buf *out, const struct explain *what, enum explain_language language);

#endif
