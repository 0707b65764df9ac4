/* topic - what a Kafka topic must be. The one table of ours stands in proto/topics.def;
 * common/kafka/admin creates and checks by it. */
#ifndef COMMON_BASE_TOPIC_H
#define COMMON_BASE_TOPIC_H

#include <stdint.h>

struct topic {
    const char *name;
    int partitions;       /* fixed for ever: more partitions = a new topic */
    int64_t retention_ms; /* at least 30 days; -1 = for ever */
    int64_t max_message_bytes;
    const char *purpose;
};

#endif
