#include "services/classifier/live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/metric.h"

#include "common/base/metric_rows.h"
#include "services/classifier/policy_metrics.def"

struct policy_live {
    const char *folder;
    pthread_mutex_t lock; /* guards the step from `current` to a reference of it */
    struct policy *_Atomic current;
    struct err refused; /* the main thread; why the last one was refused, if it was */
};

static void announce(const struct policy *policy)
{
    log_at(LOG_INFO, "policy in force", log_str("policy_version", policy->version),
           log_int("regimes", (int64_t)policy->regimes_n));
}

bool policy_live_open(struct policy_live **ret, const char *folder, struct err *err)
{
    AUTO(auto_policy_live) struct policy_live *live = calloc(1, sizeof(*live));
    struct policy *policy = NULL;

    if (!live)
        return err_memory(err);
    live->folder = folder;
    (void)pthread_mutex_init(&live->lock, NULL);
    if (!policy_load(&policy, folder, err))
        return false;
    atomic_store(&live->current, policy);
    announce(policy);
    *ret = TAKE(live);
    return true;
}

void policy_live_close(struct policy_live *live)
{
    if (!live)
        return;
    policy_unref(atomic_load(&live->current));
    (void)pthread_mutex_destroy(&live->lock);
    free(live);
}

void policy_live_reload(struct policy_live *live)
{
    struct policy *fresh = NULL, *old;

    live->refused = (struct err){0};
    if (!policy_load(&fresh, live->folder, &live->refused)) {
        metric_add(&classifier_policy_refused_total, 1);
        log_err(LOG_WARN, "the new policy is refused, the old one stays", &live->refused);
        return;
    }
    announce(fresh); /* also the same: whoever asked for it, or mended it, is told */
    if (strcmp(fresh->version, atomic_load(&live->current)->version) == 0) {
        policy_unref(fresh);
        return;
    }
    metric_add(&classifier_policy_loads_total, 1);
    pthread_mutex_lock(&live->lock);
    old = atomic_exchange(&live->current, fresh);
    pthread_mutex_unlock(&live->lock);
    policy_unref(old);
}

void policy_live_says(struct policy_live *live, char ret[POLICY_LIVE_SAYS_BYTES])
{
    bool is_refused = live->refused.kind != ERR_NONE;

    snprintf(ret, POLICY_LIVE_SAYS_BYTES, "in force: %s%s%s", atomic_load(&live->current)->version,
             is_refused ? "; the one in the folder is refused: " : "",
             is_refused ? live->refused.text : "");
}

void policy_live_update(struct policy_live *live, struct policy **mine)
{
    struct policy *old = *mine;

    if (atomic_load_explicit(&live->current, memory_order_acquire) == old)
        return;
    pthread_mutex_lock(&live->lock);
    *mine = policy_ref(atomic_load(&live->current));
    pthread_mutex_unlock(&live->lock);
    policy_unref(old);
}
