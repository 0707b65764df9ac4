/*
 * notify - what the notifier's sink calls: calls become messages, due messages go out, outcomes are recorded and published.
 *
 *     apply    escalation.raised → a planned message;  escalation.state → acknowledged calls and ended incidents tell nobody any more
 *     tick     record what came back · hand out what was claimed and is still wanted · claim what is due
 *
 * No transaction waits for the network: a claim is committed, then handed to the sender in a later tick; an outcome comes back through a queue and is
 * recorded in a tick. A job leaves the hand only when the tick after that proves that its record was committed.
 *
 * Threads     The sink's; the sender has its own.
 * Life        The struct lives as long as the process, also while the sink is opened again.
 * Bounds      conf.inflight_max jobs in hand, a quarter of them for one receiver.
 */
#ifndef SERVICES_NOTIFIER_NOTIFY_H
#define SERVICES_NOTIFIER_NOTIFY_H

#include "common/flow/sink.h"
#include "services/notifier/conf.h"
#include "services/notifier/store.h"

struct notify {
    const struct notifier_conf *conf;
    struct sender *sender;
    struct directory *directory;
    struct claimant who;
    struct rows rows;
    char process[ID_TEXT_LEN + 1];
    struct job *back;                 /* came back; leave the hand when their record is proven */
    size_t in_hand_n;                 /* with the sender, or back */
    char (*in_hand)[ID_TEXT_LEN + 1]; /* their notification ids, in_hand_n of conf.inflight_max */
    bool has_claims;                  /* there may be committed claims that are not in hand */
    int64_t look_due_ms, recover_due_ms, directory_due_ms; /* monotonic */
    int64_t turn_ms;                                       /* monotonic; of the last tick */
    int64_t take_over_ms;   /* monotonic; others' claims that ran out are left alone until then */
    int64_t drain_until_ms; /* monotonic; set: nothing new is claimed */
};

bool notify_open(struct notify *n, const struct notifier_conf *conf, struct sender *sender,
                 struct err *err) MUST_CHECK;
void notify_close(struct notify *n);

/* The sink was opened anew: what the last transaction did is not known. */
void notify_resume(struct notify *n);

/* From the first call on nothing new is claimed. True: nothing is under way or waits to be recorded, or that took too long. */
bool notify_drain(struct notify *n);

sink_apply_fn notify_apply; /* ctx: struct notify */
sink_tick_fn notify_tick;

#endif
