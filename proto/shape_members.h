/* shape_members - makes field rows into struct members: for files of shapes included after it. Without a guard. */
// clang-format off
#include "proto/shape_undef.h"
#define SHAPES_AS_STRUCTS
#define F_TEXT(name, req, min, max, help) const char *name;
#define F_ID(name, req, help) const char *name;
#define F_TIME(name, req, help) int64_t name; bool has_##name;
#define F_INT(name, req, min, max, help) int64_t name; bool has_##name;
#define F_BOOL(name, req, help) bool name; bool has_##name;
#define F_ENUM(name, req, values, help) enum values name; bool has_##name;
#define F_TEXTS(name, req, items, min, max, help) const char **name; size_t name##_n;
#define F_IDS(name, req, items, help) const char **name; size_t name##_n;
#define F_ENUMS(name, req, values, items, help) enum values *name; size_t name##_n;
#define F_INTS(name, req, items, min, max, help) int64_t *name; size_t name##_n;
#define F_OBJECT(name, req, part, help) struct part *name;
#define F_LIST(name, req, part, items, help) struct part *name; size_t name##_n;
#define F_JSON(name, req, help) json_t *name;
