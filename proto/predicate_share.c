#include "proto/predicate_program.h"

#define KEY_MAX_BYTES ((size_t)1024 * 1024)

/* A comparison by what it compares; a combination by the numbers of its parts. False: a part has no number. */
static bool write_key(struct buf *ret, const struct predicate *p, size_t index)
{
    const struct node *node = &p->nodes[index];

    buf_printf(ret, "%d", (int)node->op);
    if (node->pointer) {
        buf_json(ret, node->pointer);
        for (size_t i = 0; i < node->values_n; i++) {
            const struct value *value = &p->values[node->value + i];

            if (value->pattern)
                return false; /* compiled: not to be compared */
            buf_printf(ret, ",%.17g", value->number);
            buf_json(ret, value->text ? value->text : "");
        }
        return !ret->failed;
    }
    for (size_t i = index + 1; i < node->end; i = p->nodes[i].end) {
        if (p->nodes[i].shared == 0)
            return false;
        buf_printf(ret, ",%zu", p->nodes[i].shared);
    }
    return !ret->failed;
}

static bool share_part(struct predicate *p, size_t index, json_t *parts, struct err *err)
{
    AUTO(buf_done) struct buf key;
    const json_t *known;
    size_t number = json_object_size(parts) + 1;

    buf_init(&key, KEY_MAX_BYTES);
    if (!write_key(&key, p, index))
        return true;
    known = json_object_get(parts, buf_text(&key));
    if (known)
        number = (size_t)json_integer_value(known);
    else if (number >= PREDICATE_SHARED_MAX)
        return true;
    else if (json_object_set_new(parts, buf_text(&key), json_integer((json_int_t)number)))
        return err_memory(err);
    p->nodes[index].shared = number;
    return true;
}

/* From the last: the parts of a combination have theirs before it. */
bool predicate_share(struct predicate *p, json_t *parts, struct err *err)
{
    for (size_t i = p->nodes_n; i-- > 0;)
        if (!share_part(p, i, parts, err))
            return false;
    return true;
}
