/* Any body of any type, projected: no crash, cells within bounds, texts that PostgreSQL takes. */
#include <assert.h>
#include <string.h>

#include "common/base/utf8.h"
#include "services/archiver/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(void *ctx, const struct row *row)
{
    size_t *rows = ctx;

    assert(row->kind < ROW_KINDS_N && row->n >= 3 && row->n <= ROW_CELLS_MAX);
    for (size_t i = 0; i < row->n; i++)
        if (row->cells[i].type == CELL_TEXT)
            assert(utf8_valid(row->cells[i].text, row->cells[i].len) &&
                   !memchr(row->cells[i].text, '\0', row->cells[i].len));
    assert(++*rows <= 201);
}

/* The first byte names the type; the key is the body's incident_id, where there is one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO(auto_event) struct event ev = {0};
    AUTO(auto_free) char *text = calloc(1, len + 1);
    const char *key;
    struct event_record rec = {.id = "141bd7c8-87f4-8aba-b020-476223bff445",
                               .value = text,
                               .key_len = ID_TEXT_LEN,
                               .without_doc = true};
    struct err err = {0};
    size_t rows = 0;

    if (len == 0)
        return 0;
    memcpy(text, data + 1, len - 1);
    rec.value_len = len - 1;
    rec.type = event_types[data[0] % EVENT_TYPES_N].name;
    key = strstr(text, "\"incident_id\":\"");
    rec.key = key && strlen(key) > 60 ? key + 15 : rec.id;
    if (event_decode(&ev, &rec, &err))
        project_event(&ev, 1, check, &rows);
    return 0;
}
