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
#include <stdint.h>

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

/* Does the list, or each of a combination, stand in the bytes from … to? */
bool words_stand(const struct words *w, const struct word_places *places, size_t id, size_t from,
                 size_t to);

/* Is there a mark that ends a clause or a sentence, or a bracket, at `at`? *ret_len: its bytes. */
enum words_stop { STOP_NONE, STOP_OPEN, STOP_CLOSE, STOP_CLAUSE, STOP_SENTENCE };
enum words_stop words_stop_at(const char *text, size_t len, size_t at, size_t *ret_len);

#endif
