/*
 * hash - SHA-256 and HMAC-SHA-256 through OpenSSL, hex, random bytes, constant-time compare.
 *
 * Threads     A struct sha256 belongs to one thread; the algorithm is fetched once per process.
 * Errors      None to return: OpenSSL failing at SHA-256 aborts the process (nothing can be proved
 *             without it).
 */
#ifndef COMMON_BASE_HASH_H
#define COMMON_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN     32
#define SHA256_HEX_MAX 65

struct sha256 {
    void *ctx; /* EVP_MD_CTX */
};

void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t len);
void sha256_end(struct sha256 *h, uint8_t ret_digest[SHA256_LEN]); /* releases ctx */
void sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_LEN]);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret_digest[SHA256_LEN]);

void hex_encode(char *ret_text, const uint8_t *data, size_t len); /* writes 2*len + NUL */
bool hex_decode(uint8_t *ret_data, size_t len, const char *text); /* exactly 2*len digits */

void random_bytes(void *ret, size_t len); /* from the kernel; aborts when there are none */
bool bytes_equal(const void *a, const void *b, size_t len); /* constant time */

#endif
