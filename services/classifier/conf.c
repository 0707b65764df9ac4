#include "services/classifier/conf.h"

#define CONF_STRUCT struct classifier_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/classifier/conf.def"
};

const struct conf_table classifier_conf_table = {
    "classifier", "grades every report at once, and again when more is known", options,
    ARRAY_LEN(options)};
