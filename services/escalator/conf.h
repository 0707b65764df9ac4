/* conf - the escalator's options; its rows: conf.def */
#ifndef SERVICES_ESCALATOR_CONF_H
#define SERVICES_ESCALATOR_CONF_H

#include "common/base/conf.h"

struct escalator_conf {
#include "common/base/conf_members.h"
#include "services/escalator/conf.def"
};

extern const struct conf_table escalator_conf_table;

/* --check-config: what the start would refuse, as far as options and policy tell (check.c). */
bool escalator_check(const struct escalator_conf *conf, struct err *err) MUST_CHECK;

#endif
