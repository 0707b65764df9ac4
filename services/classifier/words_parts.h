/* words_parts - what words_load.c builds and words.c reads; for these two only. */
#ifndef SERVICES_CLASSIFIER_WORDS_PARTS_H
#define SERVICES_CLASSIFIER_WORDS_PARTS_H

#include "services/classifier/trie.h"
#include "services/classifier/words.h"

#define WORDS_NAME_MAX_BYTES 48

/* What a word in the trie is: of list n, or one of these. */
enum word_kind {
    KIND_NOTHING_FOUND = WORD_IDS_MAX,
    KIND_NOT,
    KIND_ENDS,
    KIND_NEVER,
    KIND_AFTER, /* these in a trie of their own: they are looked for behind a word only */
};

struct word {
    uint16_t kind;
    uint16_t next; /* another word with the same text, index + 1; 0: none */
    uint8_t len;
    uint8_t steps; /* Chinese characters and Latin words */
    char text[WORD_MAX_BYTES + 1];
};

struct words {
    char names[WORD_IDS_MAX][WORDS_NAME_MAX_BYTES];
    size_t lists_n, ids_n; /* combinations follow the lists */
    uint16_t together[WORD_IDS_MAX][WORD_TOGETHER_MAX];
    size_t together_n[WORD_IDS_MAX];
    struct word_set together_of[WORD_IDS_MAX]; /* the same as a set */
    struct word_set combinations;              /* lists_n … ids_n - 1 */
    bool is_plain[WORD_IDS_MAX];               /* no denial counts */
    long reach;
    uint16_t *simplified; /* of each character of three bytes; 0: itself */
    struct word *words;
    size_t words_n;
    struct trie trie, after; /* values: index of a word + 1 */
};

/* How many Chinese characters and Latin words the text is. */
long words_steps(const char *text, size_t len);

#endif
