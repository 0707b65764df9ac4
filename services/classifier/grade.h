/*
 * grade - the first grade of every report: the transform of the pipe `classifier.grade`. Needs no database.
 *
 * report.submitted becomes incident.classified, revision 0, with the id event_id_derive(report's id, "classified", NULL) and the report's occurred_at:
 * the same report under the same policy gives the same bytes. Other types are passed over; what cannot be decoded is dead-lettered.
 *
 * Threads     One at a time (the pipe's). Bounds: those of events; see services/classifier/facts.h.
 */
#ifndef SERVICES_CLASSIFIER_GRADE_H
#define SERVICES_CLASSIFIER_GRADE_H

#include "common/flow/pipe.h"
#include "proto/event_headers.h"
#include "services/classifier/live.h"

struct grader {
    struct policy_live *live;
    struct policy *policy; /* a reference of the grader's own, renewed before each report */
    struct id id;          /* of the event that was made last; its headers point here */
    struct event_headers headers;
};

void grader_init(struct grader *g, struct policy_live *live);
void grader_done(struct grader *g);

pipe_transform_fn grade_transform; /* ctx: a struct grader */

#endif
