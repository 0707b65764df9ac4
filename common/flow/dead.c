#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/flow/reader.h"

#define DEAD_OWN_HEADERS     5
#define DEAD_NAMES_MAX_BYTES 1024 /* of the original's headers together: the outbox takes 2 048 */

/* The original's headers, as many as leave room for ours. */
static void copy_headers(struct record *rec, rd_kafka_message_t *msg)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t len, names_len = 0;

    if (rd_kafka_message_headers(msg, &headers))
        return;
    for (size_t i = 0; rec->headers_n < RECORD_HEADERS_MAX - DEAD_OWN_HEADERS &&
                       !rd_kafka_header_get_all(headers, i, &name, &value, &len);
         i++) {
        names_len += strlen(name) + 1;
        if (names_len > DEAD_NAMES_MAX_BYTES)
            return;
        rec->headers[rec->headers_n++] =
            (struct record_header){name, value ? value : "", value ? len : 0};
    }
}

void dead_letter_of(struct dead_letter *ret, const char *dead_topic, const struct flow_record *in,
                    const char *group, const char *reason)
{
    struct record *rec = &ret->record;
    size_t len = strlen(reason);

    *rec = (struct record){.topic = dead_topic,
                           .key = in->key,
                           .key_len = in->key_len,
                           .value = in->value,
                           .value_len = in->value_len};
    if (in->message) {
        copy_headers(rec, in->message);
    } else { /* kept and refused later: what was kept of its headers */
        if (in->event_id)
            record_header_add(rec, "ce_id", in->event_id);
        if (in->event_type)
            record_header_add(rec, "ce_type", in->event_type);
        record_header_add(rec, "content-type", "application/json");
    }
    len = utf8_cut(reason, len, sizeof(ret->reason) - 1);
    snprintf(ret->reason, sizeof(ret->reason), "%.*s", (int)len, reason);
    snprintf(ret->partition, sizeof(ret->partition), "%d", (int)in->partition);
    snprintf(ret->offset, sizeof(ret->offset), "%lld", (long long)in->offset);
    record_header_add(rec, "reason", ret->reason);
    record_header_add(rec, "group", group);
    record_header_add(rec, "origin-topic", in->topic);
    record_header_add(rec, "origin-partition", ret->partition);
    record_header_add(rec, "origin-offset", ret->offset);
}
