/*
 * event - the contract between the services: event types, their bodies, and the record that carries them.
 *
 * A record: CloudEvents 1.0, Kafka binary binding. Key = incident id. Value = the body, canonical JSON (RFC 8785). Headers:
 * ce_specversion 1.0, ce_id, ce_type ("tongbao." is not part of it), ce_source /tongbao/<service>, ce_time (now), ce_dataschema, content-type
 * application/json, and traceparent when there is one.
 *
 * Threads     Pure functions, but for event_encode's ce_time, which the caller gives.
 * Ownership   A decoded event owns its body, its texts and its document; event_done() frees. event_part() points into the record.
 * Speed       Decoding without the document takes a fraction of the time: set without_doc unless you need jansson's values.
 * Bounds      A body of at most EVENT_BODY_MAX_BYTES.
 * Errors      ERR_INPUT with the JSON pointer: unknown type, missing header, key and incident_id that differ, a field out of its bounds.
 */
#ifndef PROTO_EVENT_H
#define PROTO_EVENT_H

#include "common/base/id.h"
#include "common/base/topic.h"
#include "proto/enums.h"
#include "proto/shape.h"

#define EVENT_BODY_MAX_BYTES (512 * 1024)

/* In this order. */
// clang-format off
#include "proto/shape_members.h"
#include "proto/parts.def"
#include "proto/requests.def"
#include "proto/events.def"
// clang-format on

/* The topics. */
#define TOPIC(symbol, name, partitions, retention_days, max_message_bytes, purpose) symbol,
enum topic_id {
#include "proto/topics.def"
    TOPICS_N
};
#undef TOPIC
extern const struct topic topics[TOPICS_N];

/* The types. */
#define EVENT(symbol, type, topic, shape, purpose) symbol,
enum event_type {
#include "proto/event_types.def"
    EVENT_TYPES_N
};
#undef EVENT

struct event_type_info {
    const char *name;
    enum topic_id topic;
    const struct shape *shape;
    const char *purpose;
};
extern const struct event_type_info event_types[EVENT_TYPES_N];
bool event_type_parse(const char *name, size_t len, enum event_type *ret);

struct node;

struct event {
    enum event_type type;
    struct id id;
    /* copies of the common fields of the body */
    struct id enterprise_id, incident_id;
    int64_t occurred_at;
    bool drill;
    json_t *doc;       /* the parsed body, owned; NULL when it was not wanted */
    struct node *root; /* for event_part() */
    struct arena arena;
    union {
        void *body; /* of event_types[type].shape */
        struct report_submitted *report_submitted;
        struct report_supplemented *report_supplemented;
        struct incident_classified *incident_classified; /* also reclassified */
        struct incident_linked *incident_linked;
        struct incident_challenged *incident_challenged;
        struct action_acknowledged *action_acknowledged;
        struct action_step *action_step;
        struct action_with_reason *action_with_reason;
        struct action_reclassified *action_reclassified;
        struct action_filed *action_filed;
        struct action_task *action_task;
        struct escalation_state *escalation_state;
        struct escalation_raised *escalation_raised;
        struct obligation *obligation;
        struct notification *notification;
        struct advisory *advisory;
    };
};

/* Every action.* body begins with the same members in the same order (event_action.def). */
struct action_any {
#include "proto/event_action.def"
};
static inline bool event_is_action(enum event_type t)
{
    return t >= EVENT_ACTION_ACKNOWLEDGED && t <= EVENT_ACTION_REOPENED;
}
static inline const struct action_any *event_action(const struct event *ev)
{
    return ev->body;
}

struct event_record {      /* what comes from Kafka; all borrowed */
    const char *type, *id; /* headers ce_type, ce_id; NULL: absent */
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
    bool without_doc; /* ev.doc is not needed */
};

bool event_decode(struct event *ret, const struct event_record *rec, struct err *err) MUST_CHECK;
void event_done(struct event *ev); /* accepts a zeroed event */
static inline void auto_event(struct event *ev)
{
    event_done(ev);
}

/* A top-level member of the body as it stands in the record's value (JSON text, not NUL-terminated; the value must still live).
 * NULL: absent, or null. */
const char *event_part(const struct event *ev, const char *name, size_t *ret_len);

/* Writes the canonical body of `body` (a struct of the type's shape) to `out`. */
bool event_encode(enum event_type type, const void *body, struct buf *out,
                  struct err *err) MUST_CHECK;

/*
 * The id of an event derived from an event: SHA-256 over parent id, stage, and what it is about (docs/architecture.md, "Ids").
 *     event_id_derive(&id, parent, "classified", NULL)
 */
void event_id_derive(struct id *ret, const struct id *parent, const char *stage, const char *about);

/* ce_dataschema of a type: "/proto/schemas/events/report.submitted.schema.json" */
const char *event_dataschema(enum event_type type);

/* The bodies of requests, by name: what schemas, examples and the OpenAPI document call them. */
enum request_type { REQUEST_REPORT, REQUEST_SUPPLEMENT, REQUEST_ACTION, REQUESTS_N };
struct request_info {
    const char *name;
    const struct shape *shape;
    const char *purpose;
};
extern const struct request_info requests[REQUESTS_N];

/* Closed decoding of a request's body: shape = &report_request_shape, … ; its texts and lists live in the arena, which the caller has
 * initialised (twice the text is enough); *ret_doc is always NULL. Errors: an empty pointer = the text is no JSON object that may be
 * read (400), any other = the value there is not legal (422). */
bool request_decode(const struct shape *shape, const char *text, size_t len, void *ret,
                    json_t **ret_doc, struct arena *arena, struct err *err) MUST_CHECK;

#endif
