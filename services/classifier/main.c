#include <stdlib.h>

#include "common/base/log.h"
#include "services/classifier/groups.h"

/* Declaration order is start order; leaving the scope is the shutdown, in reverse. */
static bool run(const struct classifier_conf *conf, struct err *err)
{
    AUTO(auto_service) struct service *svc = NULL;
    AUTO(auto_policy_live) struct policy_live *policy = NULL;
    struct service_conf frame = {"classifier", conf->instance, conf->admin_listen};
    bool ok;

    if (!service_open(&svc, &frame, err) || !policy_live_open(&policy, conf->policy, err))
        return err_wrap(err, "start");
    service_on_reload(svc, policy_live_reload, policy);
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
