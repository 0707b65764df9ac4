#include "common/base/metric.h"

#include <pthread.h>
#include <stdio.h>

#include "tests/support/test.h"

/* As a module does it, with its rows written here. */
#include "common/base/metric_rows.h"
METRIC_HISTOGRAM(test_b_seconds, "how long | it \\ took")
METRIC_COUNTER(test_c_total, "things\nthat happened")
METRIC_GAUGE(test_a_open, "open now")

static void clear(struct metric *m)
{
    atomic_store(&m->value, 0);
    atomic_store(&m->sum_us, 0);
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        atomic_store(&m->buckets[i], 0);
}

/* Only our own lines: other modules that are linked have theirs. */
static void keep_own(const struct buf *page, char *own, size_t size)
{
    AUTO(auto_free) char *copy = strdup(buf_text(page));
    char *rest = copy, *line;
    size_t len = 0;

    assert_non_null(copy);
    while ((line = strsep(&rest, "\n"))) {
        if (strstr(line, "test_"))
            len += (size_t)snprintf(own + len, size - len, "%s\n", line);
        assert_true(len < size);
    }
}

static void page_is_the_text_format(void **state)
{
    AUTO(buf_done) struct buf page;
    char own[4096];

    (void)state;
    clear(&test_b_seconds);
    metric_add(&test_c_total, 2);
    metric_add(&test_c_total, 1);
    metric_set(&test_a_open, -5);
    metric_observe_us(&test_b_seconds, 250);
    metric_observe_us(&test_b_seconds, 251);
    metric_observe_us(&test_b_seconds, 1500000);
    metric_observe_us(&test_b_seconds, 9000000);
    buf_init(&page, 1 << 20);
    metric_print(&page);
    assert_false(page.failed);
    keep_own(&page, own, sizeof(own));
    assert_string_equal(own, "# HELP test_a_open open now\n"
                             "# TYPE test_a_open gauge\n"
                             "test_a_open -5\n"
                             "# HELP test_b_seconds how long | it \\\\ took\n"
                             "# TYPE test_b_seconds histogram\n"
                             "test_b_seconds_bucket{le=\"0.000250\"} 1\n"
                             "test_b_seconds_bucket{le=\"0.000500\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.001000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.002000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.004000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.008000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.016000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.032000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.064000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.128000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.256000\"} 2\n"
                             "test_b_seconds_bucket{le=\"0.512000\"} 2\n"
                             "test_b_seconds_bucket{le=\"1.024000\"} 2\n"
                             "test_b_seconds_bucket{le=\"2.048000\"} 3\n"
                             "test_b_seconds_bucket{le=\"4.096000\"} 3\n"
                             "test_b_seconds_bucket{le=\"+Inf\"} 4\n"
                             "test_b_seconds_sum 10.500501\n"
                             "test_b_seconds_count 4\n"
                             "# HELP test_c_total things that happened\n"
                             "# TYPE test_c_total counter\n"
                             "test_c_total 3\n");
    assert_int_equal(metric_get(&test_b_seconds), 4);
}

static const struct bucket_row {
    const char *name;
    int64_t us;
    int bucket;
    int64_t sum_us;
} bucket_rows[] = {
    {"negative (a clock that stepped) counts as nothing", -7, 0, 0},
    {"zero", 0, 0, 0},
    {"at the first bound", 250, 0, 250},
    {"behind the first bound", 251, 1, 251},
    {"at the last bound", 4096000, 14, 4096000},
    {"behind the last bound", 4096001, 15, 4096001},
    {"an hour", 3600000000, 15, 3600000000},
};

static void observation_falls_in_its_bucket(void **state)
{
    const struct bucket_row *row = *state;

    clear(&test_b_seconds);
    metric_observe_us(&test_b_seconds, row->us);
    for (int i = 0; i < METRIC_BUCKETS; i++)
        assert_int_equal(atomic_load(&test_b_seconds.buckets[i]), i == row->bucket);
    assert_int_equal(atomic_load(&test_b_seconds.sum_us), row->sum_us);
    assert_int_equal(metric_get(&test_b_seconds), 1);
}

enum { THREADS = 4, EACH = 20000 };

static void *count(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < EACH; i++) {
        metric_add(&test_c_total, 1);
        metric_observe_us(&test_b_seconds, i);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    clear(&test_c_total);
    clear(&test_b_seconds);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metric_get(&test_c_total), THREADS * EACH);
    assert_int_equal(metric_get(&test_b_seconds), THREADS * EACH);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, page_is_the_text_format);
    TEST_ADD_ROWS(&list, bucket_rows, observation_falls_in_its_bucket);
    TEST_ADD(&list, threads_lose_nothing);
    return test_run("metric", &list);
}
