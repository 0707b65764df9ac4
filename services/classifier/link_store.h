/*
 * link_store - traits, their members and campaigns as rows of the schema `classifier`. Decides nothing.
 *
 * Order       link_store_load() locks the traits in order of their ids before it looks for members (hard case 12). The caller has locked its incidents
 *             before.
 * Price       Three statements to read and at most three to write, however many traits there are.
 * Kept        A trait is kept TRAIT_SPARE_MS longer than its rule's window since it was last seen, and so is an incident that waits: a partition that lags,
 *             or a service that was down, still finds them.
 * Threads     One at a time.
 * Bounds      Of a trait are read the TRAIT_WAITING_MAX newest members that wait, TRAIT_ERAS_MAX campaigns and the CAMPAIGN_LINKED_MAX newest members of
 *             each. TRAIT_EXPIRE_MAX rows are deleted at a time.
 */
#ifndef SERVICES_CLASSIFIER_LINK_STORE_H
#define SERVICES_CLASSIFIER_LINK_STORE_H

#include "common/db/db.h"
#include "services/classifier/campaign.h"

#define TRAIT_SPARE_MS    (INT64_C(7) * 24 * 3600 * 1000)
#define TRAIT_WAITING_MAX 1000
#define TRAIT_ERAS_MAX    8
#define TRAIT_EXPIRE_MAX  1000

extern const struct db_statement link_statements[];
extern const size_t link_statements_n;

/* Of which newcomers is asked whether they are members already. */
struct link_pair {
    const struct id *trait_id, *incident_id;
};

/* The circles, each with its trait, in order of their ids. */
bool link_store_load(struct db *db, struct circle *circles, size_t n, const struct link_pair *pairs,
                     size_t pairs_n, int64_t now_ms, struct err *err) MUST_CHECK;

/* Writes what is new. */
bool link_store_save(struct db *db, const struct circle *circles, size_t n, int64_t now_ms,
                     struct err *err) MUST_CHECK;

/* Deletes what nobody will ask for any more, some of it: true in *ret_more when there may be more. */
bool link_store_expire(struct db *db, int64_t now_ms, bool *ret_more, struct err *err) MUST_CHECK;

#endif
