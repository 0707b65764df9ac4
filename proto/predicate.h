/*
 * predicate - the small closed language of policy conditions, compiled once, evaluated over a JSON document in three-valued logic.
 *
 *     {"all": [P, …]}  {"any": [P, …]}  {"not": P}
 *     {"at": "/impact/outage_minutes", "ge": 120}       lt le gt ge with a number; eq ne with a number, text or boolean
 *     {"at": "/level", "in": ["major", "extreme"]}      membership
 *     {"at": "/facts/system/is_cii", "exists": true}
 *     {"at": "/summary", "matches": ["勒索", "ransomware", …]}   any of the keywords occurs (Latin ones at word boundaries, without case)
 *
 * Lists       A list in the document matches when one of its items does; an empty one does not.
 * Ranges      {"at_least": 300000, "at_most": 400000} in the document is a number that is not known exactly: lt le gt ge are known when all of it agrees.
 * Unknown     A pointer that leads nowhere, or to null, or to a value of another type than the operand's, makes the comparison TRI_UNKNOWN, never
 *             false: unknown is not false. `exists` is always known. all, any and not are Kleene's.
 * Threads     A compiled predicate is immutable: any thread.
 * Ownership   predicate_free() frees; nothing of the source JSON is kept.
 * Bounds      PREDICATE_NODES_MAX nodes, depth 16. Evaluation allocates nothing.
 * Errors      ERR_CONFIG naming the place inside the expression and what is legal there.
 */
#ifndef PROTO_PREDICATE_H
#define PROTO_PREDICATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define PREDICATE_NODES_MAX 1024
#define PREDICATE_READS_MAX 16

enum tri { TRI_FALSE, TRI_TRUE, TRI_UNKNOWN };

struct predicate;

/* What an evaluation looked at: pointers (borrowed from the predicate) and the values found (borrowed from the document, NULL: nothing there). */
struct predicate_reads {
    struct {
        const char *pointer;
        const json_t *value;
    } reads[PREDICATE_READS_MAX];
    size_t n;
};

bool predicate_compile(struct predicate **ret, const json_t *expression,
                       struct err *err) MUST_CHECK;
void predicate_free(struct predicate *p);
DEFINE_AUTO(auto_predicate, struct predicate, predicate_free)

enum tri predicate_eval(const struct predicate *p, const json_t *document,
                        struct predicate_reads *reads);

#endif
