/*
 * flow_driver - the smallest owner of a pipe or a sink, for tests/component/test_flow.py:
 *
 *     flow_driver pipe INSTANCE BROKERS                flow.in → flow.out
 *     flow_driver sink INSTANCE BROKERS CONNINFO       flow.in → table effect, and one record on flow.out each
 *     flow_driver gather INSTANCE BROKERS CONNINFO     the same sink; flow.later too, which is not urgent
 *
 * A value tells what to do: "poison" is refused, "abort" kills the process, "data" makes PostgreSQL refuse a row, "early" is refused and may
 * come back while table `door` is empty, "quiet…" says nothing on flow.out; everything else passes. Each tick notes its time in table `beat`.
 * Ends at SIGTERM; exit codes by err_exit_code().
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/flow/pipe.h"
#include "common/flow/sink.h"

static atomic_bool stop;
static const char *const inputs[] = {"flow.in", "flow.later"}; /* what is urgent first */
static const char *const outputs[] = {"flow.out"};
static char derived[ID_TEXT_LEN + 1];

static void on_term(int signal)
{
    (void)signal;
    atomic_store(&stop, true);
}

static bool is(const struct flow_record *in, const char *text)
{
    return in->value_len == strlen(text) && memcmp(in->value, text, in->value_len) == 0;
}

/* The output's id follows from the input's: repeated work repeats it. */
static const char *derive(const struct flow_record *in)
{
    struct id_hash d;
    struct id id;

    id_derive(&d, "flow-driver");
    id_derive_text(&d, "parent", in->event_id);
    id_derive_end(&d, &id);
    snprintf(derived, sizeof(derived), "%s", id.text);
    return derived;
}

static enum outcome transform(void *ctx, const struct flow_record *in, int64_t now_ms,
                              struct pipe_out *out, struct err *why)
{
    (void)ctx, (void)now_ms;
    if (is(in, "abort"))
        raise(SIGABRT);
    if (is(in, "skip"))
        return OUTCOME_SKIP;
    if (is(in, "poison")) {
        err_set(why, ERR_INPUT, "it says poison");
        return OUTCOME_REJECT;
    }
    out->topic = outputs[0];
    buf_add(&out->value, in->value, in->value_len);
    out->headers[out->headers_n++] = (struct record_header){"ce_id", derive(in), ID_TEXT_LEN};
    return OUTCOME_DONE;
}

/* Sets *ret when the record was refused. */
static bool refuse_early(struct sink_tx *tx, const struct flow_record *in, bool *ret,
                         struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;

    if (!db_run(tx->db, "door", NULL, &res, err))
        return false;
    *ret = PQntuples(res) == 0;
    return !*ret || sink_refuse(tx, in, "the door is closed", true, err);
}

static bool apply_one(struct sink_tx *tx, const struct flow_record *in, struct err *err)
{
    struct db_args args = {0};
    struct record rec = {.topic = outputs[0],
                         .key = in->key,
                         .key_len = in->key_len,
                         .value = in->value,
                         .value_len = in->value_len};

    if (in->is_repeat)
        return true;
    if (is(in, "abort"))
        raise(SIGABRT);
    if (is(in, "poison"))
        return err_set(err, ERR_INPUT, "it says poison");
    if (is(in, "early")) {
        bool is_refused;

        if (!refuse_early(tx, in, &is_refused, err))
            return false;
        if (is_refused)
            return true;
    }
    db_arg_text(&args, in->event_id);
    db_arg_text(&args, is(in, "data") ? "not a number" : "1");
    if (!db_run(tx->db, "effect", &args, NULL, err))
        return false;
    if (in->value_len >= 5 && memcmp(in->value, "quiet", 5) == 0)
        return true;
    record_header_add(&rec, "ce_id", derive(in));
    return sink_publish(tx, &rec, err);
}

static bool tick(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    (void)ctx, (void)ret_more;
    return db_run(tx->db, "beat", NULL, NULL, err);
}

static bool apply(void *ctx, struct sink_tx *tx, const struct flow_record *records, size_t n,
                  struct err *err)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        if (!apply_one(tx, &records[i], err))
            return false;
    return true;
}

/* Opens, runs, closes; again after transient trouble, as the frame of a service does. */
static bool run_pipe(const struct pipe_conf *conf, struct err *err)
{
    AUTO(auto_pipe) struct pipe *p = NULL;

    return pipe_open(&p, conf, err) && pipe_run(p, &stop, err);
}

static bool run_sink(const struct sink_conf *conf, struct err *err)
{
    AUTO(auto_sink) struct sink *s = NULL;

    return sink_open(&s, conf, err) && sink_run(s, &stop, err);
}

static bool run(char **argv, struct err *err)
{
    static const struct db_statement effect[] = {
        {"effect", "INSERT INTO effect (event_id, amount) VALUES ($1, $2::int)"},
        {"door", "SELECT 1 FROM door"},
        {"beat", "UPDATE beat SET at = clock_timestamp()"}};
    struct kafka_conf kafka = {.brokers = argv[3], .client_id = "flow-driver"};
    struct pipe_conf pipe = {.kafka = kafka,
                             .group = "flow.pipe",
                             .instance = argv[2],
                             .input = {inputs, 1},
                             .outputs = outputs,
                             .outputs_n = 1,
                             .dead_topic = "flow.dead",
                             .inflight_max = 1000,
                             .commit_ms = 20,
                             .transform = transform};
    struct sink_conf sink = {.kafka = kafka,
                             .pg = argv[4],
                             .schema = "flow_test",
                             .group = "flow.sink",
                             .instance = argv[2],
                             .input = {inputs, 1},
                             .outputs = outputs,
                             .outputs_n = 1,
                             .dead_topic = "flow.dead",
                             .batch_max = 100,
                             .tick_ms = 100,
                             .statements = effect,
                             .statements_n = ARRAY_LEN(effect),
                             .apply = apply,
                             .tick = tick};

    if (strcmp(argv[1], "gather") == 0) {
        sink.input.n = ARRAY_LEN(inputs);
        sink.urgent = (struct flow_topics){inputs, 1};
        sink.gather_ms = 2000;
    }
    return strcmp(argv[1], "pipe") == 0 ? run_pipe(&pipe, err) : run_sink(&sink, err);
}

int main(int argc, char **argv)
{
    struct sigaction term = {.sa_handler = on_term};

    if (argc < 4 || (strcmp(argv[1], "pipe") != 0 && argc < 5))
        return 64;
    log_open("flow-driver", argv[2], LOG_INFO);
    sigaction(SIGTERM, &term, NULL);
    while (!atomic_load(&stop)) {
        struct err err = {0};

        if (run(argv, &err))
            break;
        log_err(LOG_WARN, "runs again", &err);
        if (err.kind != ERR_TRANSIENT)
            return err_exit_code(&err);
        clock_sleep_ms(100);
    }
    return 0;
}
