#include "proto/event_headers.h"

#include <stdio.h>

static void put(struct event_headers *h, const char *name, const char *value)
{
    h->names[h->n] = name;
    h->values[h->n++] = value;
}

void event_headers_fill(struct event_headers *h, enum event_type type, const struct id *id,
                        const char *service, int64_t now_ms)
{
    h->n = 0;
    clock_format_utc(h->time_text, now_ms);
    snprintf(h->source, sizeof(h->source), "/tongbao/%s", service);
    put(h, "ce_specversion", "1.0");
    put(h, "ce_id", id->text);
    put(h, "ce_type", event_types[type].name);
    put(h, "ce_source", h->source);
    put(h, "ce_time", h->time_text);
    put(h, "ce_dataschema", event_dataschema(type));
    put(h, "content-type", "application/json");
}
