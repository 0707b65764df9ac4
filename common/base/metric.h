/*
 * metric - counters, gauges and histograms of a process, declared once with unit and help.
 *
 * A module lists its metrics in a metrics.def, one row each:
 *
 *     METRIC_COUNTER(intake_reports_total, "reports answered with 202")
 *     METRIC_GAUGE(intake_waiting, "requests that wait for their delivery report")
 *     METRIC_HISTOGRAM(intake_accept_seconds, "from the last byte of a report to its answer")
 *
 * and its .c file includes "common/base/metric_rows.h" and then "…/metrics.def":
 * one static `struct metric` per row, registered before main() runs. The help says what it means and
 * what to do when it moves.
 *
 * Threads     All functions from any thread, without locks; metric_register() only before main().
 * Names       Prometheus: <service or module>_<what>_<unit, last>, each once in a process.
 *             Histograms take microseconds and show seconds.
 */
#ifndef COMMON_BASE_METRIC_H
#define COMMON_BASE_METRIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/buf.h"

enum metric_type { METRIC_TYPE_COUNTER, METRIC_TYPE_GAUGE, METRIC_TYPE_HISTOGRAM };

#define METRIC_BUCKETS 16 /* upper bounds 0.25 ms · 2^i, the last is +Inf */

struct metric {
    const char *name, *help;
    enum metric_type type;
    _Atomic int64_t value; /* counter, gauge; histogram: count */
    _Atomic int64_t sum_us;
    _Atomic int64_t buckets[METRIC_BUCKETS];
    struct metric *next;
};

void metric_register(struct metric *m);

static inline void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}
static inline int64_t metric_get(const struct metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}
void metric_observe_us(struct metric *m, int64_t us);

/* The text exposition format of Prometheus, all registered metrics in order of name. */
void metric_print(struct buf *out);

#endif
