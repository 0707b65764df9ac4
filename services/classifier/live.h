/*
 * live - the policy that is in force, and how another one takes its place while the service runs.
 *
 * Threads     policy_live_reload() and policy_live_says() on the main thread; policy_live_update() on any, each with a `mine` of its own.
 * Guarantee   A bad policy is refused: the one in force stays, a line is logged, and the counter classifier_policy_refused_total moves.
 */
#ifndef SERVICES_CLASSIFIER_LIVE_H
#define SERVICES_CLASSIFIER_LIVE_H

#include "services/classifier/policy.h"

struct policy_live;

bool policy_live_open(struct policy_live **ret, const char *folder, struct err *err) MUST_CHECK;
void policy_live_close(struct policy_live *live);
DEFINE_AUTO(auto_policy_live, struct policy_live, policy_live_close)

/* Loads the folder again. The same rules once more are no news. */
void policy_live_reload(struct policy_live *live);

/* "in force: <version>", and why the last one was refused, if it was. */
#define POLICY_LIVE_SAYS_BYTES 768
void policy_live_says(struct policy_live *live, char ret[POLICY_LIVE_SAYS_BYTES]);

/* Makes *mine (NULL, or a reference of the caller's) the policy in force. Cheap when nothing changed. */
void policy_live_update(struct policy_live *live, struct policy **mine);

#endif
