/*
 * event_headers - the headers of an event's record (CloudEvents 1.0, Kafka binary binding), as
 * names and values.
 *
 * Ownership   The values point into the struct, into static tables, and at `id`: all must live
 *             until the record is handed on.
 * Time        ce_time is the only "now" of a derived event; the body's occurred_at follows from its
 *             input.
 */
#ifndef PROTO_EVENT_HEADERS_H
#define PROTO_EVENT_HEADERS_H

#include "common/base/clock.h"
#include "proto/event.h"

#define EVENT_HEADERS_N 7

struct event_headers {
    const char *names[EVENT_HEADERS_N], *values[EVENT_HEADERS_N];
    size_t n;
    char time_text[CLOCK_TEXT_MAX];
    char source[48]; /* /tongbao/<service>, never the instance */
};

void event_headers_fill(struct event_headers *h, enum event_type type, const struct id *id,
                        const char *service, int64_t now_ms);

#endif
