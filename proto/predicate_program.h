/*
 * predicate_program - what predicate_compile() makes, for the files that read it: predicate_compile.c, predicate_eval.c, predicate_reach.c.
 */
#ifndef PROTO_PREDICATE_PROGRAM_H
#define PROTO_PREDICATE_PROGRAM_H

#include "proto/pattern.h"
#include "proto/predicate.h"

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
    size_t value, values_n;             /* the operands, in `values` */
    size_t
        shared; /* the number that equal parts share, from 1; 0: not shared (predicate_share()) */
};

/* Nodes in prefix order: the children of node i begin at i + 1, each ends where the next begins. */
struct predicate {
    struct node *nodes;
    size_t nodes_n;
    struct value *values;
    size_t values_n;
};

enum tri predicate_tri_not(enum tri t);

/* lt le gt ge of a number and what the policy says. */
bool predicate_holds(enum op op, double x, double want);

#endif
