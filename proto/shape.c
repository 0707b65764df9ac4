#include "proto/shape.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/utf8.h"
#include "proto/shape_text.h"

/* --- arena ------------------------------------------------------------------------------------ */

#define BLOCK_BYTES ((size_t)4096 - sizeof(struct block) - 16) /* with malloc's own, one page */
#define ALIGNMENT   alignof(max_align_t)

struct block {
    struct block *next;
    size_t used, cap;
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

void *arena_take(struct arena *a, size_t size)
{
    struct block *block = a->blocks;
    void *ret;

    if (size > a->max - a->used)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!block || size > block->cap - block->used) {
        size_t cap = size > BLOCK_BYTES ? size : BLOCK_BYTES;

        block = malloc(sizeof *block + cap);
        if (!block)
            return NULL;
        *block = (struct block){.next = a->blocks, .cap = cap};
        a->blocks = block;
    }
    ret = block->data + block->used;
    block->used += size;
    a->used = a->used + size < a->max ? a->used + size : a->max;
    return memset(ret, 0, size);
}

void arena_done(struct arena *a)
{
    while (a->blocks) {
        struct block *block = a->blocks;

        a->blocks = block->next;
        free(block);
    }
    a->used = 0;
}

/* --- decoding --------------------------------------------------------------------------------- */

struct decoder {
    struct arena *arena;
    bool closed;
    enum time_form times;
    struct err *err;
};

static bool year_is_taken(const char *text)
{
    return memcmp(text, "1971", 4) >= 0 && memcmp(text, "9998", 4) <= 0;
}

/* Why a text with the form of a time is not taken; NULL: it has another form. */
static const char *time_refusal(const struct decoder *d, const struct field *f,
                                const struct node *node)
{
    const char *why;
    int64_t ignored;

    if (f->type != FIELD_TIME || d->times == TIME_EXACT || node->type != JSON_STRING)
        return NULL;
    why = clock_refusal(node->text, node->n);
    if ((why || clock_parse(&ignored, node->text, node->n)) && !year_is_taken(node->text))
        return "the year must be 1971 to 9998";
    return why;
}

static bool refuse_value(const struct decoder *d, const struct place *at, const struct field *f,
                         const struct node *node)
{
    char legal[SHAPE_LEGAL_MAX], got[SHAPE_GOT_MAX];

    const char *why = time_refusal(d, f, node);

    shape_legal(legal, f, d->times);
    shape_got(got, f, node);
    return shape_refuse(d->err, at, "must be %s (%s); got %s%s%s", legal, f->help, got,
                        why ? ": " : "", why ? why : "");
}

#define NAMED_FIELDS_MAX 12 /* of a shape whose fields are all named */

static bool refuse_unknown(const struct decoder *d, const struct place *at,
                           const struct shape *shape)
{
    const char *nearest = shape_nearest(shape, at->name);
    AUTO(buf_done) struct buf names = {0};

    if (nearest)
        return shape_refuse(d->err, at, "is not a field of %s: did you mean \"%s\"?", shape->name,
                            nearest);
    buf_init(&names, 400);
    for (size_t i = 0; i < shape->n; i++)
        (void)buf_printf(&names, "%s%s", i > 0 ? ", " : "", shape->fields[i].name);
    if (shape->n <= NAMED_FIELDS_MAX && !names.failed)
        return shape_refuse(d->err, at, "is not a field of %s, which has %s", shape->name,
                            buf_text(&names));
    return shape_refuse(d->err, at,
                        "is not a field of %s: proto/openapi.yaml and the schemas beside it list "
                        "them; free text belongs into summary, cause or measures",
                        shape->name);
}

static bool read_text(const struct field *f, const struct node *node, const char **ret)
{
    size_t chars;

    if (node->type != JSON_STRING)
        return false;
    chars = utf8_count(node->text, node->n);
    if (chars < (size_t)f->min || chars > (size_t)f->max)
        return false;
    *ret = node->text;
    return true;
}

static bool read_id(const struct node *node, const char **ret)
{
    if (node->type != JSON_STRING || !id_valid(node->text, node->n))
        return false;
    *ret = node->text;
    return true;
}

static bool read_time(enum time_form form, const struct node *node, int64_t *ret)
{
    const char *text = node->text;

    if (node->type != JSON_STRING || node->n < 20)
        return false;
    if (form == TIME_EXACT) {
        if (node->n != 24 || text[10] != 'T' || text[19] != '.' || text[23] != 'Z')
            return false;
    } else if (!year_is_taken(text)) {
        return false;
    }
    return clock_parse(ret, text, node->n);
}

static bool read_int(const struct field *f, const struct node *node, int64_t *ret)
{
    int64_t n = node->integer;

    if (node->type == JSON_REAL) {
        if (fabs(node->real) > (double)JSON_INTEGER_MAX)
            return false;
        n = (int64_t)node->real;
        if ((double)n < node->real || (double)n > node->real)
            return false;
    } else if (node->type != JSON_INTEGER) {
        return false;
    }
    if (n < f->min || n > f->max)
        return false;
    *ret = n;
    return true;
}

/* Enums of all tables are stored as unsigned int: none has a negative value. */
static bool read_enum(const struct field *f, const struct node *node, unsigned *ret)
{
    int n;

    if (node->type != JSON_STRING || !enum_parse(f->values, node->text, &n))
        return false;
    *ret = (unsigned)n;
    return true;
}

static bool read_bool(const struct node *node, bool *ret)
{
    if (node->type != JSON_TRUE && node->type != JSON_FALSE)
        return false;
    *ret = node->type == JSON_TRUE;
    return true;
}

/* Only a document of jansson's can lend an object: no shape of the contract has such a field. */
static bool read_json(const struct node *node, json_t **ret)
{
    if (node->type != JSON_OBJECT || !node->json)
        return false;
    *ret = node->json;
    return true;
}

static bool decode_object(const struct decoder *d, const struct place *at,
                          const struct shape *shape, const struct node *object, void *ret);

/* One value, or one item of an array, into its place. */
static bool decode_value(const struct decoder *d, const struct place *at, const struct field *f,
                         const struct node *node, void *ret)
{
    bool ok = false;

    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_TEXTS:
        ok = read_text(f, node, ret);
        break;
    case FIELD_ID:
    case FIELD_IDS:
        ok = read_id(node, ret);
        break;
    case FIELD_TIME:
        ok = read_time(d->times, node, ret);
        break;
    case FIELD_INT:
    case FIELD_INTS:
        ok = read_int(f, node, ret);
        break;
    case FIELD_ENUM:
    case FIELD_ENUMS:
        ok = read_enum(f, node, ret);
        break;
    case FIELD_BOOL:
        ok = read_bool(node, ret);
        break;
    case FIELD_JSON:
        ok = read_json(node, ret);
        break;
    case FIELD_OBJECT:
    case FIELD_LIST:
        if (node->type == JSON_OBJECT)
            return decode_object(d, at, f->part, node, ret);
        break;
    }
    return ok || refuse_value(d, at, f, node);
}

static bool refuse_list(const struct decoder *d, const struct place *at, const struct field *f,
                        const struct node *node)
{
    char got[SHAPE_GOT_MAX];

    shape_got(got, f, node);
    return shape_refuse(d->err, at, "must be a list of at most %zu (%s); got %s", f->items_max,
                        f->help, got);
}

static bool is_repeated(const unsigned *items, size_t i)
{
    for (size_t before = 0; before < i; before++)
        if (items[before] == items[i])
            return true;
    return false;
}

static bool decode_items(const struct decoder *d, const struct place *at, const struct field *f,
                         const struct node *array, char *base)
{
    struct place here = {.up = at};
    char *items, *item;

    if (array->type != JSON_ARRAY || array->n > f->items_max)
        return refuse_list(d, at, f, array);
    if (array->n == 0)
        return true;
    item = items = arena_take(d->arena, array->n * shape_item_size(f));
    if (!items)
        return shape_no_room(d->err, at, d->arena, array->n * shape_item_size(f));
    for (const struct node *node = array->first; node; node = node->next, here.index++) {
        if (!decode_value(d, &here, f, node, item))
            return false;
        if (f->type == FIELD_ENUMS &&
            is_repeated((const unsigned *)(const void *)items, here.index))
            return shape_refuse(d->err, &here, "stands in the list already: each value once");
        item += shape_item_size(f);
    }
    *(void **)(void *)(base + f->offset) = items;
    *(size_t *)(void *)(base + f->offset_extra) = array->n;
    return true;
}

static bool decode_field(const struct decoder *d, const struct place *at, const struct field *f,
                         const struct node *node, char *base)
{
    void *member = base + f->offset;

    if (shape_is_array(f))
        return decode_items(d, at, f, node, base);
    if (f->type == FIELD_OBJECT) {
        void *part = arena_take(d->arena, f->part->size);

        if (!part)
            return shape_no_room(d->err, at, d->arena, f->part->size);
        *(void **)member = part;
        member = part;
    }
    if (f->offset_extra)
        *(bool *)(base + f->offset_extra) = true;
    return decode_value(d, at, f, node, member);
}

/* The index of the field of that name, or shape->n. */
static size_t find_field(const struct shape *shape, const uint8_t *order, const char *name)
{
    size_t low = 0, high = shape->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int difference = strcmp(name, shape->fields[order[middle]].name);

        if (difference == 0)
            return order[middle];
        if (difference < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return shape->n;
}

static bool decode_object(const struct decoder *d, const struct place *at,
                          const struct shape *shape, const struct node *object, void *ret)
{
    const uint8_t *order = shape_sorted(shape);
    uint64_t given = 0; /* SHAPE_FIELDS_MAX bits */

    for (const struct node *node = object->first; node; node = node->next) {
        struct place here = {.up = at, .name = node->name};
        size_t i = find_field(shape, order, node->name);

        if (i == shape->n) {
            if (d->closed)
                return refuse_unknown(d, &here, shape);
            continue;
        }
        if (node->type == JSON_NULL)
            continue;
        given |= UINT64_C(1) << i;
        if (!decode_field(d, &here, &shape->fields[i], node, ret))
            return false;
    }
    for (size_t i = 0; i < shape->n; i++)
        if (shape->fields[i].required && !(given >> i & 1)) {
            struct place here = {.up = at, .name = shape->fields[i].name};

            return shape_refuse(d->err, &here, "is missing (%s)", shape->fields[i].help);
        }
    return true;
}

bool shape_decode_node(const struct shape *shape, const struct node *object, bool closed,
                       enum time_form times, void *ret, struct arena *arena, struct err *err)
{
    struct decoder d = {.arena = arena, .closed = closed, .times = times, .err = err};
    void *decoded = arena_take(arena, shape->size);

    if (!decoded)
        return shape_no_room(err, NULL, arena, shape->size);
    if (!decode_object(&d, NULL, shape, object, decoded))
        return false;
    memcpy(ret, decoded, shape->size);
    return true;
}

bool shape_decode(const struct shape *shape, json_t *object, bool closed, enum time_form times,
                  void *ret, struct arena *arena, struct err *err)
{
    AUTO(arena_done) struct arena nodes;
    const struct node *node;

    arena_init(&nodes, SIZE_MAX); /* bounded by the document, which is here already */
    if (!json_is_object(object))
        return shape_refuse(err, NULL, "a JSON object is wanted");
    node = node_of_json(object, &nodes);
    if (!node)
        return err_memory(err);
    return shape_decode_node(shape, node, closed, times, ret, arena, err);
}
