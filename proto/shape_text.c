#include "proto/shape_text.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

#define QUOTED_BYTES_MAX 60 /* of what the sender wrote */
#define NAME_BYTES_MAX   64 /* of a name that is compared */

/* From the root on, cut when it grows over its array. */
static void write_pointer(struct buf *out, const struct place *at)
{
    if (!at)
        return;
    write_pointer(out, at->up);
    buf_char(out, '/');
    if (!at->name) {
        buf_printf(out, "%zu", at->index);
        return;
    }
    for (const char *p = at->name; *p; p++) {
        if (*p == '~' || *p == '/')
            buf_str(out, *p == '~' ? "~0" : "~1");
        else
            buf_char(out, *p);
    }
}

bool shape_refuse(struct err *err, const struct place *at, const char *fmt, ...)
{
    AUTO(buf_done) struct buf pointer;
    char text[sizeof err->text + 1]; /* here and there one more, so that err_at() sees the cut */
    va_list args;

    buf_init(&pointer, sizeof err->pointer);
    write_pointer(&pointer, at);
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    return err_at(err, buf_text(&pointer), "%s", text);
}

bool shape_no_room(struct err *err, const struct place *at, const struct arena *arena, size_t size)
{
    if (size <= arena->max - arena->used)
        return err_memory(err);
    return shape_refuse(err, at, "the document is too large: it takes more than %zu bytes to read",
                        arena->max);
}

const uint8_t *shape_sorted(const struct shape *shape)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct shape_order *order = shape->order;

    if (atomic_load_explicit(&order->ready, memory_order_acquire))
        return order->index;
    pthread_mutex_lock(&lock);
    if (!atomic_load_explicit(&order->ready, memory_order_relaxed)) {
        for (size_t i = 0; i < shape->n; i++) {
            size_t to = i;

            for (; to > 0 &&
                   strcmp(shape->fields[order->index[to - 1]].name, shape->fields[i].name) > 0;
                 to--)
                order->index[to] = order->index[to - 1];
            order->index[to] = (uint8_t)i;
        }
        atomic_store_explicit(&order->ready, true, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return order->index;
}

bool shape_is_array(const struct field *f)
{
    return f->type == FIELD_TEXTS || f->type == FIELD_IDS || f->type == FIELD_ENUMS ||
           f->type == FIELD_INTS || f->type == FIELD_LIST;
}

size_t shape_item_size(const struct field *f)
{
    static const size_t sizes[] = {[FIELD_TEXTS] = sizeof(const char *),
                                   [FIELD_IDS] = sizeof(const char *),
                                   [FIELD_ENUMS] = sizeof(unsigned),
                                   [FIELD_INTS] = sizeof(int64_t)};

    return f->type == FIELD_LIST ? f->part->size : sizes[f->type];
}

static void write_legal(struct buf *out, const struct field *f, enum time_form times)
{
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_TEXTS:
        if (f->min == f->max)
            buf_printf(out, "a text of %lld characters", (long long)f->min);
        else
            buf_printf(out, "a text of %lld to %lld characters", (long long)f->min,
                       (long long)f->max);
        break;
    case FIELD_ID:
    case FIELD_IDS:
        buf_str(out, "a lower-case UUID");
        break;
    case FIELD_TIME:
        buf_str(out, times == TIME_EXACT
                         ? "a time like 2026-11-22T03:00:00.000Z"
                         : "a date and time with its offset, like 2026-11-22T03:00:00+08:00");
        break;
    case FIELD_INT:
    case FIELD_INTS:
        buf_printf(out, "a whole number from %lld to %lld", (long long)f->min, (long long)f->max);
        break;
    case FIELD_BOOL:
        buf_str(out, "true or false");
        break;
    case FIELD_ENUM:
    case FIELD_ENUMS:
        buf_str(out, "one of ");
        for (size_t i = 0; i < f->values->n; i++)
            buf_printf(out, "%s%s", i ? ", " : "", f->values->values[i].text);
        break;
    case FIELD_OBJECT:
    case FIELD_LIST:
    case FIELD_JSON:
        buf_str(out, "an object");
        break;
    }
}

static void keep(char *ret, size_t size, const struct buf *text)
{
    size_t len = utf8_cut(buf_text(text), text->len, size - 1);

    memcpy(ret, buf_text(text), len);
    ret[len] = '\0';
}

void shape_legal(char ret[SHAPE_LEGAL_MAX], const struct field *f, enum time_form times)
{
    AUTO(buf_done) struct buf text;

    buf_init(&text, SHAPE_LEGAL_MAX - 1);
    write_legal(&text, f, times);
    keep(ret, SHAPE_LEGAL_MAX, &text);
}

static void write_number(struct buf *out, const struct node *node)
{
    buf_str(out, "the number ");
    if (node->raw)
        buf_add(out, node->raw,
                node->raw_len < QUOTED_BYTES_MAX ? node->raw_len : QUOTED_BYTES_MAX);
    else if (node->type == JSON_INTEGER)
        buf_printf(out, "%lld", (long long)node->integer);
    else
        buf_printf(out, "%.17g", node->real);
}

static void write_quoted(struct buf *out, const struct node *node)
{
    size_t cut = utf8_cut(node->text, node->n, QUOTED_BYTES_MAX);

    buf_str(out, cut < node->n ? "a text that begins " : "the text ");
    buf_json_n(out, node->text, cut);
}

void shape_got(char ret[SHAPE_GOT_MAX], const struct field *f, const struct node *node)
{
    AUTO(buf_done) struct buf text;

    buf_init(&text, SHAPE_GOT_MAX - 1);
    switch (node->type) {
    case JSON_STRING:
        if (f->type == FIELD_TEXT || f->type == FIELD_TEXTS)
            buf_printf(&text, "%zu characters", utf8_count(node->text, node->n));
        else
            write_quoted(&text, node);
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        write_number(&text, node);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_str(&text, node->type == JSON_TRUE ? "true" : "false");
        break;
    case JSON_ARRAY:
        buf_printf(&text, "a list of %u", (unsigned)node->n);
        break;
    case JSON_OBJECT:
        buf_str(&text, "an object");
        break;
    case JSON_NULL:
        buf_str(&text, "null");
        break;
    }
    keep(ret, SHAPE_GOT_MAX, &text);
}

/* Levenshtein's distance; SIZE_MAX when a name is too long to be meant. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES_MAX + 1], n = strlen(b);

    if (n > NAME_BYTES_MAX || strlen(a) > NAME_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[n];
}

const char *shape_nearest(const struct shape *shape, const char *name)
{
    size_t best = strlen(name) / 3 + 1; /* a third of the letters may differ */
    const char *nearest = NULL;

    for (size_t i = 0; i < shape->n; i++) {
        size_t d = distance(name, shape->fields[i].name);

        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = shape->fields[i].name;
        }
    }
    return nearest;
}
