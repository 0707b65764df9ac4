/* conf - the notifier's options; its rows: conf.def */
#ifndef SERVICES_NOTIFIER_CONF_H
#define SERVICES_NOTIFIER_CONF_H

#include "common/base/conf.h"

struct notifier_conf {
#include "common/base/conf_members.h"
#include "services/notifier/conf.def"
};

extern const struct conf_table notifier_conf_table;

/* The addresses that conf_load() takes as text. ERR_CONFIG: how to write one. */
bool notifier_conf_check(const struct notifier_conf *conf, struct err *err) MUST_CHECK;

/* --check-config: what the start would refuse, as far as options and templates tell (check.c). */
bool notifier_check(const struct notifier_conf *conf, struct err *err) MUST_CHECK;

#endif
