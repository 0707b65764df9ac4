/* metric_rows - turns the rows of a metrics.def into static metrics that register themselves.
 * Included without a guard, in one .c file per metrics.def. */
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#undef METRIC_HISTOGRAM
#undef METRIC_ROW_
#define METRIC_ROW_(metric_name, metric_help, metric_type)                                         \
    static struct metric metric_name = {                                                           \
        .name = #metric_name, .help = (metric_help), .type = (metric_type)};                       \
    __attribute__((constructor)) static void metric_name##_register_(void)                         \
    {                                                                                              \
        metric_register(&metric_name);                                                             \
    }
#define METRIC_COUNTER(name, help)   METRIC_ROW_(name, help, METRIC_TYPE_COUNTER)
#define METRIC_GAUGE(name, help)     METRIC_ROW_(name, help, METRIC_TYPE_GAUGE)
#define METRIC_HISTOGRAM(name, help) METRIC_ROW_(name, help, METRIC_TYPE_HISTOGRAM)
