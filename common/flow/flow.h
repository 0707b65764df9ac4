/*
 * flow - what the pipe and the sink hand to their owners: a record as it came, and what its
 * handling gave.
 */
#ifndef COMMON_FLOW_FLOW_H
#define COMMON_FLOW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/topic.h"
#include "common/kafka/client.h"
#include "common/kafka/record.h"

/* A record that came in. All borrowed for the duration of the call. */
struct flow_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t appended_ms; /* the broker's LogAppendTime: what "on time" is judged by */
    const char *key;     /* not NUL-terminated; "" when there is none */
    size_t key_len;
    const char *value; /* not NUL-terminated: use the length */
    size_t value_len;
    const char *event_id,
        *event_type; /* headers ce_id, ce_type; NULL: absent, longer than 64, or not plain ASCII */
    char event_id_text[65], event_type_text[65];
    char key_text
        [65];       /* the key, cut at 64 bytes, "" when it is not plain ASCII: for ids and logs */
    bool is_repeat; /* sinks: its event id was applied before */
    rd_kafka_message_t *message; /* the record itself, with all headers */
};

enum outcome {
    OUTCOME_DONE,   /* go on */
    OUTCOME_SKIP,   /* not ours: its offset is committed with its neighbours' */
    OUTCOME_REJECT, /* poison: to the dead letters with err's text as the reason */
    OUTCOME_RETRY,  /* something is away: stop here and come again */
};

/* Tells the topics of one group: what to read. */
struct flow_topics {
    const char *const *names;
    size_t n;
};

#endif
