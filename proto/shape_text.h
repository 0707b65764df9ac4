/*
 * shape_text - what shape's decoder and encoder share: where a value stands, the words of a refusal, the fields by name.
 *
 * Threads     Pure functions of their arguments.
 * Bounds      SHAPE_LEGAL_MAX and SHAPE_GOT_MAX bytes; longer texts are cut at a character's boundary.
 * Errors      shape_refuse() makes them: ERR_INPUT with the JSON pointer.
 */
#ifndef PROTO_SHAPE_TEXT_H
#define PROTO_SHAPE_TEXT_H

#include "proto/node.h"

#define SHAPE_LEGAL_MAX 320
#define SHAPE_GOT_MAX   400 /* 60 bytes, each of which may be escaped as \u00xx */

/* One step of the way from the whole document (NULL) to a value; lives on the stack. */
struct place {
    const struct place *up;
    const char *name; /* NULL: item `index` of an array */
    size_t index;
};

bool shape_refuse(struct err *err, const struct place *at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Why arena_take(arena, size) gave NULL: over its bound is the sender's fault, no memory is ours. */
bool shape_no_room(struct err *err, const struct place *at, const struct arena *arena, size_t size);

/* "a whole number from 0 to 60" */
void shape_legal(char ret[SHAPE_LEGAL_MAX], const struct field *f, enum time_form times);
/* "the text \"two hours\"" */
void shape_got(char ret[SHAPE_GOT_MAX], const struct field *f, const struct node *node);

/* The field whose name differs from `name` in a few letters only; NULL: none is near. */
const char *shape_nearest(const struct shape *shape, const char *name);

/* The indexes of the fields, by name. Found once per shape, by whichever thread comes first. */
const uint8_t *shape_sorted(const struct shape *shape);

bool shape_decode_node(const struct shape *shape, const struct node *object, bool closed,
                       enum time_form times, void *ret, struct arena *arena,
                       struct err *err) MUST_CHECK;

/* True for the types that are arrays; the size of one item in memory. */
bool shape_is_array(const struct field *f);
size_t shape_item_size(const struct field *f);

#endif
