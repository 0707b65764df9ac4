#include "common/db/db.h"
#include "common/service/service.h"
#include "services/notifier/conf.h"
#include "services/notifier/templates.h"

bool notifier_check(const struct notifier_conf *conf, struct err *err)
{
    AUTO(auto_templates) struct templates *templates = NULL;
    AUTO(auto_db) struct db *db = NULL; /* reads the string, does not connect */
    struct service_conf frame = {"notifier", conf->instance, conf->admin_listen, NULL};
    struct db_conf pg = {.conninfo = conf->pg};

    if (!conf->admin_listen || !conf->pg || !conf->policy || !conf->smtp_url || !conf->public_url)
        return true; /* --help and the like */
    return service_conf_check(&frame, err) && db_open(&db, &pg, err) &&
           notifier_conf_check(conf, err) && templates_load(&templates, conf->policy, err);
}
