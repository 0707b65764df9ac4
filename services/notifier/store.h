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

#include "common/db/columns.h"
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

/* ---- rows that wait to be written together */
struct rows {
    struct columns calls, messages, outcomes;
};
void rows_init(struct rows *r);
void rows_done(struct rows *r);
void rows_forget(struct rows *r); /* of a transaction that failed */

void rows_add_call(struct rows *r, const struct event *raised, const char *body, size_t body_len);
/* A message that is due at once. */
void rows_add_message(struct rows *r, const struct escalation_raised *call,
                      const struct contact *contact, int32_t partition, int64_t now_ms);
/* What became of a claimed message: job->state, and job->retry_ms when it is tried again. */
void rows_add_outcome(struct rows *r, const struct job *job);

/* Writes calls and messages. *ret_planned: messages that were not known yet. */
bool store_write(struct rows *r, struct db *db, int64_t *ret_planned, struct err *err) MUST_CHECK;

/* Writes outcomes. *ret names those that were written, in column 0; the others were written before, or another process has claimed the message since.
 * NULL: there was none. */
bool store_outcomes(struct rows *r, struct db *db, const struct claimant *who, PGresult **ret,
                    struct err *err) MUST_CHECK;

/* ---- what events tell: calls and messages are written before */
/* Calls that were acknowledged; ret_suppressed: messages that are not sent because of it. */
bool store_acknowledged(struct db *db, const char *const *escalation_ids, size_t n, int64_t now_ms,
                        int64_t *ret_suppressed, struct err *err) MUST_CHECK;
/* The incident was refuted or closed at incident_seq. */
bool store_ended(struct db *db, const char *incident_id, int64_t incident_seq, int64_t now_ms,
                 int64_t *ret_suppressed, struct err *err) MUST_CHECK;

/* ---- messages */
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

#endif
