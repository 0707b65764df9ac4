/*
 * predicate_set - predicates that are asked about one and the same input: equal parts of them are evaluated once, and what hangs on nothing that the input
 * has is not evaluated at all, for the answers to silence were worked out when the set was closed.
 *
 *     predicate_set_new(), predicate_set_add() each, predicate_set_close(); then for each input predicate_set_begin() and predicate_eval() of any of them
 *
 * Threads     Closed, it is immutable: any thread.
 * Ownership   The predicates stay the caller's; they are freed with the set, or after it.
 * Bounds      PREDICATE_PARTS_MAX different parts; what is beyond them, and a regular expression, is evaluated whenever it is asked for.
 * Errors      Only ERR_MEMORY.
 */
#ifndef PROTO_PREDICATE_SET_H
#define PROTO_PREDICATE_SET_H

#include "proto/predicate.h"

#define PREDICATE_PARTS_MAX 2048

struct predicate_set;

/* The answers to one input, by the numbers of the parts. */
struct predicate_answers {
    const struct predicate_set *set;
    uint8_t of[PREDICATE_PARTS_MAX];
};

bool predicate_set_new(struct predicate_set **ret, struct err *err) MUST_CHECK;
bool predicate_set_add(struct predicate_set *set, struct predicate *p, struct err *err) MUST_CHECK;
bool predicate_set_close(struct predicate_set *set, struct err *err) MUST_CHECK;
void predicate_set_free(struct predicate_set *set);

/* Sets in->answers, for as long as what `in` leads to stays as it is. */
void predicate_set_begin(const struct predicate_set *set, struct predicate_input *in,
                         struct predicate_answers *answers);

#endif
