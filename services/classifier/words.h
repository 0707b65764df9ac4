/*
 * words - finds what a text says: which of the policy's word lists occur in it, and are not denied.
 *
 *     "lists":    {"leak": ["泄露", "leaked", …], "customer": ["客户资料", …]}     a word of the list occurs
 *     "together": {"customer_leak": ["customer", "leak"]}                         each list has a word in one and the same sentence
 *     "plain":    ["unknown_number", …]                                           lists whose words no denial takes back
 *     "traditional": {"from": "國體…", "to": "国体…"}                             characters of `from` are read as those of `to` (words_normalise())
 *     "denial":   {"nothing_found": ["未发现", …], "not": ["未", "no", …], "ends": ["导致", …], "never": ["未授权", …], "after": ["风险", …], "reach": 10}
 *
 * Denial      A word does not count when a "nothing_found" or a "not" stands at most `reach` steps before it in the same clause (a step is a
 *             Chinese character or a Latin word), or an "after" word at most two steps behind it. An "ends" word between ends the reach of a "not"
 *             ("未打补丁导致感染"), but not of a "nothing_found". "never" words only look like a denial ("未授权", "无锡"). Brackets are a clause
 *             of their own, behind which the one around them goes on; "、" ends none.
 * Case        Latin letters without case, Latin words whole.
 * Files       words_load.c reads the lists, trie.c is the automaton, words.c scans, symbol.h has the marks.
 * Threads     struct words is immutable after words_load(): any thread.
 * Ownership   struct words borrows nothing. Hits name its words by number: they mean something to the same struct words only.
 * Bounds      WORD_IDS_MAX lists and combinations, WORDS_MAX words, WORD_MAX_BYTES each. Scanning allocates nothing and is linear in the text.
 * Errors      ERR_INPUT with the pointer of the place.
 */
#ifndef SERVICES_CLASSIFIER_WORDS_H
#define SERVICES_CLASSIFIER_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define WORD_IDS_MAX      192
#define WORDS_MAX         4096
#define WORD_MAX_BYTES    96
#define WORD_TOGETHER_MAX 3

struct words;

/* Lists and combinations, a bit for each. */
#define WORD_SET_BITS 64
struct word_set {
    uint64_t bits[WORD_IDS_MAX / WORD_SET_BITS];
};

/* What was found, and of each list and combination that was found its words, for words_explain(). */
struct word_hits {
    struct word_set found;
    uint16_t words[WORD_IDS_MAX][WORD_TOGETHER_MAX]; /* index; only of what was found */
};

/* Where the words of lists stand in a text, in its order; the first WORD_PLACES_MAX of them. */
#define WORD_PLACES_MAX 256
struct word_places {
    struct {
        uint32_t at; /* byte */
        uint16_t list;
    } places[WORD_PLACES_MAX];
    size_t n;
};

bool words_load(struct words **ret, json_t *source, struct err *err) MUST_CHECK;
void words_free(struct words *w);
DEFINE_AUTO(auto_words, struct words, words_free)

/* Lists and combinations by index 0 … words_count() - 1; NULL beyond. */
size_t words_count(const struct words *w);
const char *words_name(const struct words *w, size_t id);
bool words_find(const struct words *w, const char *name, size_t *ret_id);

/* The text with the characters that the lists are written in, as many bytes as it had, for words_scan() and figures_scan(). */
void words_normalise(const struct words *w, const char *text, size_t len, char *ret);

/* Adds what `text` (any bytes, UTF-8 expected) says to `hits`; a list that has a hit keeps its first. Sets `places` unless it is NULL. */
void words_scan(const struct words *w, const char *text, size_t len, struct word_hits *hits,
                struct word_places *places);

/* The words that a list or combination was found by; returns how many, 0: it was not found. */
size_t words_explain(const struct words *w, const struct word_hits *hits, size_t id,
                     const char *ret[WORD_TOGETHER_MAX]);

/* The lists that stand in the bytes from … to, and the combinations of which each does. `within`: what stands in bytes that these are a part of; NULL: not
 * known. */
void words_stand(const struct words *w, const struct word_places *places, size_t from, size_t to,
                 const struct word_set *within, struct word_set *ret);

static inline void word_set_add(struct word_set *set, size_t id)
{
    set->bits[id / WORD_SET_BITS] |= UINT64_C(1) << id % WORD_SET_BITS;
}

static inline bool word_set_has(const struct word_set *set, size_t id)
{
    return set->bits[id / WORD_SET_BITS] >> id % WORD_SET_BITS & 1;
}

/* Are all of `part` in the set? */
static inline bool word_set_covers(const struct word_set *set, const struct word_set *part)
{
    for (size_t i = 0; i < ARRAY_LEN(set->bits); i++)
        if (part->bits[i] & ~set->bits[i])
            return false;
    return true;
}

/* Is any of them in both? */
static inline bool word_set_meets(const struct word_set *a, const struct word_set *b)
{
    for (size_t i = 0; i < ARRAY_LEN(a->bits); i++)
        if (a->bits[i] & b->bits[i])
            return true;
    return false;
}

static inline bool words_found(const struct word_hits *hits, size_t id)
{
    return word_set_has(&hits->found, id);
}

#endif
