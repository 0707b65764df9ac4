/*
 * symbol - a text as the scans step over it, symbol by symbol, and the marks among them that end a clause or a sentence. Pure.
 *
 * A symbol is an ASCII byte (letters without case), a character of three bytes (nearly all Chinese ones, by its number), or any other byte alone.
 * So any bytes are a text, and equal texts have equal symbols.
 *
 * Threads     Any. Bounds: reads no further than the text.
 */
#ifndef SERVICES_CLASSIFIER_SYMBOL_H
#define SERVICES_CLASSIFIER_SYMBOL_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/ascii.h"

/* The symbol at `at` < len; returns its bytes, 1 or 3. */
static inline size_t symbol_at(const char *text, size_t len, size_t at, uint16_t *ret)
{
    uint32_t c = 0, wide;

    if (len - at >= sizeof(c))
        memcpy(&c, text + at, sizeof(c));
    else
        for (size_t i = 0; i < len - at; i++)
            ((char *)&c)[i] = text[at + i];
    c = le32toh(c);
    if ((c & 0xC0C0F0) == 0x8080E0) {
        wide = (c & 0x0F) << 12 | (c >> 2 & 0x0FC0) | (c >> 16 & 0x3F);
        if (wide >= 0x800) { /* less is overlong, and would be taken for a byte */
            *ret = (uint16_t)wide;
            return 3;
        }
    }
    *ret = (unsigned char)ascii_lower(text[at]);
    return 1;
}

/* A byte that no character begins with. */
static inline bool symbol_is_rest(uint16_t symbol)
{
    return symbol >= 0x80 && symbol < 0xC0;
}

static inline bool symbol_is_latin(uint16_t symbol)
{
    return symbol < 0x80 && ascii_is_alnum((char)symbol);
}

enum mark { MARK_NONE, MARK_OPEN, MARK_CLOSE, MARK_CLAUSE, MARK_SENTENCE };

/* The mark that the symbol is: the end of a clause or a sentence, or a bracket. "1,000", "15:23" and "setup.exe" have none; "、" is none, for
 * "未发现篡改、泄露" denies both. */
static inline enum mark mark_of(uint16_t symbol, bool latin_follows)
{
    if (symbol > 0x3011 && symbol < 0xFF01) /* nearly all Chinese ones */
        return MARK_NONE;
    switch (symbol) {
    case '\n':
    case '!':
    case '?':
    case ';':
    case L'。':
    case 0xFF01: /* full-width ! ; ? */
    case 0xFF1B:
    case 0xFF1F:
        return MARK_SENTENCE;
    case '.':
        return latin_follows ? MARK_NONE : MARK_SENTENCE;
    case ',':
    case ':':
        return latin_follows ? MARK_NONE : MARK_CLAUSE;
    case 0xFF0C: /* full-width , : */
    case 0xFF1A:
        return MARK_CLAUSE;
    case '(':
    case '[':
    case L'【':
    case 0xFF08:
        return MARK_OPEN;
    case ')':
    case ']':
    case L'】':
    case 0xFF09:
        return MARK_CLOSE;
    default:
        return MARK_NONE;
    }
}

/* Is a mark at `at`? Sets the symbol there and its bytes. */
static inline enum mark mark_at(const char *text, size_t len, size_t at, uint16_t *ret_symbol,
                                size_t *ret_n)
{
    *ret_n = symbol_at(text, len, at, ret_symbol);
    if (*ret_n > 1)
        return mark_of(*ret_symbol, false);
    return mark_of(*ret_symbol, at + 1 < len && ascii_is_alnum(text[at + 1]));
}

#endif
