/*
 * model - the text model: which of the park's categories a text reads like, with a probability. For texts in which the rules find nothing.
 *
 * Linear over hashed n-grams of one to MODEL_GRAM_MAX characters (letters without case, digits alike, blanks as one); trained by `tongbao model train`.
 *
 * File        "TBMODEL1", then little-endian: MODEL_BUCKETS (4 bytes), number of categories (4), for each a bias and a scale (4 bytes each, float), then
 *             for each bucket one signed byte for each category: weight = scale * byte. The policy's version holds the file's SHA-256.
 * Threads     A loaded model is immutable: any thread.
 * Bounds      MODEL_FILE_BYTES; a text's first MODEL_TEXT_BYTES_MAX bytes. Reading a text allocates nothing.
 * Errors      ERR_CONFIG: it is none, or another version's.
 */
#ifndef SERVICES_CLASSIFIER_MODEL_H
#define SERVICES_CLASSIFIER_MODEL_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/enums.h"

#define MODEL_BUCKETS        ((size_t)131072)
#define MODEL_GRAM_MAX       4
#define MODEL_CATEGORIES     ((size_t)CATEGORY_INTRUSION + 1)
#define MODEL_TEXT_BYTES_MAX 16000
#define MODEL_FILE_BYTES     (16 + 8 * MODEL_CATEGORIES + MODEL_BUCKETS * MODEL_CATEGORIES)

struct text_model;

/* What a text reads like; they add up to 1. */
struct model_answer {
    double probability[MODEL_CATEGORIES];
};

bool text_model_load(struct text_model **ret, const void *file, size_t len,
                     struct err *err) MUST_CHECK;
void text_model_free(struct text_model *m);
DEFINE_AUTO(auto_text_model, struct text_model, text_model_free)

/* `text` is normalised (words_normalise()). */
void model_read(const struct text_model *m, const char *text, size_t len, struct model_answer *ret);

/* ---- for training: the n-grams of a text, and a model's file */

/* Calls fn with the bucket of each n-gram. Returns how many there are. */
typedef void model_gram_fn(void *ctx, size_t bucket);
size_t model_grams(const char *text, size_t len, model_gram_fn *fn, void *ctx);

struct model_weights {
    double bias[MODEL_CATEGORIES];
    double (*weights)[MODEL_CATEGORIES]; /* MODEL_BUCKETS of them */
};
bool model_write(const struct model_weights *w, struct buf *ret, struct err *err) MUST_CHECK;

#endif
