#include "proto/event.h"

#define DAY_MS INT64_C(86400000)
#define TOPIC(symbol, name, partitions, retention_days, max_message_bytes, purpose)                \
    [symbol] = {name, partitions, (retention_days)*DAY_MS, max_message_bytes, purpose},
const struct topic topics[TOPICS_N] = {
#include "proto/topics.def"
};
