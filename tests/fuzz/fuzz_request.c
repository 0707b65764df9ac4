/* Any bytes as the body of a request: refused with a reason, or decoded to what encodes again. The first byte picks the request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "proto/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct shape *shape = requests[size ? data[0] % REQUESTS_N : 0].shape;
    AUTO(auto_free) char *body = calloc(1, shape->size);
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(arena_done) struct arena arena;
    AUTO(buf_done) struct buf out = {0};
    struct err err = {0};

    arena_init(&arena, (size_t)64 * 1024 * 1024);
    if (size == 0)
        return 0;
    if (!request_decode(shape, (const char *)data + 1, size - 1, body, &doc, &arena, &err)) {
        require(err.kind == ERR_INPUT && err.text[0] != '\0' &&
                utf8_valid(err.text, strlen(err.text)) &&
                utf8_valid(err.pointer, strlen(err.pointer)));
        return 0;
    }
    buf_init(&out, 8 * size + 4096);
    require(shape_canonical(shape, body, &out, &err));
    return 0;
}
