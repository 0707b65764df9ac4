#include <stdlib.h>

#include "common/base/log.h"
#include "common/kafka/admin.h"
#include "common/service/service.h"
#include "services/notifier/notify.h"

struct parts {
    struct notify notify; /* first: the sink's callbacks take the parts for it */
    const struct notifier_conf *conf;
    struct kafka_conf kafka;
    struct service *svc;
    struct sender *sender;
    atomic_bool stop; /* of the sink: set once what is under way has been recorded */
};

static void turn(void *ctx, bool database_there)
{
    struct parts *parts = ctx;

    service_alive(parts->svc, "sink");
    service_check(parts->svc, "sink", database_there,
                  database_there ? "" : "PostgreSQL or Kafka is not reached");
    if (service_stopping(parts->svc) && notify_drain(&parts->notify))
        atomic_store(&parts->stop, true);
}

static bool run_sink(struct parts *parts, struct err *err)
{
    const char *input = topics[TOPIC_ESCALATION].name, *output = topics[TOPIC_NOTIFICATION].name;
    AUTO(auto_sink) struct sink *sink = NULL;
    struct sink_conf conf = {
        .kafka = parts->kafka,
        .pg = parts->conf->pg,
        .schema = NOTIFIER_SCHEMA,
        .group = NOTIFIER_GROUP,
        .instance = parts->conf->instance,
        .input = {&input, 1},
        .outputs = &output,
        .outputs_n = 1,
        .dead_topic = topics[TOPIC_DEAD].name,
        .batch_max = parts->conf->batch_max,
        .tick_ms = parts->conf->tick_ms,
        .gather_ms = 20,
        .statements = notifier_statements,
        .statements_n = notifier_statements_n,
        .apply = notify_apply,
        .tick = notify_tick,
        .turn = turn,
        .ctx = parts,
    };

    if (!topics_check(&parts->kafka, topics, TOPICS_N, err) || !sink_open(&sink, &conf, err))
        return false;
    service_started(parts->svc);
    return sink_run(sink, &parts->stop, err);
}

static void reload(void *ctx)
{
    struct parts *parts = ctx;
    AUTO(auto_templates) struct templates *fresh = NULL;
    struct err err = {0};

    if (!templates_load(&fresh, parts->conf->policy, &err))
        log_err(LOG_WARN, "the new templates are refused, the old ones stay", &err);
    service_policy(parts->svc, &err);
    if (err.kind != ERR_NONE)
        return;
    sender_reload(parts->sender, TAKE(fresh));
    log_at(LOG_INFO, "templates in force", log_str("policy", parts->conf->policy));
}

static bool notify_once(void *ctx, struct service *svc, struct err *err)
{
    struct parts *parts = ctx;

    notify_resume(&parts->notify);
    if (run_sink(parts, err))
        return true;
    service_check(svc, "sink", false, err->text);
    return false;
}

/* Declaration order is start order; leaving the scope is the shutdown, in reverse. */
static bool run(const struct notifier_conf *conf, struct err *err)
{
    AUTO(auto_service) struct service *svc = NULL;
    AUTO(auto_templates) struct templates *templates = NULL;
    AUTO(auto_sender) struct sender *sender = NULL;
    struct service_conf frame = {"notifier", conf->instance, conf->admin_listen, conf->policy};
    struct parts parts = {.conf = conf,
                          .kafka = {conf->kafka_brokers, conf->kafka_properties, "notifier"}};
    bool ok;

    if (!notifier_conf_check(conf, err) || !service_open(&svc, &frame, err) ||
        !templates_load(&templates, conf->policy, err) ||
        !sender_open(&sender, conf, templates, err) ||
        !notify_open(&parts.notify, conf, sender, err))
        return err_wrap(err, "start");
    parts.svc = svc;
    parts.sender = sender;
    service_policy(svc, &(struct err){0});
    service_on_reload(svc, reload, &parts);
    ok = service_loop(svc, "sink", notify_once, &parts, err);
    service_on_reload(svc, NULL, NULL);
    notify_close(&parts.notify);
    return ok;
}

int main(int argc, char **argv)
{
    struct notifier_conf conf = {0};
    struct err err = {0};
    enum conf_outcome outcome = conf_load(&conf, &notifier_conf_table, argc, argv, NULL, &err);

    if ((outcome == CONF_EXIT && notifier_check(&conf, &err)) ||
        (outcome == CONF_RUN && run(&conf, &err)))
        return EXIT_SUCCESS;
    log_err(LOG_ERROR, "notifier", &err);
    return err_exit_code(&err);
}
