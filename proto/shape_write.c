#include <string.h>

#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/utf8.h"
#include "proto/shape_text.h"

struct writer {
    struct buf *out;
    struct err *err;
    bool sorted; /* by name; else in the table's order */
};

static bool refuse_text(const struct writer *w, const struct place *at, const struct field *f,
                        const char *text)
{
    char legal[SHAPE_LEGAL_MAX];

    shape_legal(legal, f, TIME_EXACT);
    if (!text)
        return shape_refuse(w->err, at, "a text is missing in the list");
    return shape_refuse(w->err, at, "must be %s (%s); got %zu bytes%s", legal, f->help,
                        strlen(text), utf8_valid(text, strlen(text)) ? "" : ", not valid UTF-8");
}

static bool write_text(const struct writer *w, const struct place *at, const struct field *f,
                       const char *text)
{
    size_t bytes = text ? strlen(text) : 0, chars = utf8_count(text, bytes);

    if (!text || chars < (size_t)f->min || chars > (size_t)f->max || !utf8_valid(text, bytes))
        return refuse_text(w, at, f, text);
    return buf_json_n(w->out, text, bytes);
}

static bool write_id(const struct writer *w, const struct place *at, const struct field *f,
                     const char *text)
{
    if (!text || !id_valid(text, strlen(text)))
        return refuse_text(w, at, f, text);
    return buf_char(w->out, '"') && buf_add(w->out, text, ID_TEXT_LEN) && buf_char(w->out, '"');
}

static bool write_int(const struct writer *w, const struct place *at, const struct field *f,
                      int64_t value)
{
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char text[24], *p = text + sizeof text;

    if (value < f->min || value > f->max)
        return shape_refuse(w->err, at, "must be a whole number from %lld to %lld (%s); got %lld",
                            (long long)f->min, (long long)f->max, f->help, (long long)value);
    do
        *--p = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        *--p = '-';
    return buf_add(w->out, p, (size_t)(text + sizeof text - p));
}

static bool write_time(const struct writer *w, const struct place *at, int64_t value)
{
    char text[CLOCK_TEXT_MAX + 2] = "\"";

    if (value < 0 || value > CLOCK_WALL_MAX_MS)
        return shape_refuse(w->err, at, "must be a time in the years 1970 to 9999; got %lld ms",
                            (long long)value);
    clock_format_utc(text + 1, value);
    text[CLOCK_TEXT_MAX] = '"';
    return buf_add(w->out, text, CLOCK_TEXT_MAX + 1);
}

static bool write_enum(const struct writer *w, const struct place *at, const struct field *f,
                       unsigned value)
{
    const char *text = enum_text(f->values, (int)value);

    if (!text)
        return shape_refuse(w->err, at, "%u is no value of %s", value, f->values->name);
    return buf_char(w->out, '"') && buf_str(w->out, text) && buf_char(w->out, '"');
}

static bool write_object(const struct writer *w, const struct place *at, const struct shape *shape,
                         const void *value);

/* One value, or one item of an array. */
static bool write_value(const struct writer *w, const struct place *at, const struct field *f,
                        const void *value)
{
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_TEXTS:
        return write_text(w, at, f, *(const char *const *)value);
    case FIELD_ID:
    case FIELD_IDS:
        return write_id(w, at, f, *(const char *const *)value);
    case FIELD_TIME:
        return write_time(w, at, *(const int64_t *)value);
    case FIELD_INT:
    case FIELD_INTS:
        return write_int(w, at, f, *(const int64_t *)value);
    case FIELD_BOOL:
        return buf_str(w->out, *(const bool *)value ? "true" : "false");
    case FIELD_ENUM:
    case FIELD_ENUMS:
        return write_enum(w, at, f, *(const unsigned *)value);
    case FIELD_OBJECT:
        return write_object(w, at, f->part, *(const void *const *)value);
    case FIELD_LIST:
        return write_object(w, at, f->part, value);
    case FIELD_JSON:
        return json_canonical(*(json_t *const *)value, w->out);
    }
    return false;
}

static bool write_items(const struct writer *w, const struct place *at, const struct field *f,
                        const char *items, size_t n)
{
    size_t size = shape_item_size(f);
    bool ok = buf_char(w->out, '[');

    if (n > f->items_max)
        return shape_refuse(w->err, at, "at most %zu items (%s); got %zu", f->items_max, f->help,
                            n);
    for (size_t i = 0; ok && i < n; i++) {
        struct place here = {.up = at, .index = i};

        ok = (i == 0 || buf_char(w->out, ',')) && write_value(w, &here, f, items + i * size);
    }
    return ok && buf_char(w->out, ']');
}

static bool is_present(const struct field *f, const char *base)
{
    if (shape_is_array(f))
        return f->required || *(const size_t *)(const void *)(base + f->offset_extra) > 0;
    if (f->offset_extra)
        return *(const bool *)(base + f->offset_extra);
    return *(const void *const *)(const void *)(base + f->offset) != NULL;
}

static bool write_field(const struct writer *w, const struct place *at, const struct field *f,
                        const char *base)
{
    const void *member = base + f->offset;

    if (!shape_is_array(f))
        return write_value(w, at, f, member);
    return write_items(w, at, f, *(const char *const *)member,
                       *(const size_t *)(const void *)(base + f->offset_extra));
}

static bool write_object(const struct writer *w, const struct place *at, const struct shape *shape,
                         const void *value)
{
    const uint8_t *order = w->sorted ? shape_sorted(shape) : NULL;
    bool ok = buf_char(w->out, '{'), first = true;

    for (size_t i = 0; ok && i < shape->n; i++) {
        const struct field *f = &shape->fields[order ? order[i] : i];
        struct place here = {.up = at, .name = f->name};

        if (!is_present(f, value)) {
            if (f->required)
                return shape_refuse(w->err, &here, "is missing (%s)", f->help);
            continue;
        }
        ok = buf_str(w->out, first ? "\"" : ",\"") && buf_str(w->out, f->name) &&
             buf_add(w->out, "\":", 2) && write_field(w, &here, f, value);
        first = false;
    }
    return ok && buf_char(w->out, '}');
}

static bool write_document(const struct shape *shape, const void *value, bool sorted,
                           struct buf *out, struct err *err)
{
    struct err why = {0};
    struct writer w = {.out = out, .err = &why, .sorted = sorted};

    if (write_object(&w, NULL, shape, value))
        return true;
    if (why.kind != ERR_NONE)
        return err_at(err, why.pointer, "%s", why.text);
    if (out->no_memory)
        return err_memory(err);
    return err_at(err, "", "%s does not fit into %zu bytes", shape->name, out->max);
}

bool shape_canonical(const struct shape *shape, const void *value, struct buf *out, struct err *err)
{
    return write_document(shape, value, true, out, err);
}

bool shape_field_text(const struct field *field, const void *holder, struct buf *out)
{
    struct writer w = {.out = out, .sorted = true};

    return write_field(&w, NULL, field, holder);
}

#define DOCUMENT_BYTES_MAX ((size_t)4 * 1024 * 1024)

json_t *shape_encode(const struct shape *shape, const void *value)
{
    AUTO(buf_done) struct buf text;

    buf_init(&text, DOCUMENT_BYTES_MAX);
    if (!write_document(shape, value, false, &text, NULL))
        return NULL;
    return json_loadb(text.data, text.len, 0, NULL);
}
