#include "proto/event.h"

#include <string.h>

#include "proto/shape_text.h"

/* In this order. */
// clang-format off
#include "proto/shape_rows.h"
#include "proto/parts.def"
#include "proto/requests.def"
#include "proto/events.def"
// clang-format on

/* Nodes and texts, and what they decode into: that is bounded by the tables, but must not be what refuses a body. */
#define EVENT_ARENA_MAX_BYTES ((NODE_BYTES_PER_BYTE + 8) * EVENT_BODY_MAX_BYTES)

const struct request_info requests[REQUESTS_N] = {
    [REQUEST_REPORT] = {"report", &report_request_shape, "body of POST /v1/reports"},
    [REQUEST_SUPPLEMENT] = {"supplement", &supplement_request_shape,
                            "body of POST /v1/incidents/{id}/supplements"},
    [REQUEST_ACTION] = {"action", &action_request_shape, "body of POST /v1/incidents/{id}/actions"},
};

#define EVENT(symbol, type, topic, shape, purpose)                                                 \
    [symbol] = {type, topic, &shape##_shape, purpose},
const struct event_type_info event_types[EVENT_TYPES_N] = {
#include "proto/event_types.def"
};
#undef EVENT

#define EVENT(symbol, type, topic, shape, purpose)                                                 \
    [symbol] = "/proto/schemas/events/" type ".schema.json",
static const char *const dataschemas[EVENT_TYPES_N] = {
#include "proto/event_types.def"
};
#undef EVENT

/* What every body begins with, so that it can be read without knowing the type. */
#include "proto/shape_members.h"
struct event_common {
#include "proto/event_common.def"
};
#define EVENT(symbol, type, topic, shape, purpose)                                                 \
    _Static_assert(                                                                                \
        offsetof(struct shape, enterprise_id) == offsetof(struct event_common, enterprise_id) &&   \
            offsetof(struct shape, has_drill) == offsetof(struct event_common, has_drill),         \
        type ": the body does not begin with the common fields");
#include "proto/event_types.def"
#undef EVENT

bool event_type_parse(const char *name, size_t len, enum event_type *ret)
{
    for (size_t i = 0; i < EVENT_TYPES_N; i++)
        if (strlen(event_types[i].name) == len && memcmp(event_types[i].name, name, len) == 0) {
            *ret = (enum event_type)i;
            return true;
        }
    return false;
}

/* The reason of a dead letter is the text alone: it names the field. */
static bool wrap(struct err *err, const char *type)
{
    bool has_field = err && *err->pointer;

    return err_wrap(err, "%s%s%s", type, has_field ? ": " : "", has_field ? err->pointer : "");
}

/* The headers and the bounds of a record: all that can be told without its body. */
static bool read_headers(struct event *ev, const struct event_record *rec, struct err *err)
{
    if (!rec->type)
        return err_at(err, "", "header ce_type is missing: a record carries its event type in it");
    if (!event_type_parse(rec->type, strlen(rec->type), &ev->type))
        return err_at(err, "", "header ce_type: no event type is called \"%.64s\"", rec->type);
    if (!rec->id)
        return err_at(err, "", "header ce_id is missing: a record carries its event id in it");
    if (!id_set(&ev->id, rec->id, strlen(rec->id)))
        return err_at(err, "", "header ce_id: \"%.64s\" is not a lower-case UUID", rec->id);
    if (!rec->value)
        return err_at(err, "", "%s: the record has no value: a body is wanted", rec->type);
    if (rec->value_len > EVENT_BODY_MAX_BYTES)
        return err_at(err, "", "%s: the body has %zu bytes: at most %d are taken", rec->type,
                      rec->value_len, EVENT_BODY_MAX_BYTES);
    return true;
}

static bool read_body(struct event *ev, const struct event_record *rec, struct err *err)
{
    const struct shape *shape = event_types[ev->type].shape;
    const struct event_common *common;

    if (!node_parse(&ev->root, rec->value, rec->value_len, &ev->arena, &ev->arena, err))
        return wrap(err, rec->type);
    ev->body = arena_take(&ev->arena, shape->size);
    if (!ev->body)
        return err_memory(err);
    if (!shape_decode_node(shape, ev->root, false, TIME_EXACT, ev->body, &ev->arena, err))
        return wrap(err, rec->type);
    ev->doc = rec->without_doc ? NULL : node_to_json(ev->root);
    if (!ev->doc && !rec->without_doc)
        return err_memory(err);
    common = ev->body;
    if (rec->key_len != ID_TEXT_LEN || !rec->key ||
        memcmp(rec->key, common->incident_id, ID_TEXT_LEN) != 0)
        return err_at(err, "/incident_id", "%s: /incident_id: must be the record's key; got %s",
                      rec->type, common->incident_id);
    memcpy(ev->enterprise_id.text, common->enterprise_id, ID_TEXT_LEN + 1);
    memcpy(ev->incident_id.text, common->incident_id, ID_TEXT_LEN + 1);
    ev->occurred_at = common->occurred_at;
    ev->drill = common->drill;
    return true;
}

bool event_decode(struct event *ret, const struct event_record *rec, struct err *err)
{
    struct event ev = {0};

    arena_init(&ev.arena, EVENT_ARENA_MAX_BYTES);
    if (!read_headers(&ev, rec, err) || !read_body(&ev, rec, err)) {
        event_done(&ev);
        return false;
    }
    *ret = ev;
    return true;
}

void event_done(struct event *ev)
{
    json_decref(ev->doc);
    arena_done(&ev->arena);
    *ev = (struct event){0};
}

const char *event_part(const struct event *ev, const char *name, size_t *ret_len)
{
    for (const struct node *m = ev->root->first; m; m = m->next)
        if (strcmp(m->name, name) == 0 && m->type != JSON_NULL) {
            *ret_len = m->raw_len;
            return m->raw;
        }
    return NULL;
}

bool event_encode(enum event_type type, const void *body, struct buf *out, struct err *err)
{
    size_t before = out->len;

    if (!shape_canonical(event_types[type].shape, body, out, err))
        return err_wrap(err, "%s", event_types[type].name);
    if (out->len - before > EVENT_BODY_MAX_BYTES)
        return err_at(err, "", "%s: the body has %zu bytes: at most %d are allowed",
                      event_types[type].name, out->len - before, EVENT_BODY_MAX_BYTES);
    return true;
}

void event_id_derive(struct id *ret, const struct id *parent, const char *stage, const char *about)
{
    struct id_hash d;

    id_derive(&d, "event");
    id_derive_text(&d, "parent", parent->text);
    id_derive_text(&d, "stage", stage);
    id_derive_text(&d, "about", about);
    id_derive_end(&d, ret);
}

const char *event_dataschema(enum event_type type)
{
    return dataschemas[type];
}

bool request_decode(const struct shape *shape, const char *text, size_t len, void *ret,
                    json_t **ret_doc, struct arena *arena, struct err *err)
{
    AUTO(arena_done) struct arena nodes;
    struct node *root;

    arena_init(&nodes, SIZE_MAX); /* bounded by the text, which is here already */
    if (!node_parse(&root, text, len, &nodes, arena, err) ||
        !shape_decode_node(shape, root, true, TIME_ANY_RFC3339, ret, arena, err))
        return false;
    *ret_doc = NULL; /* texts are the arena's */
    return true;
}
