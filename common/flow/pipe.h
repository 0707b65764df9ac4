/*
 * pipe - consume → transform → produce; the offset is committed only after what was produced is
 * acked.
 *
 *     poll · transform · produce · acks · commit
 *
 * Killed after any step: the same input is transformed again; ids repeat, so it is harmless.
 *
 * Threads     pipe_run() on one thread; the transform runs there. Acks are counted on librdkafka's
 *             thread.
 * Order       Per partition. Commits never run ahead of acks. Nothing waits: two spans take turns,
 *             one settles while the other is read.
 * Poison      OUTCOME_REJECT: the record goes to the dead letters as it came, with its reason and
 *             origin; its neighbours are unaffected. A record that kills the process: starts on one
 *             offset are counted in the commit metadata; from the third on each record is tried in
 *             a forked child first, and the killer is dead-lettered (hard case 4). Ten dead letters
 *             in a row from one partition pause that partition until a restart, and a gauge shows
 *             it.
 * Beginning   A partition never seen begins at offset 0. A log that starts above the wanted offset:
 *             ERR_CONFIG naming the range (hard case 6). The event id of the record before the
 *             offset stands in the commit metadata, and is compared on assignment; if it differs
 *             the log is another one, and the partition is read from its start (hard case 7).
 * Fencing     A static member that was fenced: ERR_CONFIG (exit 78: no supervisor starts it again).
 * Errors      pipe_run() returns true when `stop` was set, else the error: ERR_TRANSIENT means
 *             close, back off, open again.
 */
#ifndef COMMON_FLOW_PIPE_H
#define COMMON_FLOW_PIPE_H

#include <stdatomic.h>

#include "common/flow/flow.h"

struct pipe;

/* What a transform produces. Emptied before each call; the value's memory is kept from call to
 * call. */
struct pipe_out {
    const char *topic; /* one of conf.outputs */
    struct buf value;
    struct record_header headers[RECORD_HEADERS_MAX]; /* values are borrowed until the next call */
    size_t headers_n;
};

/* Pure: no clock but now_ms, no socket, no log. The key of the output is the input's. `out` is
 * filled with OUTCOME_DONE only. */
typedef enum outcome pipe_transform_fn(void *ctx, const struct flow_record *in, int64_t now_ms,
                                       struct pipe_out *out, struct err *why);

struct pipe_conf {
    struct kafka_conf kafka;
    const char *group, *instance;
    struct flow_topics input;
    const char *const *outputs; /* topics that the transform may name, warmed */
    size_t outputs_n;
    const char *dead_topic;
    int64_t inflight_max, commit_ms;
    pipe_transform_fn *transform;
    void *ctx;
    void (*turn)(void *ctx); /* called once a turn of the loop (readiness, reload); may be NULL */
};

bool pipe_open(struct pipe **ret, const struct pipe_conf *conf, struct err *err) MUST_CHECK;
bool pipe_run(struct pipe *p, const atomic_bool *stop, struct err *err) MUST_CHECK;
void pipe_close(struct pipe *p);
DEFINE_AUTO(auto_pipe, struct pipe, pipe_close)

#endif
