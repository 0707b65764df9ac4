/* utf8 - validity and length in characters of UTF-8 text (RFC 3629: no surrogates, no overlong
 * forms, at most U+10FFFF). Pure. */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Returns len when valid, else the index of the first byte of the first bad sequence. */
size_t utf8_valid_prefix(const char *text, size_t len);
bool utf8_valid(const char *text, size_t len);

/* Characters (code points) in valid UTF-8. */
size_t utf8_count(const char *text, size_t len);

/* The greatest number of bytes <= bytes_max that ends at a character's boundary. */
size_t utf8_cut(const char *text, size_t len, size_t bytes_max);

#endif
