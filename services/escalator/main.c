#include <stdlib.h>

#include "common/base/log.h"
#include "common/kafka/admin.h"
#include "common/service/service.h"
#include "services/escalator/escalator.h"
#include "services/escalator/statements.h"

struct parts {
    struct kafka_conf kafka;
    struct escalator *escalator;
    struct service *svc;
};

/* The sink and the service call back with the parts. */
static bool apply(void *ctx, struct sink_tx *tx, const struct flow_record *records, size_t n,
                  struct err *err)
{
    struct parts *parts = ctx;

    return escalator_apply(parts->escalator, tx, records, n, err);
}

static bool tick(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    struct parts *parts = ctx;

    return escalator_tick(parts->escalator, tx, ret_more, err);
}

static void turn(void *ctx, bool database_there)
{
    struct parts *parts = ctx;

    service_alive(parts->svc, "sink");
    service_check(parts->svc, "sink", database_there,
                  database_there ? "" : "PostgreSQL or Kafka is not reached");
}

static void reload(void *ctx)
{
    struct parts *parts = ctx;
    struct err err = {0};

    (void)escalator_reload(parts->escalator, &err);
    service_policy(parts->svc, &err);
}

static bool run_sink(struct parts *parts, struct err *err)
{
    const struct escalator_conf *own = parts->escalator->conf;
    const char *output = topics[TOPIC_ESCALATION].name;
    const char *inputs[ESCALATOR_INPUTS_N];
    const char *const urgent[] = {topics[TOPIC_INCIDENT].name, topics[TOPIC_ACTION].name};
    AUTO(auto_sink) struct sink *sink = NULL;
    struct sink_conf conf = {
        .kafka = parts->kafka,
        .pg = own->pg,
        .schema = ESCALATOR_SCHEMA,
        .group = ESCALATOR_GROUP,
        .instance = own->instance,
        .input = {inputs, ESCALATOR_INPUTS_N},
        .outputs = &output,
        .outputs_n = 1,
        .dead_topic = topics[TOPIC_DEAD].name,
        .batch_max = own->batch_max,
        .tick_ms = own->tick_ms,
        .gather_ms = 20, /* a report waits a minute for its grade, a delivery changes no call */
        .urgent = {urgent, ARRAY_LEN(urgent)},
        .statements = escalator_statements,
        .statements_n = escalator_statements_n,
        .apply = apply,
        .tick = tick,
        .turn = turn,
        .ctx = parts,
    };

    for (size_t i = 0; i < ESCALATOR_INPUTS_N; i++)
        inputs[i] = topics[escalator_inputs[i]].name;
    if (!topics_check(&parts->kafka, topics, TOPICS_N, err) || !sink_open(&sink, &conf, err))
        return false;
    service_started(parts->svc);
    return sink_run(sink, service_stop(parts->svc), err);
}

static bool escalate_once(void *ctx, struct service *svc, struct err *err)
{
    if (run_sink(ctx, err))
        return true;
    service_check(svc, "sink", false, err->text);
    return false;
}

/* Declaration order is start order; leaving the scope is the shutdown, in reverse. */
static bool run(const struct escalator_conf *conf, struct err *err)
{
    AUTO(auto_service) struct service *svc = NULL;
    AUTO(escalator_close) struct escalator escalator = {0};
    struct service_conf frame = {"escalator", conf->instance, conf->admin_listen, conf->policy};
    struct parts parts = {.kafka = {conf->kafka_brokers, conf->kafka_properties, "escalator"},
                          .escalator = &escalator};

    if (!service_open(&svc, &frame, err) || !escalator_open(&escalator, conf, err))
        return err_wrap(err, "start");
    parts.svc = svc;
    service_policy(svc, &(struct err){0});
    service_on_reload(svc, reload, &parts);
    return service_loop(svc, "sink", escalate_once, &parts, err);
}

int main(int argc, char **argv)
{
    struct escalator_conf conf = {0};
    struct err err = {0};
    enum conf_outcome outcome = conf_load(&conf, &escalator_conf_table, argc, argv, NULL, &err);

    if ((outcome == CONF_EXIT && escalator_check(&conf, &err)) ||
        (outcome == CONF_RUN && run(&conf, &err)))
        return EXIT_SUCCESS;
    log_err(LOG_ERROR, "escalator", &err);
    return err_exit_code(&err);
}
