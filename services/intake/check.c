#include "common/db/db.h"
#include "common/http/server.h"
#include "common/service/service.h"
#include "services/intake/conf.h"

bool intake_check(const struct intake_conf *conf, struct err *err)
{
    AUTO(auto_db) struct db *db = NULL; /* reads the string, does not connect */
    struct service_conf frame = {"intake", conf->instance, conf->admin_listen, NULL};
    struct db_conf pg = {.conninfo = conf->pg};

    if (!conf->listen || !conf->admin_listen || !conf->pg)
        return true; /* --help and the like */
    return service_conf_check(&frame, err) && http_listen_check(conf->listen, err) &&
           db_open(&db, &pg, err);
}
