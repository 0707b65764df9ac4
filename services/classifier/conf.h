/* conf - the classifier's options; its rows: conf.def */
#ifndef SERVICES_CLASSIFIER_CONF_H
#define SERVICES_CLASSIFIER_CONF_H

#include "common/base/conf.h"

struct classifier_conf {
#include "common/base/conf_members.h"
#include "services/classifier/conf.def"
};

extern const struct conf_table classifier_conf_table;

/* --check-config: what the start would refuse, as far as options and policy tell (check.c). */
bool classifier_check(const struct classifier_conf *conf, struct err *err) MUST_CHECK;

#endif
