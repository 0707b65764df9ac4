/* Any bytes as an event: refused, or decoded, encoded and decoded again to the same body. The first byte picks the type. The parser
 * is compared with jansson: what it takes, jansson takes, for the same value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void compare_with_jansson(const char *text, size_t len)
{
    AUTO(auto_json) json_t *ours = NULL;
    AUTO(auto_json) json_t *theirs = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    struct err err = {0};

    if (!json_read_strict(&ours, text, len, &err)) {
        require(err.kind == ERR_INPUT && err.text[0] != '\0');
        return;
    }
    require(theirs && json_equal(ours, theirs));
}

static struct event_record record_of(enum event_type type, const struct buf *body, const char *text)
{
    const char *key = strstr(text, "\"incident_id\":\"");

    return (struct event_record){.type = event_types[type].name,
                                 .id = "00000000-0000-8000-8000-000000000001",
                                 .key = key ? key + 15 : "",
                                 .key_len =
                                     key && strlen(key) >= 15 + ID_TEXT_LEN ? ID_TEXT_LEN : 0,
                                 .value = body->data,
                                 .value_len = body->len};
}

static void go_round(enum event_type type, const char *text, size_t len)
{
    AUTO(auto_event) struct event first = {0}, second = {0};
    AUTO(buf_done) struct buf once = {0}, twice = {0};
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(arena_done) struct arena arena;
    AUTO(auto_free) char *body = calloc(1, event_types[type].shape->size);
    struct event_record rec;
    struct err err = {0};

    arena_init(&arena, (size_t)64 * 1024 * 1024);
    buf_init(&once, (size_t)8 * EVENT_BODY_MAX_BYTES); /* escapes grow */
    buf_init(&twice, (size_t)8 * EVENT_BODY_MAX_BYTES);
    if (!json_read_strict(&doc, text, len, &err) ||
        !shape_decode(event_types[type].shape, doc, false, TIME_EXACT, body, &arena, &err))
        return;
    require(shape_canonical(event_types[type].shape, body, &once, &err));
    rec = record_of(type, &once, buf_text(&once));
    if (once.len > EVENT_BODY_MAX_BYTES || rec.key_len == 0)
        return;
    require(event_decode(&first, &rec, &err));
    require(event_encode(type, first.body, &twice, &err));
    require(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    rec.without_doc = true;
    require(event_decode(&second, &rec, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    compare_with_jansson((const char *)data + 1, size - 1);
    go_round((enum event_type)(data[0] % EVENT_TYPES_N), (const char *)data + 1, size - 1);
    return 0;
}
