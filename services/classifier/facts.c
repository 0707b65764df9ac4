#include "services/classifier/facts.h"

#include <string.h>

#include "proto/shape_undef.h"
#define F_TEXT(name, ...)  ret->name = from->name;
#define F_TIME(name, ...)  ret->name = from->name, ret->has_##name = from->has_##name;
#define F_INT              F_TIME
#define F_BOOL             F_TIME
#define F_ENUM             F_TIME
#define F_OBJECT           F_TEXT
#define F_ENUMS(name, ...) ret->name = from->name, ret->name##_n = from->name##_n;
#define F_LIST             F_ENUMS

static void leave_out(struct facts *ret)
{
    ret->evidence = NULL;
    ret->indicators = NULL;
    ret->evidence_n = ret->indicators_n = 0;
}

void facts_of_report(struct facts *ret, const struct report_submitted *from)
{
#include "proto/facts.def"
    leave_out(ret);
}

void facts_of_supplement(struct facts *ret, const struct report_supplemented *from)
{
#include "proto/facts.def"
    leave_out(ret);
}

void facts_of_request(struct facts *ret, const struct report_request *from)
{
#include "proto/facts.def"
    leave_out(ret);
}

/* --- merging: both structs are of the shape --- */

static size_t *count_at(const struct field *f, char *base)
{
    return (size_t *)(void *)(base + f->offset_extra);
}

static bool has_item(const char *items, size_t n, size_t size, const char *item)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(items + i * size, item, size) == 0)
            return true;
    return false;
}

/* Lists of numbers and of an enum's values: facts have no others. */
static bool join(const struct field *f, char *to, const char *from, size_t size,
                 struct arena *arena)
{
    size_t n = *count_at(f, to), more = *count_at(f, (char *)(uintptr_t)from);
    const char *items = *(const char *const *)(const void *)(from + f->offset);
    char *joined = arena_take(arena, (n + more) * size + 1);

    if (!joined)
        return false;
    if (n > 0)
        memcpy(joined, *(const char *const *)(const void *)(to + f->offset), n * size);
    for (size_t i = 0; i < more && n < f->items_max; i++)
        if (!has_item(joined, n, size, items + i * size))
            memcpy(joined + n++ * size, items + i * size, size);
    memcpy(to + f->offset, &joined, sizeof(joined));
    *count_at(f, to) = n;
    return true;
}

static bool merge(const struct shape *shape, char *to, const char *from, struct arena *arena);

/* Into a copy: the object may be an event's. */
static bool merge_object(const struct field *f, char *to, const char *from, struct arena *arena)
{
    const char *more = *(const char *const *)(const void *)(from + f->offset);
    const char *old = *(const char *const *)(const void *)(to + f->offset);
    char *copy;

    if (!more)
        return true;
    copy = arena_take(arena, f->part->size);
    if (!copy)
        return false;
    if (old)
        memcpy(copy, old, f->part->size);
    memcpy(to + f->offset, &copy, sizeof(copy));
    return merge(f->part, copy, more, arena);
}

static void take_scalar(const struct field *f, char *to, const char *from, size_t size)
{
    if (!*(const bool *)(const void *)(from + f->offset_extra))
        return;
    memcpy(to + f->offset, from + f->offset, size);
    *(bool *)(void *)(to + f->offset_extra) = true;
}

static bool merge_field(const struct field *f, char *to, const char *from, struct arena *arena)
{
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_ID:
        if (*(const char *const *)(const void *)(from + f->offset))
            memcpy(to + f->offset, from + f->offset, sizeof(void *));
        return true;
    case FIELD_TIME:
    case FIELD_INT:
        take_scalar(f, to, from, sizeof(int64_t));
        return true;
    case FIELD_BOOL:
        take_scalar(f, to, from, sizeof(bool));
        return true;
    case FIELD_ENUM:
        take_scalar(f, to, from, sizeof(unsigned));
        return true;
    case FIELD_ENUMS:
        return join(f, to, from, sizeof(unsigned), arena);
    case FIELD_INTS:
        return join(f, to, from, sizeof(int64_t), arena);
    case FIELD_OBJECT:
        return merge_object(f, to, from, arena);
    case FIELD_LIST: /* evidence and indicators are left out */
    case FIELD_TEXTS:
    case FIELD_IDS:
    case FIELD_JSON:
        break;
    }
    return true;
}

static bool merge(const struct shape *shape, char *to, const char *from, struct arena *arena)
{
    for (size_t i = 0; i < shape->n; i++)
        if (!merge_field(&shape->fields[i], to, from, arena))
            return false;
    return true;
}

bool facts_merge(struct facts *merged, const struct facts *more, struct arena *arena,
                 struct err *err)
{
    return merge(&facts_shape, (char *)merged, (const char *)more, arena) || err_memory(err);
}
