/*
 * links - what a batch of events says of traits meets what is stored of them: campaigns open and grow, and each incident that newly belongs to one is told
 * so by incident.linked, in the sink's transaction.
 *
 * Order       All incidents of the batch are locked before links_apply(), which locks the traits.
 * Once        The id of an incident.linked follows from the event that brought it, campaign and incident; an incident belongs to a campaign once.
 * Price       Nothing without traits; else a few statements however many there are (services/classifier/link_store.h).
 * Threads     One at a time.
 * Bounds      LINKS_MAX_BYTES of values a batch: what is beyond is left out and counts in classifier_traits_left_out_total.
 */
#ifndef SERVICES_CLASSIFIER_LINKS_H
#define SERVICES_CLASSIFIER_LINKS_H

#include "common/flow/sink.h"
#include "services/classifier/campaign.h"

#define LINKS_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct newcomer {
    struct trait trait;
    struct member member;
    struct id parent; /* the event that brought the trait */
};

struct links {
    const struct correlation
        *correlation; /* NULL: no rules; borrowed, with the version, as long as this lives */
    const char *policy_version;
    struct newcomer *newcomers;
    size_t n, cap;
    struct arena values;
    struct circle *circles; /* by trait */
    size_t circles_n;
};

void links_init(struct links *l, const struct correlation *correlation, const char *policy_version);
void links_done(struct links *l);

/* Notes the event's traits behind those noted before. They count once links_keep() has said whose the incident is, and may be dropped until then. */
bool links_note(struct links *l, const struct event *ev, struct err *err) MUST_CHECK;
void links_keep(struct links *l, size_t from, const struct id *enterprise_id);
void links_drop(struct links *l, size_t from);

bool links_apply(struct links *l, struct sink_tx *tx, struct err *err) MUST_CHECK;

#endif
