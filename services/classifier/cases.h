/*
 * cases - the sink `classifier.case`: events and cases meet here, and what follows is stored and published in one transaction.
 *
 * Threads     One at a time (the sink's). Guarantee: the sink's; a reclassified goes out through the outbox.
 * Once        A case is graded again once a batch, after all of the batch's events for it: its price grows with what is known.
 * Linked      Incidents that share a trait with other enterprises' are linked into campaigns (services/classifier/links.h); their incident.linked comes
 *             back through incident.v1, and is then an input like a supplement.
 * Answered    A decision that does not count is published too, after the grade that stands, as its refusal (hard case 11).
 * Refused     An event that must not be applied (services/classifier/case.h) is refused (sink_refuse) and not returned as ERR_INPUT: it is no poison, and
 *             whoever sends ten of them in a row must not pause the partition for others. What met a bound or expired may be replayed; a
 *             stranger's event may not, and counts in classifier_strangers_total.
 * Errors      ERR_INPUT: an event that cannot be read.
 */
#ifndef SERVICES_CLASSIFIER_CASES_H
#define SERVICES_CLASSIFIER_CASES_H

#include "common/flow/sink.h"
#include "services/classifier/live.h"

#define CASES_GROUP   "classifier.case"
#define CASES_TICK_MS INT64_C(60000)

struct cases {
    struct policy_live *live;
    struct policy *policy; /* a reference of its own, renewed before each batch */
    int64_t early_max;     /* inputs of one enterprise that may wait for incidents */
};

void cases_init(struct cases *cases, struct policy_live *live, int64_t early_max);
void cases_done(struct cases *cases);

sink_apply_fn cases_apply; /* ctx: a struct cases */
sink_tick_fn cases_tick;   /* early inputs and traits expire */

#endif
