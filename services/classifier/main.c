#include <stdlib.h>

#include "common/base/log.h"
#include "services/classifier/groups.h"

struct reloading {
    struct service *svc;
    struct policy_live *policy;
};

/* Whoever asks an instance which policy it grades by, and what became of the last one, finds it beside the checks. */
static void say_policy(const struct reloading *r)
{
    char text[POLICY_LIVE_SAYS_BYTES];

    policy_live_says(r->policy, text);
    service_check(r->svc, "policy", true, text);
}

static void reload(void *ctx)
{
    struct reloading *r = ctx;

    policy_live_reload(r->policy);
    say_policy(r);
}

/* Declaration order is start order; leaving the scope is the shutdown, in reverse. */
static bool run(const struct classifier_conf *conf, struct err *err)
{
    AUTO(auto_service) struct service *svc = NULL;
    AUTO(auto_policy_live) struct policy_live *policy = NULL;
    struct service_conf frame = {"classifier", conf->instance, conf->admin_listen, conf->policy};
    struct reloading reloading;
    bool ok;

    if (!service_open(&svc, &frame, err) || !policy_live_open(&policy, conf->policy, err))
        return err_wrap(err, "start");
    reloading = (struct reloading){svc, policy};
    say_policy(&reloading);
    service_on_reload(svc, reload, &reloading);
    ok = groups_run(svc, conf, policy, err);
    service_on_reload(svc, NULL, NULL);
    return ok;
}

int main(int argc, char **argv)
{
    struct classifier_conf conf = {0};
    struct err err = {0};
    enum conf_outcome outcome = conf_load(&conf, &classifier_conf_table, argc, argv, NULL, &err);

    if (outcome != CONF_FAIL &&
        (outcome == CONF_RUN ? run(&conf, &err) : classifier_check(&conf, &err)))
        return EXIT_SUCCESS;
    log_err(LOG_ERROR, "classifier", &err);
    return err_exit_code(&err);
}
