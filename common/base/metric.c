#include "common/base/metric.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BOUND_US = 250 };

static struct metric *first; /* by name; complete before main() runs, then only read */

void metric_register(struct metric *m)
{
    struct metric **at = &first;

    while (*at && strcmp((*at)->name, m->name) < 0)
        at = &(*at)->next;
    if (*at && strcmp((*at)->name, m->name) == 0)
        abort(); /* two rows with one name: Prometheus would refuse the page */
    m->next = *at;
    *at = m;
}

static int64_t bound_us(int bucket)
{
    return (int64_t)FIRST_BOUND_US << bucket;
}

void metric_observe_us(struct metric *m, int64_t us)
{
    int bucket = 0;

    while (bucket < METRIC_BUCKETS - 1 && us > bound_us(bucket))
        bucket++;
    atomic_fetch_add_explicit(&m->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sum_us, us > 0 ? us : 0, memory_order_relaxed);
    metric_add(m, 1);
}

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_TYPE_COUNTER:
        return "counter";
    case METRIC_TYPE_GAUGE:
        return "gauge";
    case METRIC_TYPE_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

static void print_seconds(struct buf *out, int64_t us)
{
    buf_printf(out, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

/* The buckets are read once and the count is their sum: a page never contradicts itself. */
static void print_histogram(struct buf *out, const struct metric *m)
{
    int64_t count = 0;

    for (int i = 0; i < METRIC_BUCKETS; i++) {
        count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{le=\"", m->name);
        if (i < METRIC_BUCKETS - 1)
            print_seconds(out, bound_us(i));
        else
            buf_str(out, "+Inf");
        buf_printf(out, "\"} %" PRId64 "\n", count);
    }
    buf_printf(out, "%s_sum ", m->name);
    print_seconds(out, atomic_load_explicit(&m->sum_us, memory_order_relaxed));
    buf_printf(out, "\n%s_count %" PRId64 "\n", m->name, count);
}

/* One line of the page: line ends become blanks, backslashes are escaped. */
static void print_help(struct buf *out, const char *help)
{
    for (; *help; help++) {
        if (*help == '\n')
            buf_char(out, ' ');
        else if (*help == '\\')
            buf_str(out, "\\\\");
        else
            buf_char(out, *help);
    }
}

void metric_print(struct buf *out)
{
    for (const struct metric *m = first; m; m = m->next) {
        buf_printf(out, "# HELP %s ", m->name);
        print_help(out, m->help);
        buf_printf(out, "\n# TYPE %s %s\n", m->name, type_name(m->type));
        if (m->type == METRIC_TYPE_HISTOGRAM)
            print_histogram(out, m);
        else
            buf_printf(out, "%s %" PRId64 "\n", m->name, metric_get(m));
    }
}
