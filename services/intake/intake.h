/*
 * intake - what a submission means: from who sent it, what it says and when it came to the event
 * that is published, its ids and its receipt.
 *
 * Threads     Pure functions of their arguments: no clock, socket, log.
 * Ownership   Events borrow from the submission, the request and the caller; text that is added
 *             lives in `arena`.
 * Ids         The same submission again gives the same ids on any instance, and nothing of "now" is
 *             in a report's body, so a repeat is the same bytes while the registry is unchanged.
 *             incident_id: enterprise and Idempotency-Key, or enterprise and canonical body where
 *             there is no key. Event of a report: incident and canonical body. Supplement and
 *             action: incident, key that acted, and Idempotency-Key, or the canonical body where
 *             there is none, with the incident_seq that the sender saw; if he does not say, with
 *             the state at which the incident stands. The canonical body is the decoded request by
 *             RFC 8785: no nulls, times in UTC.
 * Bounds      INTAKE_AHEAD_MAX_MS for times given by the sender; EVENT_BODY_MAX_BYTES for what is
 *             published.
 * Errors      ERR_INPUT with the JSON pointer of the value at fault; a body's bounds are proto's.
 */
#ifndef SERVICES_INTAKE_INTAKE_H
#define SERVICES_INTAKE_INTAKE_H

#include "proto/event.h"

#define INTAKE_AHEAD_MAX_MS    INT64_C(600000)
#define INTAKE_ARENA_MAX_BYTES ((size_t)4 * EVENT_BODY_MAX_BYTES) /* what a request decodes into */

/* Who may call, as the registry has it. */
enum key_scope { KEY_MAY_REPORT = 1, KEY_MAY_ACT = 2, KEY_MAY_READ = 4 };

struct caller {
    const char *enterprise_id, *key_id;
    const char *actor_id;   /* the person that the key belongs to, else the key */
    const char *actor_name; /* NULL: none */
    unsigned scopes;        /* of enum key_scope */
    bool is_park;           /* sees and acts on all incidents */
    struct profile *profile;
};

struct submission {
    const struct caller *caller;
    const char *idempotency_key; /* NULL: none */
    int64_t received_ms;         /* wall time */
};

/* The incident that a supplement or an action is about. */
struct target {
    struct id incident_id, enterprise_id;
    int64_t state_n; /* grows with all that happens to it; 0: not visible */
    bool drill;
};

/* What is about to be published. */
struct outgoing {
    enum event_type type;
    struct id incident_id, event_id;
    struct id subject, content; /* one subject never has two contents: told apart by `recent` */
};

/* Buffers that are used again and again. One thread at a time. */
struct workshop {
    struct buf canonical, body;
};
void workshop_init(struct workshop *w);
void workshop_done(struct workshop *w);

/* Writes the body of report.submitted to w->body. Completes req's evidence. */
bool intake_report(const struct submission *sub, struct report_request *req, struct workshop *w,
                   struct arena *arena, struct outgoing *ret, struct err *err) MUST_CHECK;

/* What can be told before the incident is known; also completes req's evidence. */
bool intake_check_supplement(struct supplement_request *req, struct arena *arena,
                             struct err *err) MUST_CHECK;
bool intake_check_action(const struct action_request *req, int64_t now_ms,
                         struct err *err) MUST_CHECK;

/* Write the event's body to w->body. The request is checked. */
bool intake_supplement(const struct submission *sub, const struct target *target,
                       const struct supplement_request *req, struct workshop *w,
                       struct outgoing *ret, struct err *err) MUST_CHECK;
bool intake_action(const struct submission *sub, const struct target *target,
                   const struct action_request *req, struct workshop *w, struct outgoing *ret,
                   struct err *err) MUST_CHECK;

/* {id} of a path: an id in any writing, or a reference in any writing. */
struct incident_name {
    struct id id; /* "" when a reference was given */
    char reference[REFERENCE_TEXT_MAX];
};
bool intake_parse_name(struct incident_name *ret, const char *text, struct err *err) MUST_CHECK;

bool intake_may_see(const struct caller *caller, const struct target *known);

/* What a supplement or an action is stamped with. `known` is NULL when the incident is not visible
 * yet, or the database is away: then its enterprise is the caller's, and the sinks judge (hard case
 * 10). So it is for another enterprise's incident: nobody learns from the answer that there is one.
 */
void intake_aim(struct target *ret, const struct caller *caller, const struct id *incident_id,
                const struct target *known);

/* "secret" of "Bearer tbk_<key_id>_<secret>"; false: not of this form. */
#define KEY_ID_LEN 12
bool intake_parse_bearer(const char *authorization, char ret_key_id[KEY_ID_LEN + 1],
                         const char **ret_secret);

/* 1 to 200 printable ASCII characters. */
bool intake_key_valid(const char *idempotency_key);

/* The 202's document. */
#define RECEIPT_MAX_BYTES 512
struct receipt {
    char location[64];
    char body[RECEIPT_MAX_BYTES];
    size_t body_len;
};
void intake_receipt(struct receipt *ret, const struct outgoing *out, int64_t received_ms);

#endif
