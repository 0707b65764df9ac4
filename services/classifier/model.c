#include "services/classifier/model.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ascii.h"

#define MAGIC "TBMODEL1"

struct text_model {
    float bias[MODEL_CATEGORIES], scale[MODEL_CATEGORIES];
    int8_t weights[MODEL_BUCKETS][MODEL_CATEGORIES];
};

void text_model_free(struct text_model *m)
{
    free(m);
}

/* --- n-grams --- */

/* One character as the model sees it: its bytes; returns how many of the text it takes. */
struct character {
    unsigned char bytes[4];
    size_t n;
};

static inline size_t character(const char *text, size_t len, size_t at, struct character *ret)
{
    unsigned char c = (unsigned char)text[at];
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

    ret->n = n < len - at ? n : len - at;
    for (size_t i = 0; i < ret->n; i++)
        ret->bytes[i] = (unsigned char)text[at + i];
    if (ascii_is_digit(text[at]))
        ret->bytes[0] = '0';
    else if (c == '\n' || c == '\t' || c == '\r')
        ret->bytes[0] = ' ';
    else
        ret->bytes[0] = (unsigned char)ascii_lower(text[at]);
    return at + ret->n;
}

/* FNV-1a, mixed once more. */
static inline uint32_t absorb(uint32_t h, const struct character *c)
{
    for (size_t i = 0; i < c->n; i++)
        h = (h ^ c->bytes[i]) * UINT32_C(16777619);
    return h;
}

static inline size_t bucket_of(uint32_t h)
{
    h ^= h >> 15;
    h *= UINT32_C(0x85EBCA6B);
    return (h ^ h >> 16) % MODEL_BUCKETS;
}

/* In the caller, so that fn is no call where it is known. Each character is read once: the window has it and those behind it. */
static inline __attribute__((always_inline)) size_t each_gram(const char *text, size_t len,
                                                              model_gram_fn *fn, void *ctx)
{
    struct character window[MODEL_GRAM_MAX];
    size_t grams = 0, at = 0, n = 0;

    if (len > MODEL_TEXT_BYTES_MAX)
        len = MODEL_TEXT_BYTES_MAX;
    for (size_t first = 0;; first++, n--) {
        uint32_t h = UINT32_C(2166136261);

        for (; n < MODEL_GRAM_MAX && at < len; n++)
            at = character(text, len, at, &window[(first + n) % MODEL_GRAM_MAX]);
        if (n == 0)
            return grams;
        for (size_t i = 0; i < n; i++) {
            h = absorb(h, &window[(first + i) % MODEL_GRAM_MAX]);
            fn(ctx, bucket_of(h));
        }
        grams += n;
    }
}

size_t model_grams(const char *text, size_t len, model_gram_fn *fn, void *ctx)
{
    return each_gram(text, len, fn, ctx);
}

/* --- reading --- */

struct sum {
    const struct text_model *model;
    int32_t of
        [MODEL_CATEGORIES]; /* 127 each of at most MODEL_GRAM_MAX * MODEL_TEXT_BYTES_MAX n-grams: far below its end */
};

static inline void add_gram(void *ctx, size_t bucket)
{
    struct sum *sum = ctx;

    for (size_t c = 0; c < MODEL_CATEGORIES; c++)
        sum->of[c] += sum->model->weights[bucket][c];
}

/* Each category against the others, then made to add up to 1: as it was trained. */
void model_read(const struct text_model *m, const char *text, size_t len, struct model_answer *ret)
{
    struct sum sum = {.model = m};
    double norm = sqrt((double)each_gram(text, len, add_gram, &sum)), total = 0;

    for (size_t c = 0; c < MODEL_CATEGORIES; c++) {
        double x =
            (double)m->bias[c] + (norm > 0 ? (double)m->scale[c] * (double)sum.of[c] / norm : 0);

        ret->probability[c] = 1 / (1 + exp(-x));
        total += ret->probability[c];
    }
    for (size_t c = 0; c < MODEL_CATEGORIES; c++)
        ret->probability[c] /= total;
}

/* --- the file --- */

static float get_float(const unsigned char **at)
{
    uint32_t bits;
    float ret;

    memcpy(&bits, *at, sizeof(bits));
    bits = le32toh(bits);
    memcpy(&ret, &bits, sizeof(ret));
    *at += sizeof(bits);
    return ret;
}

static uint32_t get_number(const unsigned char **at)
{
    uint32_t ret;

    memcpy(&ret, *at, sizeof(ret));
    *at += sizeof(ret);
    return le32toh(ret);
}

bool text_model_load(struct text_model **ret, const void *file, size_t len, struct err *err)
{
    AUTO(auto_text_model) struct text_model *m = calloc(1, sizeof(*m));
    const unsigned char *at = file;

    if (!m)
        return err_memory(err);
    if (len != MODEL_FILE_BYTES || memcmp(at, MAGIC, 8) != 0)
        return err_set(
            err, ERR_CONFIG,
            "is no text model of this version (%zu bytes, not %zu): remove it, then train it with "
            "`tongbao model train`",
            len, (size_t)MODEL_FILE_BYTES);
    at += 8;
    if (get_number(&at) != MODEL_BUCKETS || get_number(&at) != MODEL_CATEGORIES)
        return err_set(err, ERR_CONFIG,
                       "is a text model of other dimensions: remove it, then train it with "
                       "`tongbao model train`");
    for (size_t c = 0; c < MODEL_CATEGORIES; c++) {
        m->bias[c] = get_float(&at);
        m->scale[c] = get_float(&at);
        if (!isfinite(m->bias[c]) || !isfinite(m->scale[c]))
            return err_set(err, ERR_CONFIG, "has a weight that is no number");
    }
    memcpy(m->weights, at, sizeof(m->weights));
    *ret = TAKE(m);
    return true;
}

static void put_number(struct buf *ret, uint32_t value)
{
    value = htole32(value);
    buf_add(ret, &value, sizeof(value));
}

static void put_float(struct buf *ret, double value)
{
    float number = (float)value;
    uint32_t bits;

    memcpy(&bits, &number, sizeof(bits));
    put_number(ret, bits);
}

/* The largest weight of a category becomes 127. */
static double scale_of(const struct model_weights *w, size_t c)
{
    double most = 0;

    for (size_t b = 0; b < MODEL_BUCKETS; b++)
        most = fmax(most, fabs(w->weights[b][c]));
    return most > 0 ? most / 127 : 1;
}

bool model_write(const struct model_weights *w, struct buf *ret, struct err *err)
{
    double scale[MODEL_CATEGORIES];

    buf_add(ret, MAGIC, 8);
    put_number(ret, (uint32_t)MODEL_BUCKETS);
    put_number(ret, (uint32_t)MODEL_CATEGORIES);
    for (size_t c = 0; c < MODEL_CATEGORIES; c++) {
        scale[c] = scale_of(w, c);
        put_float(ret, w->bias[c]);
        put_float(ret, scale[c]);
    }
    for (size_t b = 0; b < MODEL_BUCKETS; b++)
        for (size_t c = 0; c < MODEL_CATEGORIES; c++)
            buf_char(ret, (char)(int8_t)lround(w->weights[b][c] / scale[c]));
    return !ret->failed || err_memory(err);
}
