#include "common/db/db.h"
#include "common/service/service.h"
#include "services/classifier/conf.h"
#include "services/classifier/policy.h"

bool classifier_check(const struct classifier_conf *conf, struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    AUTO(auto_db) struct db *db = NULL; /* reads the string, does not connect */
    struct service_conf frame = {"classifier", conf->instance, conf->admin_listen, NULL};
    struct db_conf pg = {.conninfo = conf->pg};

    if (!conf->admin_listen || !conf->pg || !conf->policy)
        return true; /* --help and the like */
    return service_conf_check(&frame, err) && db_open(&db, &pg, err) &&
           policy_load(&policy, conf->policy, err);
}
