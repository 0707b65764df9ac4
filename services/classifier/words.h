/*
 * words - finds what a text says: which of the policy's word lists occur in it, and are not denied.
 *
 *     "lists":    {"leak": ["泄露", "leaked", …], "customer": ["客户资料", …]}     a word of the list occurs
 *     "together": {"customer_leak": ["customer", "leak"]}                         each list has a word in one and the same sentence
 *     "denial":   {"nothing_found": ["未发现", …], "not": ["未", "no", …], "ends": ["导致", …], "never": ["未授权", …], "after": ["风险", …], "reach": 10}
 *
 * Denial      A word does not count when a "nothing_found" or a "not" stands at most `reach` steps before it in the same clause (a step is a
 *             Chinese character or a Latin word), or an "after" word at most two steps behind it. An "ends" word between ends the reach of a "not"
 *             ("未打补丁导致感染"), but not of a "nothing_found". "never" words only look like a denial ("未授权", "无锡"). Brackets are a clause
 *             of their own, behind which the one around them goes on; "、" ends none.
 * Case        Latin letters without case, Latin words whole.
 * Threads     struct words is immutable after words_load(): any thread.
 * Ownership   Hits borrow the words of struct words, which borrows nothing.
 * Bounds      WORD_IDS_MAX lists and combinations, WORDS_MAX words, WORD_MAX_BYTES each. Scanning allocates nothing and is linear in the text.
 * Errors      ERR_CONFIG with the place.
 */
#ifndef SERVICES_CLASSIFIER_WORDS_H
#define SERVICES_CLASSIFIER_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define WORD_IDS_MAX      192
#define WORDS_MAX         4096
#define WORD_MAX_BYTES    96
#define WORD_TOGETHER_MAX 3

struct words;

/* The words that were found for one list or combination; n = 0: none. */
struct word_hit {
    const char *words[WORD_TOGETHER_MAX];
    size_t n;
};
struct word_hits {
    struct word_hit hits[WORD_IDS_MAX];
};

bool words_load(struct words **ret, json_t *source, struct err *err) MUST_CHECK;
void words_free(struct words *w);
DEFINE_AUTO(auto_words, struct words, words_free)

/* Lists and combinations by index 0 … words_count() - 1; NULL beyond. */
size_t words_count(const struct words *w);
const char *words_name(const struct words *w, size_t id);
bool words_known(const struct words *w, const char *name);

/* Adds what `text` (any bytes, UTF-8 expected) says to `hits`; a list that has a hit keeps its first. */
void words_scan(const struct words *w, const char *text, size_t len, struct word_hits *hits);

#endif
