/*
 * health - what a process says about itself: readiness checks and the loops that have to move.
 * Pure: the caller gives the time and holds the lock.
 *
 * Bounds      HEALTH_MAX checks and as many loops; names and details are cut to their arrays.
 */
#ifndef COMMON_SERVICE_HEALTH_H
#define COMMON_SERVICE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

#define HEALTH_MAX       32
#define HEALTH_SILENT_MS 30000 /* a loop that says nothing for longer stands still */

struct health_check {
    char name[48], detail[640];
    bool ready;
};
struct health_loop {
    char name[48];
    int64_t alive_mono_ms;
};
struct health {
    struct health_check checks[HEALTH_MAX];
    struct health_loop loops[HEALTH_MAX];
    size_t checks_n, loops_n;
};

/* Returns whether the check's readiness changed. One check too many turns the last one into "not
 * ready": that is seen at the first start. */
bool health_check(struct health *h, const char *name, bool ready, const char *detail);

void health_alive(struct health *h, const char *loop, int64_t now_mono_ms);
void health_forget(struct health *h, const char *loop); /* it ended on purpose */

bool health_write_ready(struct buf *out, const struct health *h); /* the "and" of all checks */
bool health_write_alive(struct buf *out, const struct health *h,
                        int64_t now_mono_ms); /* no loop stands still */

#endif
