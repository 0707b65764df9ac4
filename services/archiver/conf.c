#include "services/archiver/conf.h"

#define CONF_STRUCT struct archiver_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/archiver/conf.def"
};

const struct conf_table archiver_conf_table = {
    "archiver", "keeps every record of every topic, and what they come to for analysts", options,
    ARRAY_LEN(options)};
