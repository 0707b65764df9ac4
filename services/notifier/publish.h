/* publish - the notifier's events: what became of a message, through the outbox of the sink's transaction. */
#ifndef SERVICES_NOTIFIER_PUBLISH_H
#define SERVICES_NOTIFIER_PUBLISH_H

#include "common/flow/sink.h"
#include "services/notifier/sender.h"

/* notification.sent, .failed (also when the fate is not known) or .dead; retry_ms: 0 = no other attempt. */
bool publish_outcome(struct sink_tx *tx, const struct event *call, const struct job *job,
                     struct err *err) MUST_CHECK;

/* notification.dead of a call whose person has no contact. */
bool publish_unreachable(struct sink_tx *tx, const struct event *call, struct err *err) MUST_CHECK;

#endif
