/* model: what it reads, and what it takes for a model. */
#include "tests/support/test.h"

#include <math.h>

#include "services/classifier/model.h"

struct seen {
    size_t buckets[64];
    size_t n;
};

static void note(void *ctx, size_t bucket)
{
    struct seen *seen = ctx;

    assert_true(bucket < MODEL_BUCKETS);
    if (seen->n < ARRAY_LEN(seen->buckets))
        seen->buckets[seen->n++] = bucket;
}

static void grams_are_of_one_to_four_characters(void **state)
{
    struct seen seen = {0};

    (void)state;
    assert_int_equal(model_grams("泄露abc", strlen("泄露abc"), note, &seen), 4 + 4 + 3 + 2 + 1);
    assert_int_equal(model_grams("", 0, note, &seen), 0);
}

static void letters_digits_and_blanks_are_alike(void **state)
{
    struct seen one = {0}, other = {0};
    const char a[] = "VPN 12\t", b[] = "vpn 98 ";

    (void)state;
    (void)model_grams(a, strlen(a), note, &one);
    (void)model_grams(b, strlen(b), note, &other);
    assert_int_equal(one.n, other.n);
    assert_memory_equal(one.buckets, other.buckets, sizeof(one.buckets));
}

static void broken_characters_are_read_to_the_end(void **state)
{
    struct seen seen = {0};

    (void)state;
    assert_int_equal(model_grams("\xe6\xb3", 2, note, &seen), 1);
    assert_int_equal(model_grams("\xff\xff\xff\xff\xff", 5, note, &seen), 3);
}

static void fill(struct model_weights *w, size_t category, const char *text, double weight)
{
    struct seen seen = {0};

    (void)model_grams(text, strlen(text), note, &seen);
    for (size_t i = 0; i < seen.n; i++)
        w->weights[seen.buckets[i]][category] = weight;
}

static void what_is_written_is_read(void **state)
{
    struct model_weights w = {.weights = calloc(MODEL_BUCKETS, sizeof(*w.weights)),
                              .bias = {-1, -1, -1, -1}};
    AUTO(auto_text_model) struct text_model *m = NULL;
    AUTO(buf_done) struct buf bytes;
    struct model_answer answer;
    struct err err = {0};
    double total = 0;

    (void)state;
    buf_init(&bytes, MODEL_FILE_BYTES);
    fill(&w, CATEGORY_MALWARE, "病毒", 3);
    fill(&w, CATEGORY_DATA_LEAK, "泄露", 3);
    assert_ok(model_write(&w, &bytes, &err), &err);
    assert_int_equal(bytes.len, MODEL_FILE_BYTES);
    assert_ok(text_model_load(&m, bytes.data, bytes.len, &err), &err);
    model_read(m, "病毒", strlen("病毒"), &answer);
    for (size_t c = 0; c < MODEL_CATEGORIES; c++) {
        total += answer.probability[c];
        assert_true(c == CATEGORY_MALWARE ||
                    answer.probability[c] < answer.probability[CATEGORY_MALWARE]);
    }
    assert_true(fabs(total - 1) < 1e-9);
    model_read(m, "", 0, &answer); /* nothing: nothing is likelier than another */
    assert_true(fabs(answer.probability[0] - answer.probability[3]) < 1e-9);
    free(w.weights);
}

static void what_is_no_model_is_refused(void **state)
{
    char *bytes = calloc(MODEL_FILE_BYTES, 1);
    struct text_model *m = NULL;
    struct err err = {0};

    (void)state;
    assert_fails(text_model_load(&m, bytes, 10, &err), &err, ERR_CONFIG, "no text model");
    assert_fails(text_model_load(&m, bytes, MODEL_FILE_BYTES, &err), &err, ERR_CONFIG,
                 "tongbao model train");
    memcpy(bytes, "TBMODEL1", 8);
    assert_fails(text_model_load(&m, bytes, MODEL_FILE_BYTES, &err), &err, ERR_CONFIG,
                 "other dimensions");
    assert_null(m);
    free(bytes);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, grams_are_of_one_to_four_characters);
    TEST_ADD(&list, letters_digits_and_blanks_are_alike);
    TEST_ADD(&list, broken_characters_are_read_to_the_end);
    TEST_ADD(&list, what_is_written_is_read);
    TEST_ADD(&list, what_is_no_model_is_refused);
    return test_run("classifier model", &list);
}
