#include "common/http/internal.h"

#include "common/base/metric.h"

#include "common/base/metric_rows.h"
#include "common/http/metrics.def"

void http_count(enum http_counter what, int64_t n)
{
    static struct metric *const metrics[] = {
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#define METRIC_COUNTER(name, help) &name,
#define METRIC_GAUGE(name, help)   &name,
#include "common/http/metrics.def"
    };

    metric_add(metrics[what], n);
}
