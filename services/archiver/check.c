#include "common/db/db.h"
#include "common/service/service.h"
#include "services/archiver/conf.h"

bool archiver_check(const struct archiver_conf *conf, struct err *err)
{
    AUTO(auto_db) struct db *db = NULL; /* reads the string, does not connect */
    struct service_conf frame = {"archiver", conf->instance, conf->admin_listen, NULL};
    struct db_conf pg = {.conninfo = conf->pg};

    if (!conf->admin_listen || !conf->pg)
        return true; /* --help and the like */
    return service_conf_check(&frame, err) && db_open(&db, &pg, err);
}
