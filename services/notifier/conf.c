#include "services/notifier/conf.h"

#define CONF_STRUCT struct notifier_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/notifier/conf.def"
};

const struct conf_table notifier_conf_table = {
    "notifier", "tells people, each once, by the ways in which they can be reached", options,
    ARRAY_LEN(options)};
