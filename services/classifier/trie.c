#include "services/classifier/trie.h"

#include <stdlib.h>

#include "services/classifier/symbol.h"

#define BITS_AT_FIRST 6

bool trie_init(struct trie *t, struct err *err)
{
    *t = (struct trie){.bits = BITS_AT_FIRST, .nodes_n = 1};
    t->edges = calloc((size_t)1 << t->bits, sizeof(*t->edges));
    return t->edges || err_memory(err);
}

void trie_done(struct trie *t)
{
    free(t->edges);
    t->edges = NULL;
}

/* Where the edge with the key is, or would be. */
static struct trie_edge *find(const struct trie *t, uint32_t key)
{
    size_t i = trie_place(t, key);

    while (t->edges[i].to != 0 && t->edges[i].key != key)
        i = trie_place_behind(t, i);
    return &t->edges[i];
}

static bool grow(struct trie *t, struct err *err)
{
    struct trie more = {.bits = t->bits + 1, .nodes_n = t->nodes_n};

    more.edges = calloc((size_t)1 << more.bits, sizeof(*more.edges));
    if (!more.edges)
        return err_memory(err);
    for (size_t i = 0; i < (size_t)1 << t->bits; i++)
        if (t->edges[i].to != 0)
            *find(&more, t->edges[i].key) = t->edges[i];
    free(t->edges);
    *t = more;
    return true;
}

/* The way on, made when there is none. */
static struct trie_edge *way_on(struct trie *t, uint16_t node, uint16_t symbol, struct err *err)
{
    uint32_t key = trie_key(node, symbol);
    struct trie_edge *edge = find(t, key);

    if (edge->to != 0)
        return edge;
    if (t->nodes_n == TRIE_NODES_MAX) {
        err_set(err, ERR_CONFIG, "too many words");
        return NULL;
    }
    if (2 * t->nodes_n >= (size_t)1 << t->bits) {
        if (!grow(t, err))
            return NULL;
        edge = find(t, key);
    }
    *edge = (struct trie_edge){.key = key, .to = (uint16_t)t->nodes_n++};
    return edge;
}

uint16_t *trie_add(struct trie *t, const char *word, size_t len, struct err *err)
{
    struct trie_edge *edge = NULL;
    uint16_t node = TRIE_ROOT, symbol;

    for (size_t at = 0; at < len; node = edge->to) {
        at += symbol_at(word, len, at, &symbol);
        edge = way_on(t, node, symbol, err);
        if (!edge)
            return NULL;
    }
    return edge ? &edge->value : NULL;
}
