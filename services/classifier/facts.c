#include "services/classifier/facts.h"

#include <string.h>

#include "proto/shape_undef.h"
#define F_TEXT(name, ...)  ret->name = report->name;
#define F_TIME(name, ...)  ret->name = report->name, ret->has_##name = report->has_##name;
#define F_INT              F_TIME
#define F_BOOL             F_TIME
#define F_ENUM             F_TIME
#define F_OBJECT           F_TEXT
#define F_ENUMS(name, ...) ret->name = report->name, ret->name##_n = report->name##_n;
#define F_LIST             F_ENUMS

void facts_of_report(struct facts *ret, const struct report_submitted *report)
{
#include "proto/facts.def"
    ret->evidence_n = ret->indicators_n = 0;
}

static bool is_left_out(const char *name)
{
    return strcmp(name, "evidence") == 0 || strcmp(name, "indicators") == 0;
}

static const struct field *field_of(const struct shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->n; i++)
        if (strcmp(shape->fields[i].name, name) == 0)
            return &shape->fields[i];
    return NULL;
}

static bool join(const struct field *field, json_t *list, json_t *more)
{
    json_t *item, *known;
    size_t i, k;

    json_array_foreach(more, i, item)
    {
        json_array_foreach(list, k, known) if (json_equal(item, known)) break;
        if (k == json_array_size(list) && k < field->items_max && json_array_append(list, item))
            return false;
    }
    return true;
}

static bool merge(const struct shape *shape, json_t *merged, json_t *body);

static bool merge_field(const struct field *field, json_t *merged, json_t *value)
{
    json_t *old = json_object_get(merged, field->name);

    if (json_is_null(value))
        return true;
    if (json_is_object(value) && field->part) {
        if (!json_is_object(old)) {
            old = json_object();
            if (json_object_set_new(merged, field->name, old))
                return false;
        }
        return merge(field->part, old, value);
    }
    if (json_is_array(value) && json_is_array(old))
        return join(field, old, value);
    /* The event's own lists must not grow with ours. */
    return json_object_set_new(merged, field->name,
                               json_is_array(value) ? json_copy(value) : json_incref(value)) == 0;
}

static bool merge(const struct shape *shape, json_t *merged, json_t *body)
{
    const char *name;
    json_t *value;

    json_object_foreach(body, name, value)
    {
        const struct field *field = field_of(shape, name);

        if (field && !is_left_out(name) && !merge_field(field, merged, value))
            return false;
    }
    return true;
}

bool facts_merge(json_t *merged, json_t *body, struct err *err)
{
    return merge(&facts_shape, merged, body) || err_memory(err);
}
