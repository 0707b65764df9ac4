#include "services/intake/conf.h"

#define CONF_STRUCT struct intake_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/intake/conf.def"
};
const struct conf_table intake_conf_table = {
    "intake", "accepts reports, supplements and actions over HTTP, and publishes them", options,
    ARRAY_LEN(options)};
