/* shape_end - see shape_begin.h */
// clang-format off
#ifdef SHAPES_AS_STRUCTS
};
extern const struct shape SHAPE_NAMED_(SHAPE, _shape);
#else
};
_Static_assert(sizeof(SHAPE_NAMED_(SHAPE, _fields)) / sizeof(struct field) <= SHAPE_FIELDS_MAX,
               SHAPE_TEXT_(SHAPE) ": more fields than SHAPE_FIELDS_MAX");
static struct shape_order SHAPE_NAMED_(SHAPE, _order);
const struct shape SHAPE_NAMED_(SHAPE, _shape) = {
    .name = SHAPE_TEXT_(SHAPE),
    .size = sizeof(struct SHAPE),
    .fields = SHAPE_NAMED_(SHAPE, _fields),
    .n = sizeof(SHAPE_NAMED_(SHAPE, _fields)) / sizeof(struct field),
    .order = &SHAPE_NAMED_(SHAPE, _order),
};
#endif
#undef SHAPE
#undef SHAPE_PASTE_
#undef SHAPE_NAMED_
#undef SHAPE_QUOTE_
#undef SHAPE_TEXT_
