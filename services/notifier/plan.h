/*
 * plan - whom a call reaches and by which way, and what follows from the fate of an attempt. Pure.
 *
 * Order       The person whom the call names, contact by contact; when all are dead, the others who hold the same role and are not absent, by
 *             rank (the deputy). One message at a time: the next way is taken only when the one before it is dead.
 * Ids         A notification's id follows from the incident, the call, the person, the channel and the address: repeated work repeats it.
 */
#ifndef SERVICES_NOTIFIER_PLAN_H
#define SERVICES_NOTIFIER_PLAN_H

#include "services/notifier/directory.h"

/* The next way that `tried` does not hold. NULL: there is none. */
struct way {
    const char *person_id;
    enum channel channel;
    const char *address;
};
const struct contact *plan_next(const struct directory *d, const struct escalation_raised *call,
                                const struct way *tried, size_t tried_n, int64_t now_ms);

void plan_id(struct id *ret, const struct escalation_raised *call, const struct contact *contact);

enum message_state {
    MESSAGE_SENT,
    MESSAGE_FAILED, /* it certainly did not arrive; tried again */
    MESSAGE_UNKNOWN, /* it may have arrived; tried again, marked as a possible duplicate, under the same id */
    MESSAGE_DEAD,
};
const char *message_state_name(enum message_state state);

enum fate {
    FATE_DELIVERED,
    FATE_LATER,   /* refused this time, or not reached */
    FATE_NEVER,   /* refused for good */
    FATE_UNKNOWN, /* sent, and no answer came */
};

struct retry_policy {
    int64_t attempts_max, first_ms;
};

/* Longest pause between two attempts, also when the other side asks for more. */
#define RETRY_PAUSE_MAX_MS (15 * 60 * 1000)

/* What becomes of a message after its attempt-th try; *ret_pause_ms until the next one when there is one. The pause doubles, and is spread by a
 * fifth either way, by the message's id: the same after a restart. asked_ms: what the other side asked for, 0: nothing. */
enum message_state plan_after(enum fate fate, const char *notification_id, int64_t attempt,
                              int64_t asked_ms, const struct retry_policy *policy,
                              int64_t *ret_pause_ms);

#endif
