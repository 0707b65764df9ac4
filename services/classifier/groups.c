#include "services/classifier/groups.h"

#include <pthread.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/kafka/admin.h"
#include "services/classifier/cases.h"
#include "services/classifier/grade.h"
#include "services/classifier/link_store.h"
#include "services/classifier/store.h"

#define STATEMENTS_MAX 64
#define ALIVE_EVERY_MS 100
#define ASK_MS         1000  /* between two questions to the brokers, and how long one may take */
#define PROBATION_MS   15000 /* longer than the longest pause of service_loop() and an opening */

DEFINE_AUTO(auto_client, rd_kafka_t, rd_kafka_destroy)

struct parts {
    const struct classifier_conf *conf;
    struct kafka_conf kafka;
    struct service *svc;
    struct grader grader;     /* the pipe's thread */
    int64_t alive_due_ms;     /* the pipe's thread */
    struct cases cases;       /* the main thread */
    int64_t refused_until_ms; /* the main thread; a database that refuses us is told of so long */
    struct err pipe_err;      /* what ended the pipe; read after its thread */
};

static void pipe_turn(void *ctx)
{
    struct parts *parts = ctx;
    int64_t now_ms = clock_mono_ms();

    if (now_ms < parts->alive_due_ms)
        return; /* a turn is a record: its price counts */
    parts->alive_due_ms = now_ms + ALIVE_EVERY_MS;
    service_alive(parts->svc, "grade");
}

static enum outcome transform(void *ctx, const struct flow_record *in, int64_t now_ms,
                              struct pipe_out *out, struct err *why)
{
    struct parts *parts = ctx;

    return grade_transform(&parts->grader, in, now_ms, out, why);
}

static bool grade_once(void *ctx, struct service *svc, struct err *err)
{
    struct parts *parts = ctx;
    AUTO(auto_pipe) struct pipe *pipe = NULL;
    const char *const input[] = {topics[TOPIC_REPORT].name};
    const char *const output[] = {topics[TOPIC_INCIDENT].name};
    struct pipe_conf conf = {
        .kafka = parts->kafka,
        .group = "classifier.grade",
        .instance = parts->conf->instance,
        .input = {input, ARRAY_LEN(input)},
        .outputs = output,
        .outputs_n = ARRAY_LEN(output),
        .dead_topic = topics[TOPIC_DEAD].name,
        .inflight_max = parts->conf->inflight_max,
        .commit_ms = parts->conf->commit_ms,
        .transform = transform,
        .turn = pipe_turn,
        .ctx = parts,
    };

    service_check(svc, "grade", false, "opening");
    if (!topics_check(&parts->kafka, topics, TOPICS_N, err) || !pipe_open(&pipe, &conf, err))
        return false;
    service_check(svc, "grade", true, "");
    if (pipe_run(pipe, service_stop(svc), err))
        return true;
    service_check(svc, "grade", false, err->text);
    return false;
}

static void *grade_thread(void *ctx)
{
    struct parts *parts = ctx;

    if (!service_loop(parts->svc, "grade", grade_once, parts, &parts->pipe_err))
        service_request_stop(parts->svc);
    return NULL;
}

static bool apply(void *ctx, struct sink_tx *tx, const struct flow_record *records, size_t n,
                  struct err *err)
{
    struct parts *parts = ctx;

    return cases_apply(&parts->cases, tx, records, n, err);
}

static bool tick(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    struct parts *parts = ctx;

    return cases_tick(&parts->cases, tx, ret_more, err);
}

/* Grades go out without PostgreSQL, so its absence does not make the service unready: the detail tells. One that refuses us wants the operator. */
static void sink_turn(void *ctx, bool database_there)
{
    struct parts *parts = ctx;

    service_alive(parts->svc, "case");
    if (clock_mono_ms() < parts->refused_until_ms)
        return;
    service_check(
        parts->svc, "case", true,
        database_there ? "" : "waits for PostgreSQL, or for Kafka where \"kafka\" is not ready");
}

/* A missing table (a restore under way) or a missing right ends no process: first grades never wait for PostgreSQL. Only common/db names a SQLSTATE. */
static bool bear_with_database(struct parts *parts, struct err *err)
{
    if (err->kind != ERR_CONFIG || !strstr(err->text, "SQLSTATE"))
        return false;
    err->kind = ERR_TRANSIENT;
    parts->refused_until_ms = clock_mono_ms() + PROBATION_MS;
    service_check(parts->svc, "case", false, err->text);
    return false;
}

/* One table of them: the sink prepares no more. */
static bool list_statements(struct db_statement ret[STATEMENTS_MAX], struct err *err)
{
    if (store_statements_n + link_statements_n > STATEMENTS_MAX)
        return err_set(err, ERR_FATAL, "more than %d statements", STATEMENTS_MAX);
    memcpy(ret, store_statements, store_statements_n * sizeof(*ret));
    memcpy(ret + store_statements_n, link_statements, link_statements_n * sizeof(*ret));
    return true;
}

static bool case_once(void *ctx, struct service *svc, struct err *err)
{
    struct parts *parts = ctx;
    struct db_statement statements[STATEMENTS_MAX];
    AUTO(auto_sink) struct sink *sink = NULL;
    const char *const input[] = {topics[TOPIC_REPORT].name, topics[TOPIC_ACTION].name,
                                 topics[TOPIC_INCIDENT].name};
    const char *const output[] = {topics[TOPIC_INCIDENT].name, topics[TOPIC_DEAD].name};
    struct sink_conf conf = {
        .kafka = parts->kafka,
        .pg = parts->conf->pg,
        .schema = CLASSIFIER_SCHEMA,
        .group = CASES_GROUP,
        .instance = parts->conf->instance,
        .input = {input, ARRAY_LEN(input)},
        .outputs = output,
        .outputs_n = ARRAY_LEN(output),
        .dead_topic = topics[TOPIC_DEAD].name,
        .batch_max = parts->conf->batch_max,
        .tick_ms = CASES_TICK_MS,
        .gather_ms = 50,
        .statements = statements,
        .statements_n = store_statements_n + link_statements_n,
        .apply = apply,
        .tick = tick,
        .turn = sink_turn,
        .ctx = parts,
    };

    if (!list_statements(statements, err) || !topics_check(&parts->kafka, topics, TOPICS_N, err) ||
        !sink_open(&sink, &conf, err))
        return false;
    return sink_run(sink, service_stop(svc), err) || bear_with_database(parts, err);
}

/* A pipe that waits for records does not see that Kafka went away: the brokers are asked. */
static bool ask_once(void *ctx, struct service *svc, struct err *err)
{
    struct parts *parts = ctx;
    AUTO(auto_client) rd_kafka_t *asker = NULL;
    rd_kafka_conf_t *conf = NULL;
    bool was_there = true;

    if (!kafka_conf_new(&conf, &parts->kafka, err) ||
        !kafka_new(&asker, RD_KAFKA_PRODUCER, conf, err))
        return false;
    while (!service_stopping(svc)) {
        struct err ignored = {0};
        bool is_there = kafka_warm(asker, &topics[TOPIC_REPORT].name, 1, ASK_MS, &ignored);

        if (is_there || !was_there) /* one late answer is no outage */
            service_check(svc, "kafka", is_there, is_there ? "" : "no broker answers");
        was_there = is_there;
        service_alive(svc, "ask");
        service_pause(svc, ASK_MS);
    }
    return true;
}

static void *ask_thread(void *ctx)
{
    struct parts *parts = ctx;
    struct err err = {0};

    if (!service_loop(parts->svc, "ask", ask_once, parts, &err))
        log_err(LOG_WARN, "readiness does not follow Kafka", &err);
    return NULL;
}

static bool run_all(struct parts *parts, struct err *err)
{
    pthread_t pipe, asker;
    bool ok;

    if (pthread_create(&pipe, NULL, grade_thread, parts))
        return err_set(err, ERR_FATAL, "no thread for the pipe");
    ok = pthread_create(&asker, NULL, ask_thread, parts) == 0;
    if (ok) {
        ok = service_loop(parts->svc, "case", case_once, parts, err);
        service_request_stop(parts->svc);
        (void)pthread_join(asker, NULL);
    } else {
        service_request_stop(parts->svc);
        (void)err_set(err, ERR_FATAL, "no thread that asks the brokers");
    }
    (void)pthread_join(pipe, NULL);
    if (ok && parts->pipe_err.kind != ERR_NONE) {
        *err = parts->pipe_err;
        ok = false;
    }
    return ok;
}

bool groups_run(struct service *svc, const struct classifier_conf *conf, struct policy_live *live,
                struct err *err)
{
    struct parts parts = {.conf = conf,
                          .kafka = {conf->kafka_brokers, conf->kafka_properties, "classifier"},
                          .svc = svc};
    bool ok;

    grader_init(&parts.grader, live);
    cases_init(&parts.cases, live, conf->early_max);
    service_started(svc);
    ok = run_all(&parts, err);
    cases_done(&parts.cases);
    grader_done(&parts.grader);
    return ok;
}
