#include "services/classifier/tool/train.h"

#include <errno.h>
#include <glob.h>
#include <linear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/classifier/model.h"

#define NO_FILE SIZE_MAX
#define SURE    0.6 /* what `tongbao model test` counts as sure */
#define STRENGTH                                                                                   \
    10 /* liblinear's C: how much the texts weigh against small weights; chosen by leaving files out */

struct sample {
    struct feature_node *features;
    char *text; /* normalised */
    size_t len, file;
    int category;
};

struct samples {
    glob_t files;
    double rarity[MODEL_BUCKETS]; /* what is in few texts says more: of each bucket */
    struct sample *all;
    size_t n, cap;
};

static void samples_done(struct samples *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->all[i].features);
        free(s->all[i].text);
    }
    free(s->all);
    globfree(&s->files);
}

/* --- features --- */

struct grams {
    int *buckets;
    size_t n;
};

static void note_gram(void *ctx, size_t bucket)
{
    struct grams *g = ctx;

    if (g->buckets)
        g->buckets[g->n] = (int)bucket + 1; /* liblinear counts from 1 */
    g->n++;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* How often each bucket, by the root of how many n-grams there are: as model_read() sums. */
static bool make_features(struct sample *s)
{
    struct grams g = {0};
    double norm;
    size_t n = 0;

    (void)model_grams(s->text, s->len, note_gram, &g);
    norm = sqrt((double)(g.n ? g.n : 1));
    g.buckets = calloc(g.n + 1, sizeof(*g.buckets));
    s->features = calloc(g.n + 1, sizeof(*s->features));
    if (!g.buckets || !s->features) {
        free(g.buckets);
        return false;
    }
    g.n = 0;
    (void)model_grams(s->text, s->len, note_gram, &g);
    qsort(g.buckets, g.n, sizeof(*g.buckets), by_number);
    for (size_t i = 0; i < g.n; i++) {
        if (n == 0 || s->features[n - 1].index != g.buckets[i])
            s->features[n++] = (struct feature_node){.index = g.buckets[i]};
        s->features[n - 1].value += 1 / norm;
    }
    s->features[n].index = -1;
    free(g.buckets);
    return true;
}

/* --- texts --- */

static struct sample *add_sample(struct samples *s)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 1024;
        struct sample *more = reallocarray(s->all, cap, sizeof(*more));

        if (!more)
            return NULL;
        s->all = more;
        s->cap = cap;
    }
    s->all[s->n] = (struct sample){0};
    return &s->all[s->n++];
}

static bool read_line(struct samples *s, const struct policy *policy, const char *line, size_t len,
                      size_t file, struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    const json_t *text;
    struct sample *sample;
    int category;

    if (!json_read_strict(&doc, line, len, err))
        return false;
    text = json_object_get(doc, "text");
    if (!json_is_string(text) || json_string_length(text) == 0)
        return err_set(err, ERR_CONFIG, "\"text\" must be a text");
    if (!json_is_string(json_object_get(doc, "category")) ||
        !enum_parse(&category_table, json_string_value(json_object_get(doc, "category")),
                    &category))
        return err_set(err, ERR_CONFIG, "\"category\" must be one of the park's four");
    if (s->n == TRAIN_TEXTS_MAX)
        return err_set(err, ERR_CONFIG, "more than %zu texts", TRAIN_TEXTS_MAX);
    sample = add_sample(s);
    if (!sample)
        return err_memory(err);
    sample->file = file;
    sample->category = category;
    sample->len = json_string_length(text);
    sample->text = malloc(sample->len + 1);
    if (!sample->text)
        return err_memory(err);
    words_normalise(policy->words, json_string_value(text), sample->len, sample->text);
    return make_features(sample) || err_memory(err);
}

static bool read_file(struct samples *s, const struct policy *policy, size_t file, struct err *err)
{
    const char *path = s->files.gl_pathv[file];
    AUTO(auto_free) char *line = NULL;
    FILE *f = fopen(path, "re");
    size_t cap = 0, number = 0;
    ssize_t len;
    bool ok = f != NULL;

    if (!f)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    while (ok && (len = getline(&line, &cap, f)) > 0) {
        number++;
        ok = read_line(s, policy, line, (size_t)len, file, err);
    }
    fclose(f);
    if (!ok && err && err->kind == ERR_INPUT)
        err->kind = ERR_CONFIG;
    return ok || err_wrap(err, "%s:%zu", path, number);
}

/* What every feature weighs: it moves into the model's weights, so that reading needs no table of it. */
static void weigh(struct samples *s)
{
    for (size_t b = 0; b < MODEL_BUCKETS; b++)
        s->rarity[b] = 1;
    for (size_t i = 0; i < s->n; i++)
        for (struct feature_node *f = s->all[i].features; f->index > 0; f++)
            s->rarity[f->index - 1]++;
    for (size_t b = 0; b < MODEL_BUCKETS; b++)
        s->rarity[b] = 1 + log((double)(s->n + 1) / s->rarity[b]);
    for (size_t i = 0; i < s->n; i++)
        for (struct feature_node *f = s->all[i].features; f->index > 0; f++)
            f->value *= s->rarity[f->index - 1];
}

static bool read_all(struct samples *s, const struct policy *policy, const char *folder,
                     struct err *err)
{
    char pattern[4096];

    if (snprintf(pattern, sizeof(pattern), "%s/texts/*.jsonl", folder) >= (int)sizeof(pattern))
        return err_set(err, ERR_CONFIG, "the path is too long");
    if (glob(pattern, 0, NULL, &s->files) != 0)
        return err_set(err, ERR_CONFIG, "%s: there is none", pattern);
    for (size_t i = 0; i < s->files.gl_pathc; i++)
        if (!read_file(s, policy, i, err))
            return false;
    weigh(s);
    return s->n > 0 || err_set(err, ERR_CONFIG, "%s: no text", pattern);
}

/* --- training --- */

static void say_nothing(const char *text)
{
    (void)text;
}

static void take_weights(struct model_weights *ret, const struct samples *s, const struct model *m)
{
    for (int k = 0; k < m->nr_class; k++) {
        size_t c = (size_t)m->label[k];

        ret->bias[c] = get_decfun_bias(m, k);
        for (size_t b = 0; b < MODEL_BUCKETS; b++)
            ret->weights[b][c] = s->rarity[b] * get_decfun_coef(m, (int)b + 1, k);
    }
}

/* A model of all samples but those of the file `without`, as bytes. */
static bool train_bytes(const struct samples *s, size_t without, struct buf *ret, struct err *err)
{
    double *wanted = calloc(s->n + 1, sizeof(*wanted));
    struct feature_node **rows = calloc(s->n + 1, sizeof(struct feature_node *));
    struct problem problem = {.n = (int)MODEL_BUCKETS, .y = wanted, .x = rows, .bias = -1};
    struct parameter how = {.solver_type = L2R_LR, .eps = 0.001, .C = STRENGTH};
    struct model_weights weights = {.weights = calloc(MODEL_BUCKETS, sizeof(*weights.weights))};
    struct model *m = NULL;
    bool ok;

    set_print_string_function(say_nothing);
    for (size_t i = 0; wanted && rows && i < s->n; i++)
        if (s->all[i].file != without) {
            wanted[problem.l] = s->all[i].category;
            rows[problem.l++] = s->all[i].features;
        }
    if (!wanted || !rows || !weights.weights)
        ok = err_memory(err);
    else if (problem.l == 0)
        ok = err_set(err, ERR_CONFIG,
                     "no texts to learn from: a file is tested by those of the others");
    else
        ok = (m = train(&problem, &how)) || err_memory(err);
    if (ok) {
        take_weights(&weights, s, m);
        ok = model_write(&weights, ret, err);
    }
    free(weights.weights);
    free(wanted);
    free(rows);
    if (m)
        free_and_destroy_model(&m);
    return ok;
}

static bool save(const char *folder, const struct buf *bytes, struct err *err)
{
    char path[4096], part[4096];
    FILE *f;
    bool ok;

    if (snprintf(path, sizeof(path), "%s/model.bin", folder) >= (int)sizeof(path) ||
        snprintf(part, sizeof(part), "%s/model.bin.part", folder) >= (int)sizeof(part))
        return err_set(err, ERR_CONFIG, "the path is too long");
    f = fopen(part, "we");
    ok = f && fwrite(bytes->data, 1, bytes->len, f) == bytes->len && fflush(f) == 0 &&
         fsync(fileno(f)) == 0;
    if (f)
        ok = fclose(f) == 0 && ok;
    return (ok && rename(part, path) == 0) ||
           err_set(err, ERR_CONFIG, "%s: %s", part, strerror(errno));
}

bool train_write(const struct policy *policy, const char *folder, FILE *out, struct err *err)
{
    AUTO(samples_done) struct samples s = {0};
    AUTO(buf_done) struct buf bytes;

    buf_init(&bytes, MODEL_FILE_BYTES);
    if (!read_all(&s, policy, folder, err) || !train_bytes(&s, NO_FILE, &bytes, err) ||
        !save(folder, &bytes, err))
        return false;
    fprintf(out, "%s/model.bin: %zu texts of %zu files\n", folder, s.n, (size_t)s.files.gl_pathc);
    return true;
}

/* --- testing --- */

struct score {
    size_t texts, right, sure, sure_right;
};

static void count(struct score *score, const struct text_model *m, const struct sample *sample)
{
    struct model_answer answer;
    size_t best = 0;

    model_read(m, sample->text, sample->len, &answer);
    for (size_t c = 1; c < MODEL_CATEGORIES; c++)
        if (answer.probability[c] > answer.probability[best])
            best = c;
    score->texts++;
    score->right += (int)best == sample->category;
    score->sure += answer.probability[best] >= SURE;
    score->sure_right += answer.probability[best] >= SURE && (int)best == sample->category;
}

static bool has_texts(const struct samples *s, size_t file)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].file == file)
            return true;
    return false;
}

static bool test_file(const struct samples *s, size_t file, FILE *out, struct err *err)
{
    AUTO(auto_text_model) struct text_model *m = NULL;
    AUTO(buf_done) struct buf bytes;
    struct score score = {0};

    buf_init(&bytes, MODEL_FILE_BYTES);
    if (!train_bytes(s, file, &bytes, err) || !text_model_load(&m, bytes.data, bytes.len, err))
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].file == file)
            count(&score, m, &s->all[i]);
    fprintf(out, "%s: %zu texts, %.3f right; sure of %.3f, of these %.3f right\n",
            s->files.gl_pathv[file], score.texts, (double)score.right / (double)score.texts,
            (double)score.sure / (double)score.texts,
            score.sure ? (double)score.sure_right / (double)score.sure : 0.0);
    return true;
}

bool train_test(const struct policy *policy, const char *folder, FILE *out, struct err *err)
{
    AUTO(samples_done) struct samples s = {0};

    if (!read_all(&s, policy, folder, err))
        return false;
    for (size_t i = 0; i < s.files.gl_pathc; i++)
        if (has_texts(&s, i) && !test_file(&s, i, out, err))
            return err_wrap(err, "%s", s.files.gl_pathv[i]);
    return true;
}
