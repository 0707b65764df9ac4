/*
 * policy - the chains of roles and the duties by regime, as the policy folder has them.
 *
 * Files       chains.json and obligations/<regime>.json; fields in policy.def.
 * Threads     A loaded policy is immutable: any thread.
 * Ownership   policy_free() frees all of it; what the core keeps of it is copied.
 * Bounds      A file of at most POLICY_FILE_MAX_BYTES, POLICY_DUTIES_MAX duties in all,
 *             POLICY_CALLS_MAX calls if every chain is climbed to its end.
 * Errors      ERR_CONFIG naming file, place and what is legal there; nothing is loaded by halves.
 */
#ifndef SERVICES_ESCALATOR_POLICY_H
#define SERVICES_ESCALATOR_POLICY_H

#include "proto/event.h"
#include "proto/predicate.h"

#include "proto/shape_members.h"
#include "services/escalator/policy.def"

#define POLICY_DUTIES_MAX 128
#define POLICY_CALLS_MAX  200 /* escalation_state lists no more acknowledged ones */

struct policy;

bool policy_load(struct policy **ret, const char *folder, struct err *err) MUST_CHECK;
void policy_free(struct policy *p);
DEFINE_AUTO(auto_policy, struct policy, policy_free)

const struct chains_file *policy_chains(const struct policy *p);
const struct chain *policy_chain(const struct policy *p,
                                 const char *id); /* NULL: none of that name */
bool chain_is_for(const struct chain *chain, enum level level);
/* The chain that an event begins: "challenged", of whose scope decided, or "campaign", which is the park's whatever scope is asked for. */
const struct chain *policy_chain_for(const struct policy *p, const char *occasion,
                                     enum scope scope);

struct policy_duty {
    const char *regime;
    const struct duty *duty;
    const struct predicate *when;
};
const struct policy_duty *policy_duties(const struct policy *p, size_t *ret_n);
/* Does the condition of a duty hold for a grade? What is not known does not. */
bool policy_applies(const struct policy *p, const struct policy_duty *duty,
                    const struct incident_classified *grade);

#endif
