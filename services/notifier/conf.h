/* conf - the notifier's options; its rows: conf.def */
#ifndef SERVICES_NOTIFIER_CONF_H
#define SERVICES_NOTIFIER_CONF_H

#include "common/base/conf.h"

struct notifier_conf {
#include "common/base/conf_members.h"
#include "services/notifier/conf.def"
};

extern const struct conf_table notifier_conf_table;

#endif
