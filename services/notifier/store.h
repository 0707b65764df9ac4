/*
 * store - the ledger of messages: rows of the notifier's schema, inside the sink's transactions.
 *
 * Claims      A message is claimed (`sending`, attempt + 1) in one transaction and handed out in a later one, which therefore sees only claims that
 *             are committed. What another process of this instance had claimed, and claims that ran out, become `unknown`; until they are claimed again,
 *             the outcome of the process that had them still counts.
 * Threads     The sink's.
 * Errors      As in common/db/db.h.
 */
#ifndef SERVICES_NOTIFIER_STORE_H
#define SERVICES_NOTIFIER_STORE_H

#include "common/db/db.h"
#include "services/notifier/sender.h"

#define NOTIFIER_SCHEMA "notifier"
#define NOTIFIER_GROUP  "notifier"

extern const struct db_statement notifier_statements[];
extern const size_t notifier_statements_n;

struct claimant {
    const char *instance, *process; /* the process's name is new with each start */
};

/* The registry as it is now. *ret stays as it is when its version is that of *ret. */
bool store_directory(struct db *db, struct directory **ret, struct err *err) MUST_CHECK;

/* ---- what events tell */
bool store_call(struct db *db, const struct event *raised, const char *body, size_t body_len,
                struct err *err) MUST_CHECK;
/* Calls that were acknowledged; ret_suppressed: messages that are not sent because of it. */
bool store_acknowledged(struct db *db, const char *const *escalation_ids, size_t n, int64_t now_ms,
                        int64_t *ret_suppressed, struct err *err) MUST_CHECK;
/* The incident was refuted or closed at incident_seq. */
bool store_ended(struct db *db, const char *incident_id, int64_t incident_seq, int64_t now_ms,
                 int64_t *ret_suppressed, struct err *err) MUST_CHECK;

/* ---- messages */
/* Plans a message that is due at once. *ret_is_new false: it is known already. */
bool store_plan(struct db *db, const struct escalation_raised *call, const struct contact *contact,
                int32_t partition, int64_t now_ms, bool *ret_is_new, struct err *err) MUST_CHECK;

/* The ways of a call that were tried. Texts live in *ret_res. */
bool store_tried(struct db *db, const char *escalation_id, struct way **ret, size_t *ret_n,
                 int32_t *ret_partition, PGresult **ret_res, struct err *err) MUST_CHECK;

struct claim_terms {
    const char *topic; /* of the calls: how far it was heard */
    size_t n;          /* messages at most */
    size_t share;      /* of one receiver in hand at most: one that hangs must not hold all */
    int64_t now_ms, lease_ms, grace_ms;
    bool may_recover;   /* look for claims whose process is gone, too */
    bool may_take_over; /* then also those of other instances that ran out */
};
/* Claims due messages; *ret_n says how many. */
bool store_claim(struct db *db, const struct claimant *who, const struct claim_terms *terms,
                 size_t *ret_n, struct err *err) MUST_CHECK;

/* The committed claims of this process without those in `in_hand` (an array literal of ids). Calls that were acknowledged meanwhile, and calls of
 * incidents that ended, are suppressed instead. */
bool store_claimed(struct db *db, const struct claimant *who, const char *in_hand, int64_t now_ms,
                   struct job **ret, int64_t *ret_suppressed, struct err *err) MUST_CHECK;

/* Writes what became of a claimed message. *ret_is_first false: it was written before, or another process has claimed the message since. */
bool store_outcome(struct db *db, const struct claimant *who, const struct job *job,
                   enum message_state state, int64_t due_ms, bool *ret_is_first,
                   struct err *err) MUST_CHECK;

#endif
