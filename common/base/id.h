/*
 * id - the identifiers: random UUIDv7 for new things, derived UUIDv8 for everything that must
 * repeat when work repeats, and the reference that is read over a phone.
 *
 * Threads     All functions from any thread; a struct id_hash belongs to one.
 * Rule        A derived id is SHA-256 over a purpose string and tagged, length-prefixed fields
 *             (docs/architecture.md, "Ids"). Two ids are equal only when purpose, tags and values
 *             are. Never change a purpose or a tag: old ids would not repeat.
 */
#ifndef COMMON_BASE_ID_H
#define COMMON_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"

#define ID_TEXT_LEN        36
#define REFERENCE_TEXT_MAX 17 /* "TB-" + 12 digits + check character + NUL */

struct id {
    char text[ID_TEXT_LEN + 1]; /* lower case, canonical; "" = none */
};

/* RFC 9562 version 7: each is greater than all that this process made before. */
void id_new(struct id *ret);

/* True for 36 characters of a lower-case UUID of any version. */
bool id_valid(const char *text, size_t len);
bool id_set(struct id *ret, const char *text, size_t len); /* false, and ret untouched: not valid */
static inline bool id_is_set(const struct id *id)
{
    return id->text[0] != '\0';
}

/* Derivation: begin, any number of fields in a fixed order, end. */
struct id_hash {
    struct sha256 h;
};
void id_derive(struct id_hash *d, const char *purpose);
void id_derive_bytes(struct id_hash *d, const char *tag, const void *data, size_t len);
void id_derive_text(struct id_hash *d, const char *tag,
                    const char *text); /* NULL: absent, not "" */
void id_derive_int(struct id_hash *d, const char *tag, int64_t value);
void id_derive_end(struct id_hash *d, struct id *ret);

/* The reference of an incident: "TB-" and 12 Crockford base-32 digits of its first 60 free bits
 * (the version nibble is skipped), and a check character over them (modulo 37, Crockford: it
 * catches every single wrong character). `incident_id` is set. */
void reference_of(char ret[REFERENCE_TEXT_MAX], const struct id *incident_id);

/* Reads a reference as people write it (small letters, O for 0, I or L for 1, spaces and hyphens
 * anywhere or nowhere) into its canonical form. False: wrong length, alphabet or check
 * character. */
bool reference_parse(char ret[REFERENCE_TEXT_MAX], const char *text);

#endif
