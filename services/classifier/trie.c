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
    struct trie_edge *old = t->edges;
    size_t old_n = (size_t)1 << t->bits;

    t->edges = calloc(2 * old_n, sizeof(*t->edges));
    if (!t->edges) {
        t->edges = old;
        return err_memory(err);
    }
    t->bits++;
    for (size_t i = 0; i < old_n; i++)
        if (old[i].to != 0)
            *find(t, old[i].key) = old[i];
    free(old);
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

static void add_pair(struct trie *t, const char *word, size_t len)
{
    uint16_t first, second = 0;
    size_t n = symbol_at(word, len, 0, &first);
    uint32_t pair;

    if (n < len)
        (void)symbol_at(word, len, n, &second);
    pair = trie_pair(first, second);
    t->pairs[pair / 64] |= UINT64_C(1) << pair % 64;
}

uint16_t *trie_add(struct trie *t, const char *word, size_t len, struct err *err)
{
    struct trie_edge *edge;
    uint16_t node = TRIE_ROOT, symbol;
    size_t at = 0;

    add_pair(t, word, len);
    do {
        at += symbol_at(word, len, at, &symbol);
        edge = way_on(t, node, symbol, err);
        if (!edge)
            return NULL;
        node = edge->to;
    } while (at < len);
    return &edge->value;
}
