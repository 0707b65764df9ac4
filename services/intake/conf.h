/* conf - the options of intake, from conf.def. */
#ifndef SERVICES_INTAKE_CONF_H
#define SERVICES_INTAKE_CONF_H

#include "common/base/conf.h"

struct intake_conf {
#include "common/base/conf_members.h"
#include "services/intake/conf.def"
};

extern const struct conf_table intake_conf_table;

/* --check-config: what the start would refuse, as far as the options tell (check.c). */
bool intake_check(const struct intake_conf *conf, struct err *err) MUST_CHECK;

#endif
