#include "services/escalator/conf.h"

#define CONF_STRUCT struct escalator_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/escalator/conf.def"
};

const struct conf_table escalator_conf_table = {
    "escalator", "keeps each incident's state and clocks, and calls people in time", options,
    ARRAY_LEN(options)};
