/*
 * groups - the two consumer groups of the classifier, side by side: the pipe `classifier.grade` on a thread of its own, the sink `classifier.case` on the
 * caller's.
 *
 * Guarantee   The pipe never waits for PostgreSQL. An error of one that is not transient stops both and is returned; but a database that refuses the case
 *             sink (a missing table or right) is tried again, and said by the check "case".
 * Threads     The main thread, once; reloads of the policy also happen there.
 */
#ifndef SERVICES_CLASSIFIER_GROUPS_H
#define SERVICES_CLASSIFIER_GROUPS_H

#include "common/service/service.h"
#include "services/classifier/conf.h"
#include "services/classifier/live.h"

bool groups_run(struct service *svc, const struct classifier_conf *conf, struct policy_live *live,
                struct err *err) MUST_CHECK;

#endif
