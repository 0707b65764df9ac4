/* decode - decodes documents, so that tests in other languages can compare.
 * Reads lines {"kind": "event"|"request", "name": …, "document": "<JSON text>"}; answers each with a line of JSON: null, or
 * the refusal, "<pointer> <what is wrong>". */
#include <stdio.h>
#include <string.h>

#include "proto/event.h"

#define ARENA_MAX_BYTES (4U * 1024 * 1024)

static const struct shape *find_shape(const char *kind, const char *name)
{
    enum event_type type;

    if (strcmp(kind, "event") == 0)
        return event_type_parse(name, strlen(name), &type) ? event_types[type].shape : NULL;
    for (size_t i = 0; i < REQUESTS_N; i++)
        if (strcmp(requests[i].name, name) == 0)
            return requests[i].shape;
    return NULL;
}

static bool decode(const struct shape *shape, bool is_request, const char *text, size_t len,
                   struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(auto_free) char *body = malloc(shape->size);
    AUTO(arena_done) struct arena arena;

    arena_init(&arena, ARENA_MAX_BYTES);
    if (!body)
        return err_memory(err);
    if (is_request)
        return request_decode(shape, text, len, body, &doc, &arena, err);
    return json_read_strict(&doc, text, len, err) &&
           shape_decode(shape, doc, false, TIME_EXACT, body, &arena, err);
}

static bool print_json(const char *text)
{
    AUTO(auto_json) json_t *string = json_string(text);

    return json_dumpf(string, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) == 0 &&
           putchar('\n') != EOF;
}

static bool answer(const char *line)
{
    AUTO(auto_json) json_t *task = json_loads(line, JSON_ALLOW_NUL, NULL);
    const char *kind, *name, *text;
    AUTO(buf_done) struct buf refusal = {0};
    const struct shape *shape;
    struct err err = {0};
    size_t len;

    if (json_unpack(task, "{s:s, s:s, s:s%}", "kind", &kind, "name", &name, "document", &text,
                    &len) != 0) {
        fprintf(stderr, "not a task: %.200s\n", line);
        return false;
    }
    shape = find_shape(kind, name);
    if (!shape) {
        fprintf(stderr, "no %s is called %s\n", kind, name);
        return false;
    }
    if (decode(shape, strcmp(kind, "request") == 0, text, len, &err))
        return puts("null") != EOF;
    buf_init(&refusal, sizeof err.pointer + sizeof err.text);
    buf_printf(&refusal, "%s %s", err.pointer, err.text);
    return print_json(buf_text(&refusal));
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    bool ok = true;

    while (ok && getline(&line, &cap, stdin) > 0)
        ok = answer(line);
    free(line);
    return ok ? 0 : 1;
}
