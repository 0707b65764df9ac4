/*
 * predicate_program - what predicate_compile() makes, for the files that read it: predicate_compile.c, predicate_eval.c, predicate_reach.c,
 * predicate_set.c.
 */
#ifndef PROTO_PREDICATE_PROGRAM_H
#define PROTO_PREDICATE_PROGRAM_H

#include "proto/pattern.h"
#include "proto/predicate_set.h"

#define HOPS_MAX 3

enum op {
    OP_ALL,
    OP_ANY,
    OP_NOT,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_EXISTS,
    OP_MATCHES,
    OP_REGEX
};

struct value {
    double number; /* also of a boolean, and of an enum's value */
    char *text;    /* of a text: owned, len bytes; keywords are in lower case */
    size_t len;
    struct pattern *pattern; /* owned */
};

struct node {
    enum op op;
    enum predicate_source source;
    size_t end;            /* the first node behind this one's children */
    char *pointer;         /* owned; NULL for all, any, not */
    size_t hops[HOPS_MAX]; /* offsets of the pointers to objects on the way to the field */
    size_t hops_n;
    const struct field *field;
    const struct enum_table *values_of; /* of an enum */
    size_t id;                          /* of a name */
    bool is_dear;                       /* looking costs */
    const char
        *missed; /* what somebody can be asked for; NULL: nobody. In a set one text for a field */
    size_t value, values_n; /* the operands, in `values` */
    size_t part;            /* its number in a set, from 1; 0: none */
};

/* Nodes in prefix order: the children of node i begin at i + 1, each ends where the next begins. */
struct predicate {
    size_t part; /* nodes[0].part, a look into memory nearer */
    struct node *nodes;
    size_t nodes_n;
    struct value *values;
    size_t values_n;
};

/* A part of predicates in a set, by one of the places where it stands. */
struct part {
    const struct predicate *p;
    size_t index;
    const char *missed; /* predicate_part_misses() when nothing is there */
};

/* What comparisons look at, by one of them; and the parts that have such a one. */
struct atom {
    const struct node *node;
    uint64_t hanging[PREDICATE_PARTS_MAX / 64];
};

struct predicate_set {
    json_t *numbers;                        /* of the parts by what they say, while it is open */
    json_t *missed;                         /* its keys: what somebody can be asked for */
    struct part parts[PREDICATE_PARTS_MAX]; /* from 1; children before parents */
    size_t parts_n;
    struct atom *atoms;
    size_t atoms_n;
    uint8_t silence[PREDICATE_PARTS_MAX]; /* the answers when nothing is there */
};

/* An answer is a tri + 1, 0 while nobody has asked; and whether it is as when nothing is there. */
enum { ANSWER_TRI = 3, ANSWER_TO_SILENCE = 4 };

bool predicate_is_there(const struct node *node, const struct predicate_input *in);
const char *predicate_part_misses(const struct predicate *p, size_t index,
                                  const struct predicate_input *in);

enum tri predicate_tri_not(enum tri t);

/* lt le gt ge of a number and what the policy says. */
bool predicate_holds(enum op op, double x, double want);

#endif
