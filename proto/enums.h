/* enums - the closed sets of values as C enums, each with its table of texts. Generated from proto/enums.def. */
#ifndef PROTO_ENUMS_H
#define PROTO_ENUMS_H

#include "proto/shape.h"

#define ENUM_BEGIN(name, help)                 enum name {
#define ENUM_VALUE(name, symbol, text, zh, en) symbol,
#define ENUM_END(name)                                                                             \
    }                                                                                              \
    ;                                                                                              \
    extern const struct enum_table name##_table;
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef ENUM_VALUE
#undef ENUM_END

#endif
