#include "common/base/hash.h"

#include "tests/support/test.h"

/* FIPS 180-4 (NIST's examples). `repeat` copies of `text`. */
static const struct sha_row {
    const char *name, *text;
    size_t repeat;
    const char *want;
} sha_rows[] = {
    {"empty", "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"a million a", "a", 1000000,
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static void sha256_vector(void **state)
{
    const struct sha_row *row = *state;
    uint8_t digest[SHA256_LEN];
    char hex[SHA256_HEX_MAX];
    struct sha256 h;

    sha256_begin(&h);
    for (size_t i = 0; i < row->repeat; i++)
        sha256_add(&h, row->text, strlen(row->text));
    sha256_end(&h, digest);
    assert_null(h.ctx);
    hex_encode(hex, digest, sizeof(digest));
    assert_string_equal(hex, row->want);
    if (row->repeat == 1) {
        memset(digest, 0, sizeof(digest));
        sha256(row->text, strlen(row->text), digest);
        hex_encode(hex, digest, sizeof(digest));
        assert_string_equal(hex, row->want);
    }
}

/* RFC 4231. Keys and data in hex; test case 5 (a truncated digest) does not concern us. */
static const struct hmac_row {
    const char *name, *key, *data, *want;
} hmac_rows[] = {
    {"case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"case 2", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"case 3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
     "dddddddddddddddddddddddddddddddddddd",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {"case 6, a key longer than a block",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
     "65204b6579202d2048617368204b6579204669727374",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"empty key and data", "", "",
     "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static size_t from_hex(uint8_t *to, size_t max, const char *hex)
{
    size_t len = strlen(hex) / 2;

    assert_true(len <= max);
    assert_true(hex_decode(to, len, hex));
    return len;
}

static void hmac_vector(void **state)
{
    const struct hmac_row *row = *state;
    uint8_t key[200], data[200], digest[SHA256_LEN];
    size_t key_len = from_hex(key, sizeof(key), row->key);
    size_t len = from_hex(data, sizeof(data), row->data);
    char hex[SHA256_HEX_MAX];

    hmac_sha256(key_len ? key : NULL, key_len, len ? data : NULL, len, digest);
    hex_encode(hex, digest, sizeof(digest));
    assert_string_equal(hex, row->want);
}

static const struct hex_row {
    const char *name, *text;
    size_t len;
    bool ok;
} hex_rows[] = {
    {"capitals and small letters", "00fFaB9c", 4, true},
    {"nothing", "", 0, true},
    {"too short", "00ff", 3, false},
    {"too long", "00ff00", 2, false},
    {"odd", "00f", 1, false},
    {"a letter behind f", "0g", 1, false},
    {"a slash, before 0", "/0", 1, false},
    {"a colon, behind 9", "0:", 1, false},
    {"a blank", " 0", 1, false},
    {"a sign", "-1", 1, false},
};

static void hex_is_strict(void **state)
{
    const struct hex_row *row = *state;
    uint8_t data[8], before[8];
    char back[17];

    memset(data, 0x5A, sizeof(data));
    memcpy(before, data, sizeof(data));
    assert_int_equal(hex_decode(data, row->len, row->text), row->ok);
    if (row->ok) {
        hex_encode(back, data, row->len);
        for (size_t i = 0; i <= 2 * row->len; i++) /* "back" is in small letters */
            assert_int_equal(back[i], row->text[i] >= 'A' && row->text[i] <= 'F' ? row->text[i] + 32
                                                                                 : row->text[i]);
    }
    assert_memory_equal(data + (row->ok ? row->len : 0), before + (row->ok ? row->len : 0),
                        sizeof(data) - (row->ok ? row->len : 0));
}

static void random_differs(void **state)
{
    uint8_t a[1000] = {0}, b[1000] = {0};
    unsigned ones = 0;

    (void)state;
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        ones += (unsigned)__builtin_popcount(a[i]);
    assert_in_range(ones, 3600, 4400); /* 4000, and nine standard deviations */
    random_bytes(a, 0);
}

static void equal_compares_all_bytes(void **state)
{
    uint8_t a[33] = {0}, b[33] = {0};

    (void)state;
    assert_true(bytes_equal(a, b, 32));
    assert_true(bytes_equal(a, b, 0));
    for (size_t i = 0; i < 33; i++) {
        b[i] = 1;
        assert_int_equal(bytes_equal(a, b, 32), i == 32);
        b[i] = 0;
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, sha_rows, sha256_vector);
    TEST_ADD_ROWS(&list, hmac_rows, hmac_vector);
    TEST_ADD_ROWS(&list, hex_rows, hex_is_strict);
    TEST_ADD(&list, random_differs);
    TEST_ADD(&list, equal_compares_all_bytes);
    return test_run("hash", &list);
}
