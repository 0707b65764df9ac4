#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/flow/sink_parts.h"

#include "common/base/metric_rows.h"
#include "common/flow/sink_metrics.def"

#define ATTEMPTS_MAX 3
#define TRIAL_MS     20000

static bool apply_inside(struct sink *s, size_t from, size_t to, struct err *err)
{
    struct sink_tx tx = {.db = s->db, .sink = s, .now_ms = clock_wall_ms()};

    return sink_advance(s, from, to, err) && sink_mark_seen(s, from, to, err) &&
           s->conf.apply(s->conf.ctx, &tx, s->batch.records + from, to - from, err);
}

static bool bury_inside(struct sink *s, size_t at, const char *reason, struct err *err)
{
    struct dead_letter dead;

    dead_letter_of(&dead, s->conf.dead_topic, &s->batch.records[at], s->conf.group, reason);
    return sink_advance(s, at, at + 1, err) && outbox_add(s->outbox, &dead.record, err);
}

/* A tick that did nothing is no passage. */
#define FAILPOINT_OF_WORK(name)                                                                    \
    do {                                                                                           \
        if (to > from || says)                                                                     \
            FAILPOINT(name);                                                                       \
    } while (0)

/* Ends the transaction: outbox, commit, positions, relay. What says nothing is read again from
 * Kafka should the database forget it, so nobody waits for its disk. */
bool sink_finish(struct sink *s, size_t from, size_t to, struct err *err)
{
    bool says = outbox_has_rows(s->outbox);

    FAILPOINT_OF_WORK("sink.applied");
    if (!outbox_write(s->outbox, s->db, err))
        return false;
    FAILPOINT_OF_WORK("sink.written");
    if (to > from && !says ? !db_commit_soon(s->db, err) : !db_commit(s->db, err))
        return false;
    FAILPOINT_OF_WORK("sink.committed");
    for (size_t i = from; i < to; i++) {
        struct reader_part *part = s->batch.parts[i];

        part->next = s->batch.records[i].offset + 1;
        snprintf(part->last_id, sizeof(part->last_id), "%s",
                 s->batch.records[i].event_id ? s->batch.records[i].event_id : "");
    }
    outbox_relay(s->outbox);
    FAILPOINT_OF_WORK("sink.relayed");
    return true;
}

void sink_undo(struct sink *s)
{
    db_rollback(s->db);
    outbox_forget(s->outbox);
}

static bool apply_once(struct sink *s, size_t from, size_t to, struct err *err)
{
    int64_t began_us = clock_mono_us();

    if (db_begin(s->db, err)) {
        FAILPOINT("sink.begun");
        if (apply_inside(s, from, to, err) && sink_finish(s, from, to, err)) {
            for (size_t i = from; i < to; i++)
                reader_note_done(s->batch.parts[i]);
            metric_add(&sink_records_total, (int64_t)(to - from));
            metric_add(&sink_batches_total, 1);
            metric_observe_us(&sink_batch_seconds, clock_mono_us() - began_us);
            return true;
        }
    }
    sink_undo(s);
    return false;
}

static bool bury(struct sink *s, size_t at, const char *reason, struct err *err)
{
    const struct flow_record *rec = &s->batch.records[at];
    struct reader_part *part = s->batch.parts[at];

    if (!db_begin(s->db, err) || !bury_inside(s, at, reason, err) ||
        !sink_finish(s, at, at + 1, err)) {
        sink_undo(s);
        return err_wrap(err, "dead letter");
    }
    log_at(LOG_WARN, "record dead-lettered", log_str("group", s->conf.group),
           log_str("topic", rec->topic), log_int("partition", rec->partition),
           log_int("offset", rec->offset), log_str("event_id", rec->event_id),
           log_str("reason", reason));
    metric_add(&sink_dead_total, 1);
    reader_note_dead(s->reader, part);
    return true;
}

/* ---- a record that may kill the process is tried in a child, on a connection of the child's own
 */

struct trial {
    struct sink *s;
    size_t at;
};

static void try_apply(void *ctx)
{
    const struct trial *t = ctx;
    struct sink child = *t->s;
    struct db_conf conf = {.conninfo = child.conf.pg,
                           .application_name = child.conf.group,
                           .schema = child.conf.schema,
                           .statements = child.all_statements,
                           .statements_n = sink_statements_n + outbox_statements_n,
                           .more = child.conf.statements,
                           .more_n = child.conf.statements_n,
                           .answer_ms = ANSWER_MS};
    struct err why = {0};

    child.db = NULL;
    if (db_open(&child.db, &conf, &why) && db_begin(child.db, &why) &&
        apply_inside(&child, t->at, t->at + 1, &why))
        db_rollback(child.db);
}

/* ---- batches */

static bool is_suspect(const struct sink *s, size_t at)
{
    return s->batch.records[at].offset < s->batch.parts[at]->suspect_until;
}

static bool apply_range(struct sink *s, size_t from, size_t to, struct err *err);

static bool apply_suspect(struct sink *s, size_t at, struct err *err)
{
    struct trial trial = {s, at};
    char how[64];

    metric_add(&sink_trials_total, 1);
    if (trial_survives(try_apply, &trial, TRIAL_MS, how))
        return apply_range(s, at, at + 1, err);
    reader_trust(s->reader);
    return bury(s, at, how, err);
}

/* All or nothing of [from, to), repeated when another transaction was in the way. */
static bool apply_patiently(struct sink *s, size_t from, size_t to, struct err *err)
{
    for (int attempt = 1;; attempt++) {
        *err = (struct err){0};
        if (apply_once(s, from, to, err))
            return true;
        if (err->kind != ERR_TRANSIENT || attempt == ATTEMPTS_MAX || !db_is_connected(s->db))
            return false;
        metric_add(&sink_retries_total, 1);
        clock_sleep_ms(20 * attempt);
    }
}

static bool halve(struct sink *s, size_t from, size_t to, struct err *err)
{
    size_t middle = from + (to - from) / 2;

    if (apply_patiently(s, from, to, err))
        return true;
    if (err->kind != ERR_INPUT)
        return false;
    if (to - from == 1) {
        struct err poison = *err;

        return bury(s, from, poison.text, err);
    }
    return apply_range(s, from, middle, err) && apply_range(s, middle, to, err);
}

/* Records of a paused partition are passed by, wherever they stand: they are read again after the
 * restart, and neither may their offsets move nor their neighbours' be held up. */
static bool apply_range(struct sink *s, size_t from, size_t to, struct err *err)
{
    while (from < to) {
        size_t end = from;

        while (end < to && !s->batch.parts[end]->is_paused)
            end++;
        if (end > from && !halve(s, from, end, err))
            return false;
        from = end + 1;
    }
    return true;
}

bool sink_apply_batch(struct sink *s, struct err *err)
{
    for (size_t at = 0, to; at < s->batch.n; at = to) {
        to = at + 1;
        if (s->batch.parts[at]->is_paused)
            continue;
        if (is_suspect(s, at)) {
            if (!apply_suspect(s, at, err))
                return false;
            continue;
        }
        while (to < s->batch.n && !is_suspect(s, to))
            to++;
        if (!apply_range(s, at, to, err))
            return false;
    }
    return true;
}
