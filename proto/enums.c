#include "proto/enums.h"

#include <string.h>

#define ENUM_BEGIN(name, help)                 static const struct enum_value name##_values[] = {
#define ENUM_VALUE(name, symbol, text, zh, en) {text, zh, en},
#define ENUM_END(name)                                                                             \
    }                                                                                              \
    ;
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef ENUM_VALUE
#undef ENUM_END

#define ENUM_BEGIN(name, help)                                                                     \
    const struct enum_table name##_table = {#name, help, name##_values, ARRAY_LEN(name##_values)};
#define ENUM_VALUE(name, symbol, text, zh, en)
#define ENUM_END(name)
#include "proto/enums.def"

const char *enum_text(const struct enum_table *table, int value)
{
    return value >= 0 && (size_t)value < table->n ? table->values[value].text : NULL;
}

bool enum_parse(const struct enum_table *table, const char *text, int *ret)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->values[i].text, text) == 0) {
            *ret = (int)i;
            return true;
        }
    return false;
}
