/*
 * shape - one table of fields, from which decode, encode, checks and the JSON Schema follow.
 *
 * The fields of an object stand in a .def file, one row each (proto/parts.def, proto/requests.def, proto/events.def):
 *
 *     F_TEXT(name, REQ|OPT, min_chars, max_chars, help)     const char *name            UTF-8, characters not bytes, no NUL
 *     F_ID(name, REQ|OPT, help)                             const char *name            lower-case UUID
 *     F_TIME(name, REQ|OPT, help)                           int64_t name; bool has_name ms since 1970 UTC. In events exactly "…T…Z" with ms; in requests any RFC 3339
 *     F_INT(name, REQ|OPT, min, max, help)                  int64_t name; bool has_name
 *     F_BOOL(name, REQ|OPT, help)                           bool name; bool has_name
 *     F_ENUM(name, REQ|OPT, enum, help)                     enum <enum> name; bool has_name
 *     F_TEXTS(name, REQ|OPT, items_max, min_chars, max_chars, help)  const char **name; size_t name_n
 *     F_IDS(name, REQ|OPT, items_max, help)                 const char **name; size_t name_n
 *     F_ENUMS(name, REQ|OPT, enum, items_max, help)         enum <enum> *name; size_t name_n   (unique items)
 *     F_INTS(name, REQ|OPT, items_max, min, max, help)      int64_t *name; size_t name_n
 *     F_OBJECT(name, REQ|OPT, part, help)                   struct <part> *name         (NULL: absent)
 *     F_LIST(name, REQ|OPT, part, items_max, help)          struct <part> *name; size_t name_n
 *     F_JSON(name, REQ|OPT, help)                           json_t *name                any JSON object, borrowed from the document
 *
 * The struct is generated from the same rows  and the table too (proto/shape_members.h, proto/shape_rows.h, proto/shape_begin.h).
 *
 * Threads     Pure functions of their arguments.
 * Ownership   Decoding borrows strings from the json_t document and takes memory for lists and objects from the arena; both must outlive the struct.
 * Absence     OPT and absent, or null: the member stays zero (has_name false, NULL, 0 items). Encoding writes what is there: a member with
 *             has_name false is absent, also a REQ one (which is then an error: SHAPE_SET sets both); a REQ list without items is [].
 * Whole numbers  1.0 and 1e2 are the integers 1 and 100, as in JSON Schema and in the canonical form; 1.5 is refused.
 * Times       Years 1970 to 9999; in requests 1971 to 9998 as written, so that no offset leads out of them.
 * Open/closed shape_decode(closed = true) refuses fields it does not know, naming the nearest known one; events are decoded open.
 * Errors      ERR_INPUT with the JSON pointer of the value at fault and what is legal there.
 */
#ifndef PROTO_SHAPE_H
#define PROTO_SHAPE_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

enum field_type {
    FIELD_TEXT,
    FIELD_ID,
    FIELD_TIME,
    FIELD_INT,
    FIELD_BOOL,
    FIELD_ENUM,
    FIELD_TEXTS,
    FIELD_IDS,
    FIELD_ENUMS,
    FIELD_INTS,
    FIELD_OBJECT,
    FIELD_LIST,
    FIELD_JSON,
};

struct enum_value {
    const char *text, *zh, *en;
};
struct enum_table {
    const char *name, *help;
    const struct enum_value *values; /* index = the C enum's value */
    size_t n;
};

struct shape;
struct field {
    const char *name;
    enum field_type type;
    bool required;
    size_t offset;       /* of the member */
    size_t offset_extra; /* of has_<name> or <name>_n; 0 where there is none */
    int64_t min, max;    /* characters of a text or of the texts, value of an integer */
    size_t items_max;
    const struct enum_table *values;
    const struct shape *part;
    const char *help;
};
struct shape {
    const char *name;
    size_t size; /* of the struct */
    const struct field *fields;
    size_t n;
    struct shape_order *order; /* its fields by name: filled at the first encoding */
};

/* Sets a member that has a has_ beside it. */
#define SHAPE_SET(body, member, value) ((body)->member = (value), (body)->has_##member = true)

#define SHAPE_FIELDS_MAX 64
struct shape_order {
    atomic_bool ready;
    uint8_t index[SHAPE_FIELDS_MAX];
};

/* Memory for what a document decodes into: freed as a whole. Bounded by arena_max bytes. */
struct arena {
    void *blocks;
    size_t used, max;
};
void arena_init(struct arena *a, size_t max);
void *arena_take(struct arena *a, size_t size); /* zeroed, aligned; NULL: over the bound */
void arena_done(struct arena *a);

enum time_form { TIME_EXACT, TIME_ANY_RFC3339 }; /* events; requests */

bool shape_decode(const struct shape *shape, json_t *object, bool closed, enum time_form times,
                  void *ret, struct arena *arena, struct err *err) MUST_CHECK;
/* A new object with the fields that are present, in the table's order. NULL: out of memory, or a value outside its own bounds (a bug). */
json_t *shape_encode(const struct shape *shape, const void *value);
/* Appends the canonical text (RFC 8785) of the struct. On false `out` holds a part of it. */
bool shape_canonical(const struct shape *shape, const void *value, struct buf *out,
                     struct err *err) MUST_CHECK;
/* Appends one member of the struct `holder` as canonical JSON text. */
bool shape_field_text(const struct field *field, const void *holder, struct buf *out) MUST_CHECK;
/* Adds the shape's properties, required list etc. as a JSON Schema (2020-12) object: {"type":"object","properties":…}. */
json_t *shape_schema(const struct shape *shape, bool closed, enum time_form times);

const char *enum_text(const struct enum_table *table, int value); /* NULL: out of range */
bool enum_parse(const struct enum_table *table, const char *text, int *ret);

/* Parses JSON text from outside: valid UTF-8, no NUL, no duplicate keys, depth <= JSON_DEPTH_MAX,
 * integers within +-(2^53 - 1), an object at the top. ERR_INPUT names line and column, and the key of a duplicate. */
#define JSON_DEPTH_MAX   16
#define JSON_INTEGER_MAX INT64_C(9007199254740991)
bool json_read_strict(json_t **ret, const char *text, size_t len, struct err *err) MUST_CHECK;

/* RFC 8785 canonical form (sorted by UTF-16 code units, ES numbers, no blanks). False: `out` is full,
 * an integer beyond JSON_INTEGER_MAX, or deeper than JSON_DEPTH_MAX. */
bool json_canonical(const json_t *value, struct buf *out) MUST_CHECK;

static inline void proto_json_free(json_t *j)
{
    json_decref(j);
}
DEFINE_AUTO(auto_json, json_t, proto_json_free)

#endif
