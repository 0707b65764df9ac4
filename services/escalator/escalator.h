/*
 * escalator - what the sink calls: events and due clocks through the core, what they change to the store, what they publish to the outbox.
 *
 * Threads     The sink's; the policy is exchanged between its turns.
 * Ownership   The struct is the caller's: zeroed, then escalator_open(), escalator_close().
 * Bounds      DUE_MAX incidents a round of clocks, conf.early_max kept actions of one enterprise, EARLY_DAYS days.
 */
#ifndef SERVICES_ESCALATOR_ESCALATOR_H
#define SERVICES_ESCALATOR_ESCALATOR_H

#include "common/flow/sink.h"
#include "services/escalator/conf.h"
#include "services/escalator/directory.h"
#include "services/escalator/policy.h"
#include "services/escalator/store.h"

#define ESCALATOR_GROUP  "escalator"
#define ESCALATOR_SCHEMA "escalator"
#define DUE_MAX          500
#define EARLY_DAYS       7

#define ESCALATOR_INPUTS_N 4
extern const enum topic_id escalator_inputs[ESCALATOR_INPUTS_N];

struct escalator {
    const struct escalator_conf *conf;
    struct policy *policy;
    struct directory *directory;
    int64_t registry_version;
    struct store *store;
    struct buf body; /* scratch: the event that is being published */
    struct heard heard[HEARD_MAX];
    int64_t looked_at_ms; /* monotonic, as the next three */
    int64_t gauge_due_ms, expiry_due_ms;
};

bool escalator_open(struct escalator *e, const struct escalator_conf *conf,
                    struct err *err) MUST_CHECK;
void escalator_close(struct escalator *e);

/* Reads the policy again; a bad one is logged, counted, and the one before stays. */
bool escalator_reload(struct escalator *e, struct err *err);

bool escalator_apply(struct escalator *e, struct sink_tx *tx, const struct flow_record *records,
                     size_t n, struct err *err) MUST_CHECK;
bool escalator_tick(struct escalator *e, struct sink_tx *tx, bool *ret_more,
                    struct err *err) MUST_CHECK;

#endif
