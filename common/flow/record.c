#include <string.h>

#include "common/flow/reader.h"

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

/* Copies a header's value: ids and types are short and plain. NULL: absent, or something else. */
static const char *copy_header(const rd_kafka_headers_t *headers, const char *name, char text[65])
{
    const void *value = NULL;
    size_t len = 0;

    if (rd_kafka_header_get_last(headers, name, &value, &len) || !value || len > 64 ||
        !is_plain(value, len))
        return NULL;
    memcpy(text, value, len);
    text[len] = '\0';
    return text;
}

void flow_record_of(struct flow_record *ret, rd_kafka_message_t *msg)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    size_t key_len = msg->key ? msg->key_len : 0;
    size_t cut = key_len < 64 ? key_len : 64;

    *ret = (struct flow_record){
        .topic = rd_kafka_topic_name(msg->rkt),
        .partition = msg->partition,
        .offset = msg->offset,
        .appended_ms = rd_kafka_message_timestamp(msg, &type),
        .key = msg->key ? msg->key : "",
        .key_len = key_len,
        .value = msg->payload ? msg->payload : "",
        .value_len = msg->payload ? msg->len : 0,
        .message = msg,
    };
    if (cut > 0 && is_plain(ret->key, cut))
        memcpy(ret->key_text, ret->key, cut);
    else
        cut = 0;
    ret->key_text[cut] = '\0';
    if (rd_kafka_message_headers(msg, &headers))
        return;
    ret->event_id = copy_header(headers, "ce_id", ret->event_id_text);
    ret->event_type = copy_header(headers, "ce_type", ret->event_type_text);
}
