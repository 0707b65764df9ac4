/*
 * node - JSON text, parsed strictly into an arena: no allocation per value and no hash table, which is what makes decoding fast.
 *
 * Strict      Valid UTF-8, no NUL (also not as \u0000), no duplicate keys, no half surrogate pairs, depth <= JSON_DEPTH_MAX, integers
 *             within +-JSON_INTEGER_MAX, finite numbers of at most NODE_NUMBER_BYTES_MAX bytes, an object at the top.
 * Threads     Pure functions of their arguments.
 * Ownership   Nodes come from the arena `nodes`, texts from the arena `texts` (they may be one); `raw` points into the parsed text.
 * Bounds      The arenas'. A text of n bytes takes n bytes of `texts` and at most NODE_BYTES_PER_BYTE * (n + 2) of `nodes`.
 * Errors      ERR_INPUT naming line and column; ERR_FATAL when there is no memory.
 */
#ifndef PROTO_NODE_H
#define PROTO_NODE_H

#include "proto/shape.h"

#define NODE_NUMBER_BYTES_MAX 128
#define NODE_BYTES_PER_BYTE   ((size_t)32)

struct node {
    json_type type; /* by jansson's names */
    uint32_t n;     /* members, items, or bytes of a string */
    uint32_t raw_len;
    const char *raw;   /* the value's text as it came; NULL: it came from a json_t */
    json_t *json;      /* the json_t that it came from; NULL: it came from text */
    const char *name;  /* of a member; NUL-terminated */
    struct node *next; /* the member or item behind it */
    union {
        struct node *first; /* of an object or array */
        const char *text;   /* of a string; NUL-terminated */
        int64_t integer;
        double real;
    };
};

bool node_parse(struct node **ret, const char *text, size_t len, struct arena *nodes,
                struct arena *texts, struct err *err) MUST_CHECK;

/* From and to jansson's values. NULL: no memory, or deeper than JSON_DEPTH_MAX. */
struct node *node_of_json(json_t *json, struct arena *nodes);
json_t *node_to_json(const struct node *node);

#endif
