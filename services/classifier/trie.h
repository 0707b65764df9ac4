/*
 * trie - all words of some lists in one automaton over symbols (symbol.h): which words begin at a place of a text, in one walk. Pure.
 *
 *     node = TRIE_ROOT; while ((edge = trie_step(trie, node, symbol))) { edge->value: what ends there; node = edge->to; … }
 *
 * The ways on lie in one hash table, so that a step is one look into memory. In front of it stands a set of bits small enough to stay in the
 * nearest cache: where no word begins with two symbols, as nearly everywhere in a text, nothing else is looked at.
 *
 * Threads     Immutable after trie_build(): any thread.
 * Bounds      TRIE_NODES_MAX nodes; a walk is as long as the longest word.
 * Errors      ERR_CONFIG: too many words. ERR_FATAL: no memory.
 */
#ifndef SERVICES_CLASSIFIER_TRIE_H
#define SERVICES_CLASSIFIER_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define TRIE_NODES_MAX 60000
#define TRIE_ROOT      0

struct trie_edge {
    uint32_t key;   /* from << 16 | symbol */
    uint16_t to;    /* 0: none is here, for nothing leads to the root */
    uint16_t value; /* 0: no word ends there */
};

#define TRIE_PAIR_BITS 16

struct trie {
    struct trie_edge *edges; /* 2^bits places, at most half of them used */
    unsigned bits;
    size_t nodes_n;
    uint64_t pairs[((size_t)1 << TRIE_PAIR_BITS) /
                   64]; /* with which two symbols a word may begin; 0: with the first alone */
};

bool trie_init(struct trie *t, struct err *err) MUST_CHECK;
void trie_done(struct trie *t);

/* The value of a word of at least one byte, to read and to set before the next is added; NULL with err set: too many words, or no memory. */
uint16_t *trie_add(struct trie *t, const char *word, size_t len, struct err *err);

static inline uint32_t trie_pair(uint16_t first, uint16_t second)
{
    return (first * UINT32_C(0x9E3779B1) ^ second * UINT32_C(0x85EBCA6B)) >> (32 - TRIE_PAIR_BITS);
}

static inline uint64_t trie_has_pair(const struct trie *t, uint32_t pair)
{
    return t->pairs[pair / 64] >> pair % 64 & 1;
}

/* May a word begin with these two? False: none does. `second` is 0 at the text's end. */
static inline bool trie_may_begin(const struct trie *t, uint16_t first, uint16_t second)
{
    /* Both are looked at, for one branch is easier foreseen than two. */
    return (trie_has_pair(t, trie_pair(first, second)) | trie_has_pair(t, trie_pair(first, 0))) > 0;
}

static inline uint32_t trie_key(uint16_t node, uint16_t symbol)
{
    return (uint32_t)node << 16 | symbol;
}

static inline size_t trie_place(const struct trie *t, uint32_t key)
{
    return (uint32_t)(key * UINT32_C(0x9E3779B1)) >> (32 - t->bits);
}

static inline size_t trie_place_behind(const struct trie *t, size_t place)
{
    return (place + 1) & (((size_t)1 << t->bits) - 1);
}

/* The way on from a node; NULL: none. */
static inline const struct trie_edge *trie_step(const struct trie *t, uint16_t node,
                                                uint16_t symbol)
{
    uint32_t key = trie_key(node, symbol);

    for (size_t i = trie_place(t, key);; i = trie_place_behind(t, i)) {
        const struct trie_edge *edge = &t->edges[i];

        if (edge->to == 0)
            return NULL;
        if (edge->key == key)
            return edge;
    }
}

#endif
