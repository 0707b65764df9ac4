#include "common/flow/pipe.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/flow/reader.h"
#include "common/kafka/producer.h"

#include "common/base/metric_rows.h"
#include "common/flow/pipe_metrics.def"

#define VALUE_MAX_BYTES      (2 * 1024 * 1024)
#define IDLE_MS              100
#define DRAIN_MS             3000
#define COMMITTED_TIMEOUT_MS 5000
#define GIVE_UP_MS           30000
#define TRIAL_MS             10000
#define ASK_AGAIN_MS         5
#define AHEAD_KB             (32 * 1024)

/* A span is a run of input whose output is acked or lost together; two of them take turns. */
struct span {
    unsigned sent;
    atomic_uint settled, lost;
    rd_kafka_topic_partition_list_t *offsets; /* where its partitions stand at its end */
};

struct pipe {
    struct pipe_conf conf;
    struct producer *producer;
    struct reader *reader;
    struct span spans[2];
    int open;
    int64_t commit_due_ms;
    struct pipe_out out;
};

static unsigned span_pending(struct span *s)
{
    return s->sent - atomic_load(&s->settled);
}

static void span_clear(struct span *s)
{ /* of a span that is settled: no ack writes to it any more */
    if (s->offsets)
        rd_kafka_topic_partition_list_destroy(s->offsets);
    s->offsets = NULL;
    s->sent = 0;
    atomic_store(&s->lost, 0);
    atomic_store(&s->settled, 0);
}

/* Lost before settled: who sees all settled also sees what was lost. */
static void on_ack(void *ctx, const struct err *err)
{
    struct span *s = ctx;

    if (err)
        atomic_fetch_add(&s->lost, 1);
    atomic_fetch_add(&s->settled, 1);
}

/* ---- where a partition begins: Kafka's committed offset, whose metadata is "1 <starts> <process>
 * <event id before it>" */

static void read_metadata(struct reader_part *part, const rd_kafka_topic_partition_t *committed)
{
    char text[160], process[40] = "";
    int starts = 0;
    size_t len =
        committed->metadata_size < sizeof(text) - 1 ? committed->metadata_size : sizeof(text) - 1;

    if (!committed->metadata)
        return;
    memcpy(text, committed->metadata, len);
    text[len] = '\0';
    /* Bounded by their widths; a metadata of another form leaves everything unknown. */
    if (sscanf(text, "1 %d %39s %64s", &starts, process, part->last_id) < 2)
        return;
    part->starts = starts;
    if (strcmp(part->last_id, "-") == 0)
        part->last_id[0] = '\0';
    if (strcmp(process, reader_process()) != 0)
        part->starts++;
}

static void add_offset(rd_kafka_topic_partition_list_t *list, const struct reader_part *part,
                       int starts)
{
    rd_kafka_topic_partition_t *at =
        rd_kafka_topic_partition_list_add(list, part->topic, part->partition);
    char text[160];

    at->offset = part->next;
    snprintf(text, sizeof(text), "1 %d %s %s", starts, reader_process(),
             part->last_id[0] ? part->last_id : "-");
    at->metadata = strdup(text);
    at->metadata_size = at->metadata ? strlen(text) : 0;
}

static bool pipe_begin(void *ctx, struct reader_part *parts, size_t n, struct err *err)
{
    struct pipe *p = ctx;
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *started = rd_kafka_topic_partition_list_new((int)n);
    rd_kafka_resp_err_t rc;

    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, parts[i].topic, parts[i].partition);
    rc = rd_kafka_committed(reader_handle(p->reader), list, COMMITTED_TIMEOUT_MS);
    if (rc)
        return err_set(err, ERR_TRANSIENT, "committed offsets: %s", rd_kafka_err2str(rc));
    for (size_t i = 0; i < n; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];

        if (at->err)
            return err_set(err, ERR_TRANSIENT, "committed offset of %s[%d]: %s", at->topic,
                           (int)at->partition, rd_kafka_err2str(at->err));
        parts[i].next = parts[i].stored = at->offset >= 0 ? at->offset : 0;
        read_metadata(&parts[i], at);
        add_offset(started, &parts[i], parts[i].starts);
    }
    reader_commit(p->reader,
                  started); /* counts this start; lost with the process only if it dies at once */
    return true;
}

static bool pipe_rewind(void *ctx, struct reader_part *part, int64_t to_offset, struct err *err)
{
    struct pipe *p = ctx;
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t rc;

    part->next = to_offset;
    part->last_id[0] = '\0';
    add_offset(one, part, 0);
    rc = rd_kafka_commit(reader_handle(p->reader), one, 0);
    return !rc || err_set(err, ERR_TRANSIENT, "commit: %s", rd_kafka_err2str(rc));
}

static bool pipe_gap(void *ctx, struct reader_part *part, int64_t log_start, struct err *err)
{
    struct pipe *p = ctx;

    (void)err;
    log_at(LOG_ERROR, "records were removed before they were read", log_str("group", p->conf.group),
           log_str("topic", part->topic), log_int("partition", part->partition),
           log_int("from_offset", part->next), log_int("to_offset", log_start));
    return true;
}

/* ---- one record */

struct trial {
    struct pipe *p;
    const struct flow_record *in;
};

static void try_transform(void *ctx)
{
    struct trial *t = ctx;
    struct err why = {0};

    t->p->conf.transform(t->p->conf.ctx, t->in, clock_wall_ms(), &t->p->out, &why);
}

static bool produce(struct pipe *p, const struct record *rec, struct err *err)
{
    struct span *s = &p->spans[p->open];

    s->sent++;
    if (producer_send(p->producer, rec, on_ack, s, err))
        return true;
    s->sent--;
    return false;
}

static bool bury(struct pipe *p, struct reader_part *part, const struct flow_record *in,
                 const char *reason, struct err *err)
{
    struct dead_letter dead;

    dead_letter_of(&dead, p->conf.dead_topic, in, p->conf.group, reason);
    if (!produce(p, &dead.record, err))
        return false;
    log_at(LOG_WARN, "record dead-lettered", log_str("group", p->conf.group),
           log_str("topic", in->topic), log_int("partition", in->partition),
           log_int("offset", in->offset), log_str("event_id", in->event_id),
           log_str("reason", dead.reason));
    metric_add(&pipe_dead_total, 1);
    reader_note_dead(p->reader, part);
    if (part->is_paused)
        metric_add(&pipe_partitions_paused, 1);
    return true;
}

static bool produce_out(struct pipe *p, const struct flow_record *in, struct err *err)
{
    struct record rec = {.topic = p->out.topic,
                         .key = in->key,
                         .key_len = in->key_len,
                         .value = buf_text(&p->out.value),
                         .value_len = p->out.value.len,
                         .headers_n = p->out.headers_n};

    memcpy(rec.headers, p->out.headers, p->out.headers_n * sizeof(rec.headers[0]));
    metric_add(&pipe_produced_total, 1);
    return produce(p, &rec, err);
}

static enum outcome transform(struct pipe *p, struct reader_part *part,
                              const struct flow_record *in, struct err *why)
{
    int64_t began_us = clock_mono_us();
    struct trial trial = {p, in};
    enum outcome outcome;
    char how[64];

    if (in->offset < part->suspect_until) {
        metric_add(&pipe_trials_total, 1);
        if (!trial_survives(try_transform, &trial, TRIAL_MS, how)) {
            err_set(why, ERR_INPUT, "%s", how);
            reader_trust(p->reader);
            return OUTCOME_REJECT;
        }
    }
    buf_reset(&p->out.value);
    p->out.headers_n = 0;
    p->out.topic = NULL;
    outcome = p->conf.transform(p->conf.ctx, in, clock_wall_ms(), &p->out, why);
    metric_observe_us(&pipe_transform_seconds, clock_mono_us() - began_us);
    return outcome;
}

static bool handle(struct pipe *p, struct reader_part *part, rd_kafka_message_t *msg,
                   struct err *err)
{
    struct flow_record in;
    struct err why = {0};

    flow_record_of(&in, msg);
    FAILPOINT("pipe.polled");
    metric_add(&pipe_records_total, 1);
    switch (transform(p, part, &in, &why)) {
    case OUTCOME_DONE:
        if (!produce_out(p, &in, &why)) {
            if (why.kind != ERR_INPUT) /* too large is the record's fault */
                return err_set(err, why.kind, "%s", why.text);
            if (!bury(p, part, &in, why.text, err))
                return false;
            break;
        }
        FAILPOINT("pipe.produced");
        reader_note_done(part);
        break;
    case OUTCOME_SKIP:
        reader_note_done(part);
        break;
    case OUTCOME_REJECT:
        if (!bury(p, part, &in, why.text, err))
            return false;
        break;
    case OUTCOME_RETRY:
        return err_set(err, ERR_TRANSIENT, "%s[%d] offset %lld: %s", in.topic, (int)in.partition,
                       (long long)in.offset, why.text);
    }
    part->next = in.offset + 1;
    snprintf(part->last_id, sizeof(part->last_id), "%s", in.event_id ? in.event_id : "");
    return true;
}

/* ---- commits never run ahead of acks; nothing waits */

/* Where the partitions stand that moved since the last call; all of them when the pipe stops in
 * order, so that this start is not counted as a crash. */
static rd_kafka_topic_partition_list_t *positions(struct pipe *p, bool all)
{
    size_t n;
    struct reader_part *parts = reader_parts(p->reader, &n);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);

    for (size_t i = 0; i < n; i++) {
        if (all || parts[i].next != parts[i].stored)
            add_offset(list, &parts[i], 0);
        parts[i].stored = parts[i].next;
    }
    return list;
}

static bool span_commit(struct pipe *p, struct span *s, struct err *err)
{
    unsigned lost = atomic_load(&s->lost);

    if (lost > 0)
        return err_set(err, ERR_TRANSIENT, "%u records were not acknowledged", lost);
    if (s->offsets && s->offsets->cnt > 0) {
        FAILPOINT("pipe.acked");
        reader_commit(p->reader, s->offsets);
        metric_add(&pipe_commits_total, 1);
        FAILPOINT("pipe.committed");
    }
    span_clear(s);
    return true;
}

static bool commit(struct pipe *p, struct err *err)
{
    struct span *closed = &p->spans[!p->open];

    if (span_pending(closed) > 0) {
        p->commit_due_ms = clock_mono_ms() + ASK_AGAIN_MS;
        return true;
    }
    if (!span_commit(p, closed, err))
        return false;
    p->spans[p->open].offsets = positions(p, false);
    p->open = !p->open; /* the span that was open closes here */
    p->commit_due_ms = clock_mono_ms() + p->conf.commit_ms;
    return true;
}

/* Waits for the last acks, up to a deadline, and commits what they cover. */
static bool drain(struct pipe *p, bool is_end, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + DRAIN_MS;
    struct span *closed = &p->spans[!p->open], *last = &p->spans[p->open];

    while (span_pending(closed) + span_pending(last) > 0 && clock_mono_ms() < until_ms)
        clock_sleep_ms(1);
    if (span_pending(closed) + span_pending(last) > 0)
        return err_set(err, ERR_TRANSIENT, "the last records were not acknowledged in time");
    last->offsets = last->offsets ? last->offsets : positions(p, is_end);
    return span_commit(p, closed, err) && span_commit(p, last, err);
}

static void pipe_revoked(void *ctx)
{
    struct pipe *p = ctx;
    struct err why = {0};

    if (!drain(p, false, &why))
        log_err(LOG_WARN, "partitions go before everything was committed: it will be repeated",
                &why);
}

bool pipe_run(struct pipe *p, const atomic_bool *stop, struct err *err)
{
    while (!atomic_load(stop)) {
        unsigned pending = span_pending(&p->spans[0]) + span_pending(&p->spans[1]);
        AUTO(auto_message) rd_kafka_message_t *msg = NULL;
        struct reader_part *part = NULL;
        int64_t left_ms = p->commit_due_ms - clock_mono_ms();

        if (producer_broken(p->producer))
            return err_set(err, ERR_TRANSIENT, "the producer is broken");
        metric_set(&pipe_waiting, pending);
        if (pending >= p->conf.inflight_max)
            clock_sleep_ms(1); /* a whole window of acks is under way: let it come in */
        else if (!reader_poll(p->reader,
                              pending == 0  ? IDLE_MS
                              : left_ms < 1 ? 0
                                            : left_ms,
                              &msg, &part, err))
            return false;
        if (msg && !handle(p, part, msg, err))
            return false;
        if (clock_mono_ms() >= p->commit_due_ms && !commit(p, err))
            return false;
        if (p->conf.turn)
            p->conf.turn(p->conf.ctx);
    }
    return drain(p, true, err);
}

/* ---- life */

static bool open_parts(struct pipe *p, struct err *err)
{
    const char *outputs[16];
    size_t n = 0;
    struct producer_conf out = {.kafka = p->conf.kafka,
                                .inflight_max = p->conf.inflight_max + 16,
                                .give_up_ms = GIVE_UP_MS,
                                .topics = outputs};
    struct reader_conf in = {
        .kafka = p->conf.kafka,
        .group = p->conf.group,
        .instance = p->conf.instance,
        .input = p->conf.input,
        .ahead_kb = AHEAD_KB,
        .suspects = p->conf.inflight_max,
        .owner = {pipe_begin, pipe_rewind, pipe_gap, pipe_revoked, p},
    };

    for (size_t i = 0; i < p->conf.outputs_n && n < ARRAY_LEN(outputs) - 1; i++)
        outputs[n++] = p->conf.outputs[i];
    outputs[n++] = p->conf.dead_topic;
    out.topics_n = n;
    return producer_open(&p->producer, &out, err) && reader_open(&p->reader, &in, err);
}

bool pipe_open(struct pipe **ret, const struct pipe_conf *conf, struct err *err)
{
    AUTO(auto_pipe) struct pipe *p = calloc(1, sizeof(*p));

    if (!p)
        return err_memory(err);
    p->conf = *conf;
    buf_init(&p->out.value, VALUE_MAX_BYTES);
    metric_set(&pipe_partitions_paused, 0);
    if (!open_parts(p, err))
        return false;
    *ret = TAKE(p);
    return true;
}

void pipe_close(struct pipe *p)
{
    if (!p)
        return;
    reader_close(p->reader);
    producer_close(p->producer); /* its callbacks write into the spans */
    span_clear(&p->spans[0]);
    span_clear(&p->spans[1]);
    buf_done(&p->out.value);
    free(p);
}
