/*
 * campaign - which incidents of several enterprises belong together. Pure.
 *
 * Era         Incidents with one trait (traits.h), each of them no longer than the rule's window after another. When nothing comes for longer, a new era begins.
 * Campaign    An era in which as many enterprises as the rule wants were hit within one window. All incidents of the era belong to it, those before and
 *             those behind as well. So which incidents are linked does not depend on the order in which they come.
 * Opens       with the incident that completes the number; its id follows from rule, value and the era's first incident. An incident that bridges two
 *             campaigns joins the earlier; both stay.
 * Time        An incident has a trait since the event that first brought it (occurred_at), never since "now".
 *
 * Threads     Pure functions of their arguments. Ownership: a circle owns its members and eras; texts of traits and bodies live in the caller's arenas.
 * Bounds      CAMPAIGN_LINKED_MAX incidents named in one event; CAMPAIGN_OWN_MAX incidents of one enterprise within a
 *             window that wait for others with the same trait: what is beyond is left out, and the caller is told.
 * Errors      ERR_FATAL: no memory.
 */
#ifndef SERVICES_CLASSIFIER_CAMPAIGN_H
#define SERVICES_CLASSIFIER_CAMPAIGN_H

#include "services/classifier/traits.h"

#define CAMPAIGN_LINKED_MAX 200 /* as proto/events.def bounds them */
#define CAMPAIGN_OWN_MAX    32

struct member {
    struct id incident_id, enterprise_id;
    struct id campaign_id;  /* none: it waits for others */
    int64_t occurred_at;    /* of the event that brought the trait */
    bool is_new, is_linked; /* by campaign_link(): a newcomer; newly in its campaign */
};

/* A campaign of the trait. */
struct era {
    struct id campaign_id;
    int64_t first_at, last_at;
    int64_t incidents;
    struct id *enterprises;
    size_t enterprises_n;
    bool is_changed;
};

/* What is known of one trait's members: those that wait, and the newest of each campaign. */
struct circle {
    const struct trait *trait;
    struct member *members; /* by time and incident */
    size_t members_n, members_cap;
    struct era *eras;
    size_t eras_n, eras_cap;
};

void circle_done(struct circle *c);
bool circle_add_member(struct circle *c, const struct member *m, struct err *err) MUST_CHECK;
/* Takes over the era's enterprises. */
bool circle_add_era(struct circle *c, const struct era *era, struct err *err) MUST_CHECK;
bool era_add_enterprise(struct era *era, const struct id *enterprise_id,
                        struct err *err) MUST_CHECK;

enum linking {
    LINKING_FAILED,   /* err: no memory */
    LINKING_LEFT_OUT, /* a bound: it is not added */
    LINKING_WAITS,    /* added; too few enterprises so far */
    LINKING_LINKED,   /* added: it opens a campaign or joins one */
};

struct linked {
    const struct era *era;
    bool opens;
    size_t *members; /* indices: those that newly belong to it, the newcomer among them */
    size_t members_n;
    size_t newcomer;
};
void linked_done(struct linked *l);

/* Takes a newcomer, which the circle does not have yet. *ret is filled for LINKING_LINKED, and valid until the circle changes. */
enum linking campaign_link(struct circle *c, const struct member *newcomer, struct linked *ret,
                           struct err *err);

/* --- what is said of it --- */

/* incident.linked of the i-th of the newly linked; it borrows from circle, arena and policy_version. */
bool campaign_body(struct incident_linked *ret, const struct circle *c, const struct linked *l,
                   size_t i, const char *policy_version, struct arena *arena,
                   struct err *err) MUST_CHECK;

/* Its event's id. */
void campaign_event_id(struct id *ret, const struct id *parent, const struct id *campaign_id,
                       const struct id *incident_id);

#endif
