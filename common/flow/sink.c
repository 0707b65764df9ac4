#include "common/flow/sink.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/flow/sink_parts.h"

#define IDLE_MS            100
#define CAUGHT_UP_EVERY_MS 250
#define AHEAD_KB           (8 * 1024)
#define HINT_EVERY_MS      1000
#define FORGET_EVERY_MS    10000
#define FORGET_ROWS        5000
#define INFLIGHT_MAX       100000
#define GIVE_UP_MS         30000
#define SETTLE_MS          3000
#define OUTPUTS_MAX        16

static bool batch_make(struct batch *b, int64_t max)
{
    b->records = calloc((size_t)max, sizeof(*b->records));
    b->parts = calloc((size_t)max, sizeof(struct reader_part *));
    return b->records && b->parts;
}

static void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        rd_kafka_message_destroy(b->records[i].message);
    b->n = 0;
}

static void batch_free(struct batch *b)
{
    batch_clear(b);
    free(b->records);
    free(b->parts);
}

static void batch_add(struct batch *b, rd_kafka_message_t *msg, struct reader_part *part)
{
    flow_record_of(&b->records[b->n], msg);
    b->parts[b->n++] = part;
}

static void sink_revoked(void *ctx)
{
    struct sink *s = ctx;

    batch_clear(&s->batch); /* read, not applied: whoever gets the partitions reads it again */
    batch_clear(&s->gathered);
    if (s->ends)
        ends_set(s->ends, NULL, 0);
    s->is_ends_set = false;
}

static bool is_urgent(const struct sink *s, const char *topic)
{
    for (size_t i = 0; i < s->conf.urgent.n; i++)
        if (strcmp(topic, s->conf.urgent.names[i]) == 0)
            return true;
    return s->conf.urgent.n == 0;
}

static void take(struct sink *s, rd_kafka_message_t *msg, struct reader_part *part)
{
    if (is_urgent(s, part->topic)) {
        batch_add(&s->batch, msg, part);
        return;
    }
    if (s->gathered.n == 0)
        s->gathered.due_ms = clock_mono_ms() + s->conf.gather_ms;
    batch_add(&s->gathered, msg, part);
}

static bool is_full(const struct sink *s)
{
    return s->batch.n + s->gathered.n == (size_t)s->conf.batch_max;
}

/* Takes what is already there; waits only while nothing has to be applied. */
static bool collect(struct sink *s, int64_t wait_ms, struct err *err)
{
    bool took = false;

    while (!is_full(s)) {
        rd_kafka_message_t *msg = NULL;
        struct reader_part *part = NULL;

        if (!reader_poll(s->reader, took ? 0 : wait_ms, &msg, &part, err))
            return false;
        if (!msg)
            return true;
        take(s, msg, part);
        took = true;
    }
    return true;
}

/* ---- between the batches */

static bool tick(struct sink *s, struct err *err)
{
    bool more = false;

    s->tick_due_ms = clock_mono_ms() + s->conf.tick_ms;
    if (!s->conf.tick)
        return true;
    if (db_begin(s->db, err)) {
        struct sink_tx tx = {.db = s->db, .sink = s, .now_ms = clock_wall_ms()};

        if (s->conf.tick(s->conf.ctx, &tx, &more, err) && sink_finish(s, 0, 0, err)) {
            if (more)
                s->tick_due_ms = 0;
            return true;
        }
    }
    sink_undo(s);
    return err_wrap(err, "tick");
}

/* A crash may set it back: it is only ever too old, so nothing has to be flushed to the disk. */
static bool note_caught_up(struct sink *s, struct err *err)
{
    size_t n;
    struct reader_part *parts = reader_parts(s->reader, &n);

    s->caught_up_due_ms = clock_mono_ms() + CAUGHT_UP_EVERY_MS;
    if (n == 0)
        return true;
    if (!s->is_ends_set) {
        ends_set(s->ends, parts, n);
        s->is_ends_set = true;
        return true;
    }
    if (db_begin(s->db, err) && sink_store_caught_up(s, parts, n, err) &&
        db_commit_soon(s->db, err))
        return true;
    db_rollback(s->db);
    return false;
}

/* For lag tools only: the truth stands in PostgreSQL. */
static void hint(struct sink *s)
{
    size_t n;
    struct reader_part *parts = reader_parts(s->reader, &n);
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);

    s->hint_due_ms = clock_mono_ms() + HINT_EVERY_MS;
    for (size_t i = 0; i < n; i++)
        if (parts[i].next != parts[i].stored) {
            rd_kafka_topic_partition_list_add(list, parts[i].topic, parts[i].partition)->offset =
                parts[i].next;
            parts[i].stored = parts[i].next;
        }
    reader_commit(s->reader, list);
}

/* A little at a time: the clocks stand still meanwhile. */
static bool forget_seen(struct sink *s, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {0};

    s->forget_due_ms = clock_mono_ms() + FORGET_EVERY_MS;
    db_arg_int(&args, FORGET_ROWS);
    if (!db_run(s->db, "sink_forget", &args, &res, err))
        return false;
    if (db_int(res, 0, 0) == FORGET_ROWS)
        s->forget_due_ms = 0; /* there may be more */
    return true;
}

static int64_t wait_of(const struct sink *s)
{
    int64_t now_ms = clock_mono_ms();
    int64_t tick_ms = s->conf.tick ? s->tick_due_ms - now_ms : IDLE_MS;
    int64_t caught_up_ms = s->caught_up_due_ms - now_ms;
    int64_t gathered_ms = s->gathered.n > 0 ? s->gathered.due_ms - now_ms : IDLE_MS;
    int64_t wait_ms = tick_ms < caught_up_ms ? tick_ms : caught_up_ms;

    wait_ms = gathered_ms < wait_ms ? gathered_ms : wait_ms;
    if (!s->has_begun)
        return IDLE_MS;
    return wait_ms < 0 ? 0 : wait_ms < IDLE_MS ? wait_ms : IDLE_MS;
}

static bool apply_batch(struct sink *s, struct err *err)
{
    FAILPOINT("sink.polled");
    if (!sink_apply_batch(s, err))
        return false;
    batch_clear(&s->batch);
    return true;
}

static void swap_batches(struct sink *s)
{
    struct batch other = s->batch;

    s->batch = s->gathered;
    s->gathered = other;
}

/* What is urgent never waits for what was gathered, which makes a transaction of its own. */
static bool apply(struct sink *s, struct err *err)
{
    bool is_due = s->gathered.n > 0 && (is_full(s) || clock_mono_ms() >= s->gathered.due_ms);

    if (s->batch.n > 0 && !apply_batch(s, err))
        return false;
    if (!is_due)
        return true;
    swap_batches(s);
    return apply_batch(s, err);
}

static bool turn(struct sink *s, struct err *err)
{
    if (outbox_broken(s->outbox))
        return err_set(err, ERR_TRANSIENT, "the producer is broken");
    if (!collect(s, wait_of(s), err) || !apply(s, err))
        return false;
    if (!s->has_begun)
        return true;
    /* Time goes on without partitions: what is due is rows, and rows are locked. */
    if (clock_mono_ms() >= s->tick_due_ms && !tick(s, err))
        return false;
    if (clock_mono_ms() >= s->caught_up_due_ms && !note_caught_up(s, err))
        return false;
    if (clock_mono_ms() >= s->hint_due_ms)
        hint(s);
    if (clock_mono_ms() >= s->forget_due_ms && !forget_seen(s, err))
        return false;
    return outbox_upkeep(s->outbox, s->db, err);
}

/* Nothing is left to be repeated, and this start does not count as a crash on the offsets that it
 * leaves behind. */
static void end_in_order(struct sink *s)
{
    struct db_args args = {0};
    struct err ignored = {0};

    if (!outbox_settle(s->outbox, s->db, SETTLE_MS, &ignored))
        log_err(LOG_INFO, "the outbox is left to the next start", &ignored);
    hint(s);
    db_arg_text(&args, s->conf.group);
    db_arg_text(&args, reader_process());
    if (!db_ready(s->db, &ignored) || !db_run(s->db, "sink_end_in_order", &args, NULL, &ignored))
        log_err(LOG_INFO, "this stop counts as a start without progress", &ignored);
}

bool sink_run(struct sink *s, const atomic_bool *stop, struct err *err)
{
    while (!atomic_load(stop)) {
        if (!turn(s, err))
            return false;
        if (s->conf.turn)
            s->conf.turn(s->conf.ctx, reader_is_assigned(s->reader) && db_is_connected(s->db));
    }
    end_in_order(s);
    return true;
}

bool sink_publish(struct sink_tx *tx, const struct record *rec, struct err *err)
{
    return outbox_add(tx->sink->outbox, rec, err);
}

bool sink_refuse(struct sink_tx *tx, const struct flow_record *in, const char *reason,
                 bool may_come_back, struct err *err)
{
    struct sink *s = tx->sink;
    struct dead_letter dead;
    struct db_args args = {0};

    dead_letter_of(&dead, s->conf.dead_topic, in, s->conf.group, reason);
    log_at(LOG_WARN, "event refused", log_str("group", s->conf.group), log_str("topic", in->topic),
           log_int("partition", in->partition), log_int("offset", in->offset),
           log_str("event_id", in->event_id), log_str("event_type", in->event_type),
           log_str("reason", dead.reason));
    if (!outbox_add(s->outbox, &dead.record, err))
        return false;
    db_arg_text(&args, in->event_id);
    return !may_come_back || !in->event_id || db_run(tx->db, "sink_unsee", &args, NULL, err);
}

/* ---- life */

static bool open_database(struct sink *s, struct err *err)
{
    size_t n = sink_statements_n;
    struct db_conf conf = {.conninfo = s->conf.pg,
                           .application_name = s->conf.group,
                           .schema = s->conf.schema,
                           .more = s->conf.statements,
                           .more_n = s->conf.statements_n,
                           .answer_ms = ANSWER_MS};

    s->all_statements = calloc(n + outbox_statements_n, sizeof(*s->all_statements));
    if (!s->all_statements)
        return err_memory(err);
    memcpy(s->all_statements, sink_statements, n * sizeof(*sink_statements));
    memcpy(s->all_statements + n, outbox_statements,
           outbox_statements_n * sizeof(*outbox_statements));
    conf.statements = s->all_statements;
    conf.statements_n = n + outbox_statements_n;
    return db_open(&s->db, &conf, err);
}

static bool open_kafka(struct sink *s, struct err *err)
{
    const char *outputs[OUTPUTS_MAX];
    size_t n = 0;
    struct producer_conf out = {.kafka = s->conf.kafka,
                                .inflight_max = INFLIGHT_MAX,
                                .give_up_ms = GIVE_UP_MS,
                                .topics = outputs};
    struct reader_conf in = {
        .kafka = s->conf.kafka,
        .group = s->conf.group,
        .instance = s->conf.instance,
        .input = s->conf.input,
        .gather_ms = s->conf.urgent.n == 0 ? s->conf.gather_ms : 0,
        .ahead_kb = AHEAD_KB,
        .suspects = s->conf.batch_max,
        .owner = {sink_begin, sink_rewind, sink_gap, sink_revoked, s},
    };

    for (size_t i = 0; i < s->conf.outputs_n && n < OUTPUTS_MAX - 1; i++)
        outputs[n++] = s->conf.outputs[i];
    outputs[n++] = s->conf.dead_topic;
    out.topics_n = n;
    return outbox_open(&s->outbox, &out, err) && reader_open(&s->reader, &in, err) &&
           ends_open(&s->ends, reader_handle(s->reader), err);
}

bool sink_open(struct sink **ret, const struct sink_conf *conf, struct err *err)
{
    AUTO(auto_sink) struct sink *s = calloc(1, sizeof(*s));

    if (!s)
        return err_memory(err);
    s->conf = *conf;
    columns_init(&s->columns);
    s->forget_due_ms = clock_mono_ms() + FORGET_EVERY_MS;
    if (!batch_make(&s->batch, conf->batch_max) || !batch_make(&s->gathered, conf->batch_max))
        return err_memory(err);
    if (!open_database(s, err) || !open_kafka(s, err))
        return false;
    *ret = TAKE(s);
    return true;
}

void sink_close(struct sink *s)
{
    if (!s)
        return;
    ends_close(s->ends); /* it asks through the consumer that goes next */
    s->ends = NULL;
    reader_close(s->reader);
    batch_free(&s->batch);
    batch_free(&s->gathered);
    outbox_close(s->outbox);
    db_close(s->db);
    columns_done(&s->columns);
    free(s->all_statements);
    free(s);
}
