/* conf - the archiver's options; its rows: conf.def */
#ifndef SERVICES_ARCHIVER_CONF_H
#define SERVICES_ARCHIVER_CONF_H

#include "common/base/conf.h"

struct archiver_conf {
#include "common/base/conf_members.h"
#include "services/archiver/conf.def"
};

extern const struct conf_table archiver_conf_table;

/* --check-config: what the start would refuse, as far as the options tell (check.c). */
bool archiver_check(const struct archiver_conf *conf, struct err *err) MUST_CHECK;

#endif
