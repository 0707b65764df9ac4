#include "common/base/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"

static EVP_MD *algorithm; /* set once; looking it up for every hash would cost more than the hash */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    log_plain(LOG_ERROR, what);
    abort();
}

static void fetch(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(algorithm, "OpenSSL has no SHA-256");
}

static const EVP_MD *sha256_md(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, fetch);
    return algorithm;
}

void sha256_begin(struct sha256 *h)
{
    h->ctx = EVP_MD_CTX_new();
    must(h->ctx && EVP_DigestInit_ex(h->ctx, sha256_md(), NULL), "SHA-256 does not begin");
}

void sha256_add(struct sha256 *h, const void *data, size_t len)
{
    must(len == 0 || EVP_DigestUpdate(h->ctx, data, len), "SHA-256 does not go on");
}

void sha256_end(struct sha256 *h, uint8_t ret_digest[SHA256_LEN])
{
    must(EVP_DigestFinal_ex(h->ctx, ret_digest, NULL), "SHA-256 does not end");
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_LEN])
{
    struct sha256 h;

    sha256_begin(&h);
    sha256_add(&h, data, len);
    sha256_end(&h, ret_digest);
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret_digest[SHA256_LEN])
{
    const void *text = len > 0 ? data : ""; /* it takes a NULL key, but no NULL data */

    must(HMAC(sha256_md(), key, (int)key_len, text, len, ret_digest, NULL), "HMAC-SHA-256 failed");
}

void hex_encode(char *ret_text, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        ret_text[2 * i] = digits[data[i] >> 4];
        ret_text[2 * i + 1] = digits[data[i] & 15];
    }
    ret_text[2 * len] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(uint8_t *ret_data, size_t len, const char *text)
{
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < 2 * len; i++)
        if (hex_value(text[i]) < 0)
            return false;
    for (size_t i = 0; i < len; i++)
        ret_data[i] = (uint8_t)(hex_value(text[2 * i]) * 16 + hex_value(text[2 * i + 1]));
    return true;
}

void random_bytes(void *ret, size_t len)
{
    uint8_t *to = ret;

    while (len > 0) {
        ssize_t n = getrandom(to, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        must(n > 0, "the kernel gives no random bytes");
        to += n;
        len -= (size_t)n;
    }
}

bool bytes_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
