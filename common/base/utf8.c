#include "common/base/utf8.h"

#include <stdint.h>
#include <string.h>

/* Eight bytes at once: most text is ASCII, and every text that comes or goes is looked at. */
#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS (ONES * 0x80)

static uint64_t eight(const void *p)
{
    uint64_t bytes;

    memcpy(&bytes, p, sizeof(bytes));
    return bytes;
}

/* Bytes of the sequence that begins at p, 0 when it is not valid. The second byte's range is what
 * keeps out overlong forms (E0, F0), surrogates (ED) and what lies above U+10FFFF (F4). */
static size_t sequence_len(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xBF;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    n = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (left < n)
        return 0;
    if (p[0] == 0xE0)
        low = 0xA0;
    else if (p[0] == 0xED)
        high = 0x9F;
    else if (p[0] == 0xF0)
        low = 0x90;
    else if (p[0] == 0xF4)
        high = 0x8F;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

size_t utf8_valid_prefix(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t at = 0;

    while (at < len) {
        size_t n;

        if (len - at >= 8 && !(eight(p + at) & HIGHS)) {
            at += 8;
            continue;
        }
        n = sequence_len(p + at, len - at);
        if (n == 0)
            return at;
        at += n;
    }
    return len;
}

bool utf8_valid(const char *text, size_t len)
{
    return utf8_valid_prefix(text, len) == len;
}

size_t utf8_count(const char *text, size_t len)
{
    size_t i = 0, n = len; /* less the bytes 10xxxxxx, which go on with a character */

    for (; len - i >= 8; i += 8) {
        uint64_t bytes = eight(text + i);

        n -= (size_t)__builtin_popcountll(bytes >> 7 & ~(bytes >> 6) & ONES);
    }
    for (; i < len; i++)
        n -= ((uint8_t)text[i] & 0xC0) == 0x80;
    return n;
}

size_t utf8_cut(const char *text, size_t len, size_t bytes_max)
{
    size_t at = bytes_max;

    if (len <= bytes_max)
        return len;
    while (at > 0 && ((uint8_t)text[at] & 0xC0) == 0x80)
        at--;
    return at;
}
