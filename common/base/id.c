#include "common/base/id.h"

#include <stdatomic.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/clock.h"

/* What is hashed, for those who derive the same ids elsewhere (len = 8 bytes, highest first):
 *
 *     id     = len(purpose) purpose field…
 *     field  = len(tag) tag kind value
 *     kind   = 'b': len(value) value     'i': 8 bytes, two's complement     '-': absent, nothing
 *
 * Each length stands before what it measures, so no two lists of fields give the same bytes. The id
 * is the first 16 bytes of the digest with version 8 and the variant of RFC 9562 put in. */

static void put_be64(uint8_t to[8], uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)value;
}

static void add_measured(struct id_hash *d, const void *data, size_t len)
{
    uint8_t be[8];

    put_be64(be, len);
    sha256_add(&d->h, be, sizeof(be));
    sha256_add(&d->h, data, len);
}

static void add_tag(struct id_hash *d, const char *tag, char kind)
{
    add_measured(d, tag, strlen(tag));
    sha256_add(&d->h, &kind, 1);
}

static void put_id(struct id *ret, const uint8_t bytes[16])
{
    char hex[33];

    hex_encode(hex, bytes, 16);
    memcpy(ret->text, hex, 8);
    memcpy(ret->text + 9, hex + 8, 4);
    memcpy(ret->text + 14, hex + 12, 4);
    memcpy(ret->text + 19, hex + 16, 4);
    memcpy(ret->text + 24, hex + 20, 12);
    ret->text[8] = ret->text[13] = ret->text[18] = ret->text[23] = '-';
    ret->text[ID_TEXT_LEN] = '\0';
}

static void mark(uint8_t bytes[16], int version)
{
    bytes[6] = (uint8_t)((bytes[6] & 0x0F) | version << 4);
    bytes[8] = (uint8_t)((bytes[8] & 0x3F) | 0x80);
}

/* The 12 bits behind the milliseconds begin at random in the lower half of their range and then
 * count: an id is greater than all that this process made before it, also when the clock steps
 * back. */
void id_new(struct id *ret)
{
    static _Atomic uint64_t last;
    uint64_t before = atomic_load(&last), stamp;
    uint8_t bytes[16], be[8];

    random_bytes(bytes, sizeof(bytes));
    do {
        stamp = (uint64_t)clock_wall_ms() << 12 | (uint64_t)(bytes[6] & 0x07) << 8 | bytes[7];
        if (stamp <= before)
            stamp = before + 1;
    } while (!atomic_compare_exchange_weak(&last, &before, stamp));
    put_be64(be, stamp << 4);
    memcpy(bytes, be, 6);
    bytes[6] = be[6] >> 4;
    bytes[7] = (uint8_t)(be[6] << 4 | be[7] >> 4);
    mark(bytes, 7);
    put_id(ret, bytes);
}

bool id_valid(const char *text, size_t len)
{
    if (len != ID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < ID_TEXT_LEN; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

        if (is_hyphen ? text[i] != '-' : !is_hex)
            return false;
    }
    return true;
}

bool id_set(struct id *ret, const char *text, size_t len)
{
    if (!id_valid(text, len))
        return false;
    memcpy(ret->text, text, ID_TEXT_LEN);
    ret->text[ID_TEXT_LEN] = '\0';
    return true;
}

void id_derive(struct id_hash *d, const char *purpose)
{
    sha256_begin(&d->h);
    add_measured(d, purpose, strlen(purpose));
}

void id_derive_bytes(struct id_hash *d, const char *tag, const void *data, size_t len)
{
    add_tag(d, tag, 'b');
    add_measured(d, data, len);
}

void id_derive_text(struct id_hash *d, const char *tag, const char *text)
{
    if (text)
        id_derive_bytes(d, tag, text, strlen(text));
    else
        add_tag(d, tag, '-');
}

void id_derive_int(struct id_hash *d, const char *tag, int64_t value)
{
    uint8_t be[8];

    put_be64(be, (uint64_t)value);
    add_tag(d, tag, 'i');
    sha256_add(&d->h, be, sizeof(be));
}

void id_derive_end(struct id_hash *d, struct id *ret)
{
    uint8_t digest[SHA256_LEN];

    sha256_end(&d->h, digest);
    mark(digest, 8);
    put_id(ret, digest);
}

/* Crockford's digits, and behind them the five that only a check character can be. */
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

enum { REFERENCE_DIGITS = 12, CHECK_MODULO = 37 };

static void put_reference(char ret[REFERENCE_TEXT_MAX], uint64_t bits)
{
    memcpy(ret, "TB-", 3);
    for (int i = 0; i < REFERENCE_DIGITS; i++)
        ret[3 + i] = alphabet[bits >> (5 * (REFERENCE_DIGITS - 1 - i)) & 31];
    ret[3 + REFERENCE_DIGITS] = alphabet[bits % CHECK_MODULO];
    ret[4 + REFERENCE_DIGITS] = '\0';
}

void reference_of(char ret[REFERENCE_TEXT_MAX], const struct id *incident_id)
{
    uint64_t bits = 0;

    for (int i = 0; i < 18; i++) {
        char c = incident_id->text[i];

        if (i != 8 && i != 13 && i != 14) /* two hyphens and the version */
            bits = bits << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    put_reference(ret, bits);
}

/* The place in the alphabet of a character as people write it, or -1. */
static int digit_of(char c)
{
    const char *at;

    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool reference_parse(char ret[REFERENCE_TEXT_MAX], const char *text)
{
    int digits[REFERENCE_DIGITS + 3]; /* "TB", the digits, the check character */
    uint64_t bits = 0;
    size_t n = 0;

    for (; *text; text++) {
        if (*text == ' ' || *text == '-')
            continue;
        if (n == ARRAY_LEN(digits))
            return false;
        digits[n] = digit_of(*text);
        if (digits[n++] < 0)
            return false;
    }
    if (n != ARRAY_LEN(digits) || digits[0] != digit_of('T') || digits[1] != digit_of('B'))
        return false;
    for (int i = 0; i < REFERENCE_DIGITS; i++) {
        if (digits[2 + i] > 31)
            return false;
        bits = bits << 5 | (uint64_t)digits[2 + i];
    }
    if ((int)(bits % CHECK_MODULO) != digits[2 + REFERENCE_DIGITS])
        return false;
    put_reference(ret, bits);
    return true;
}
