#include <stdlib.h>

#include "common/base/log.h"
#include "common/kafka/admin.h"
#include "common/service/service.h"
#include "proto/event.h"
#include "services/archiver/archive.h"
#include "services/archiver/conf.h"
#include "services/archiver/statements.h"

struct parts {
    const struct archiver_conf *conf;
    struct kafka_conf kafka;
    struct archive archive;
    struct service *svc;
};

/* The sink calls back with the parts; the archive is what it works with. */
static bool apply(void *ctx, struct sink_tx *tx, const struct flow_record *records, size_t n,
                  struct err *err)
{
    struct parts *parts = ctx;

    return archive_apply(&parts->archive, tx, records, n, err);
}

static bool tick(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    struct parts *parts = ctx;

    return archive_tick(&parts->archive, tx, ret_more, err);
}

static void turn(void *ctx, bool database_there)
{
    struct parts *parts = ctx;

    service_alive(parts->svc, "sink");
    service_check(parts->svc, "sink", database_there,
                  database_there ? "" : "PostgreSQL or Kafka is not reached");
}

static bool run_sink(struct parts *parts, struct err *err)
{
    const char *names[TOPICS_N];
    AUTO(auto_sink) struct sink *sink = NULL;
    struct sink_conf conf = {
        .kafka = parts->kafka,
        .pg = parts->conf->pg,
        .schema = ARCHIVE_SCHEMA,
        .group = "archiver",
        .instance = parts->conf->instance,
        .input = {names, TOPICS_N},
        .dead_topic = topics[TOPIC_DEAD].name,
        .batch_max = parts->conf->batch_max,
        .tick_ms = ARCHIVE_TICK_MS,
        .gather_ms = 50,
        .statements = archiver_statements,
        .statements_n = archiver_statements_n,
        .apply = apply,
        .tick = tick,
        .turn = turn,
        .ctx = parts,
    };

    for (size_t i = 0; i < TOPICS_N; i++)
        names[i] = topics[i].name;
    if (!topics_check(&parts->kafka, topics, TOPICS_N, err) ||
        !archive_prepare(&parts->archive, parts->conf->pg, err) || !sink_open(&sink, &conf, err))
        return false;
    service_started(parts->svc);
    return sink_run(sink, service_stop(parts->svc), err);
}

static bool archive_once(void *ctx, struct service *svc, struct err *err)
{
    if (run_sink(ctx, err))
        return true;
    service_check(svc, "sink", false, err->text);
    return false;
}

/* Declaration order is start order; leaving the scope is the shutdown, in reverse. */
static bool run(const struct archiver_conf *conf, struct err *err)
{
    AUTO(auto_service) struct service *svc = NULL;
    AUTO(auto_store) struct store *store = NULL;
    struct service_conf frame = {"archiver", conf->instance, conf->admin_listen, NULL};
    struct parts parts = {.conf = conf,
                          .kafka = {conf->kafka_brokers, conf->kafka_properties, "archiver"},
                          .archive = {.months_ahead = conf->months_ahead}};

    if (!service_open(&svc, &frame, err) || !store_open(&store, err))
        return err_wrap(err, "start");
    parts.svc = svc;
    parts.archive.store = store;
    return service_loop(svc, "sink", archive_once, &parts, err);
}

int main(int argc, char **argv)
{
    struct archiver_conf conf = {0};
    struct err err = {0};
    enum conf_outcome outcome = conf_load(&conf, &archiver_conf_table, argc, argv, NULL, &err);

    if ((outcome == CONF_EXIT && archiver_check(&conf, &err)) ||
        (outcome == CONF_RUN && run(&conf, &err)))
        return EXIT_SUCCESS;
    log_err(LOG_ERROR, "archiver", &err);
    return err_exit_code(&err);
}
