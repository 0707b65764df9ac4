/*
 * escalate - the core: an incident's state and an event, or the passing of time, give its next state and what has to be published.
 *
 * Pure        A function of its arguments: no clock, no database, no log. The same code serves events and time.
 * State       `inc` is changed in place; rows that have to be written are marked `changed`.
 * Effects     Events for tongbao.escalation.v1, in order, each with an id that repeats when the work repeats.
 * incident_seq  grows by one with each input that has an effect (applied or refused), and with each time that fires.
 * Ownership   All memory is from world.arena; bodies borrow from `inc`: publish them before the next call.
 * Errors      ERR_FATAL: the arena is full. `inc` is then useless.
 */
#ifndef SERVICES_ESCALATOR_ESCALATE_H
#define SERVICES_ESCALATOR_ESCALATE_H

#include "services/escalator/directory.h"
#include "services/escalator/incident.h"
#include "services/escalator/policy.h"

struct world {
    const struct policy *policy;
    const struct directory *directory;
    struct arena *arena;
    int64_t now_ms; /* from here on a person who is called now has time to acknowledge */
};

struct effect {
    enum event_type type;
    struct id id;
    const void *body;
    struct effect *next;
};

enum verdict {
    VERDICT_DONE,    /* applied, refused with an answer, or without any meaning for the state */
    VERDICT_KEEP,    /* there is no grade yet: keep it, and bring it again then */
    VERDICT_FOREIGN, /* of another enterprise: dead letter, security counter (hard case 10) */
};

struct changes {
    enum verdict verdict;
    struct effect *first, *last;
};

/* False: an event of this type says nothing to the escalator, so its body need not be read. */
bool escalate_wants(enum event_type type);

/* appended_ms: when Kafka took the record; what "on time" is judged by. */
bool escalate_event(struct incident *inc, const struct event *ev, int64_t appended_ms,
                    const struct world *w, struct changes *ret, struct err *err) MUST_CHECK;

/* Fires what is due at world.now_ms. All news until heard_ms is known (hard case 1): what was due by then fires. What is due since
 * then waits; but a step fires all the same, marked unconfirmed, when the bus has been deaf for the whole grace. */
bool escalate_due(struct incident *inc, int64_t heard_ms, bool is_deaf, const struct world *w,
                  struct changes *ret, struct err *err) MUST_CHECK;

#endif
