/* shape_rows - makes field rows into rows of struct field: for files of shapes included after it. Without a guard. */
// clang-format off
#include "proto/shape_undef.h"
#undef REQ
#undef OPT
#undef SHAPE_AT_
#define REQ true
#define OPT false
#define SHAPE_AT_(member) offsetof(struct SHAPE, member)
#define F_TEXT(m, req, lo, hi, text)                                                              \
    {.name = #m, .type = FIELD_TEXT, .required = req, .offset = SHAPE_AT_(m), .min = lo,           \
     .max = hi, .help = text},
#define F_ID(m, req, text)                                                                        \
    {.name = #m, .type = FIELD_ID, .required = req, .offset = SHAPE_AT_(m), .help = text},
#define F_TIME(m, req, text)                                                                      \
    {.name = #m, .type = FIELD_TIME, .required = req, .offset = SHAPE_AT_(m),                      \
     .offset_extra = SHAPE_AT_(has_##m), .help = text},
#define F_INT(m, req, lo, hi, text)                                                               \
    {.name = #m, .type = FIELD_INT, .required = req, .offset = SHAPE_AT_(m),                       \
     .offset_extra = SHAPE_AT_(has_##m), .min = lo, .max = hi, .help = text},
#define F_BOOL(m, req, text)                                                                      \
    {.name = #m, .type = FIELD_BOOL, .required = req, .offset = SHAPE_AT_(m),                      \
     .offset_extra = SHAPE_AT_(has_##m), .help = text},
#define F_ENUM(m, req, table, text)                                                               \
    {.name = #m, .type = FIELD_ENUM, .required = req, .offset = SHAPE_AT_(m),                      \
     .offset_extra = SHAPE_AT_(has_##m), .values = &table##_table, .help = text},
#define F_TEXTS(m, req, items, lo, hi, text)                                                      \
    {.name = #m, .type = FIELD_TEXTS, .required = req, .offset = SHAPE_AT_(m),                     \
     .offset_extra = SHAPE_AT_(m##_n), .items_max = items, .min = lo, .max = hi, .help = text},
#define F_IDS(m, req, items, text)                                                                \
    {.name = #m, .type = FIELD_IDS, .required = req, .offset = SHAPE_AT_(m),                       \
     .offset_extra = SHAPE_AT_(m##_n), .items_max = items, .help = text},
#define F_ENUMS(m, req, table, items, text)                                                       \
    {.name = #m, .type = FIELD_ENUMS, .required = req, .offset = SHAPE_AT_(m),                     \
     .offset_extra = SHAPE_AT_(m##_n), .items_max = items, .values = &table##_table,               \
     .help = text},
#define F_INTS(m, req, items, lo, hi, text)                                                       \
    {.name = #m, .type = FIELD_INTS, .required = req, .offset = SHAPE_AT_(m),                      \
     .offset_extra = SHAPE_AT_(m##_n), .items_max = items, .min = lo, .max = hi, .help = text},
#define F_OBJECT(m, req, sub, text)                                                               \
    {.name = #m, .type = FIELD_OBJECT, .required = req, .offset = SHAPE_AT_(m),                    \
     .part = &sub##_shape, .help = text},
#define F_LIST(m, req, sub, items, text)                                                          \
    {.name = #m, .type = FIELD_LIST, .required = req, .offset = SHAPE_AT_(m),                      \
     .offset_extra = SHAPE_AT_(m##_n), .items_max = items, .part = &sub##_shape, .help = text},
#define F_JSON(m, req, text)                                                                      \
    {.name = #m, .type = FIELD_JSON, .required = req, .offset = SHAPE_AT_(m), .help = text},
