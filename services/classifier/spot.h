/*
 * spot - what stands at a place of a text: words of a few, blanks, the next word. Latin letters without case, Latin words whole. Pure.
 *
 * Threads     Any. Bounds: reads no further than the text.
 */
#ifndef SERVICES_CLASSIFIER_SPOT_H
#define SERVICES_CLASSIFIER_SPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/base/ascii.h"
#include "services/classifier/symbol.h"

/* Does the word (n > 0 bytes) begin at `at`? One that ends in a letter must end there. */
static inline bool spot_begins(const char *text, size_t len, size_t at, const char *word, size_t n)
{
    if (at >= len || n > len - at || ascii_lower(text[at]) != ascii_lower(word[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if (ascii_lower(text[at + i]) != ascii_lower(word[i]))
            return false;
    return !ascii_is_letter(word[n - 1]) || at + n == len || !ascii_is_letter(text[at + n]);
}

/* Does it end at `at`, as a whole word? */
static inline bool spot_ends(const char *text, size_t len, size_t at, const char *word, size_t n)
{
    return n <= at && spot_begins(text, len, at - n, word, n) &&
           (!ascii_is_letter(word[0]) || at == n || !ascii_is_letter(text[at - n - 1]));
}

/* The same of a word in lower case, which most places do not begin with. */
static inline bool spot_has(const char *text, size_t len, size_t at, const char *word)
{
    return at < len && ascii_lower(text[at]) == word[0] &&
           spot_begins(text, len, at, word, strlen(word));
}

static inline size_t spot_skip_blanks(const char *text, size_t len, size_t at)
{
    while (at < len && text[at] == ' ')
        at++;
    return at;
}

static inline size_t spot_skip_back(const char *text, size_t at)
{
    while (at > 0 && text[at - 1] == ' ')
        at--;
    return at;
}

/* One character or one Latin word on, and the blanks behind it; the end of the text or a mark: no further. */
static inline bool spot_step(const char *text, size_t len, size_t *at)
{
    size_t i = *at, n;
    uint16_t symbol;

    if (i >= len || mark_at(text, len, i, &symbol, &n) != MARK_NONE)
        return false;
    if (ascii_is_alnum(text[i]))
        while (i < len && ascii_is_alnum(text[i]))
            i++;
    else
        do
            i++;
        while (i < len && ((unsigned char)text[i] & 0xC0) == 0x80);
    *at = spot_skip_blanks(text, len, i);
    return true;
}

#endif
