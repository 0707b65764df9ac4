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
           s->conf.apply(s->conf.ctx, &tx, s->batch + from, to - from, err);
}

static bool bury_inside(struct sink *s, size_t at, const char *reason, struct err *err)
{
    struct dead_letter dead;

    dead_letter_of(&dead, s->conf.dead_topic, &s->batch[at], s->conf.group, reason);
    return sink_advance(s, at, at + 1, err) && outbox_add(s->outbox, &dead.record, err);
}

/* Ends the transaction: outbox, commit, positions, relay. */
bool sink_finish(struct sink *s, size_t from, size_t to, struct err *err)
{
    FAILPOINT("sink.applied");
    if (!outbox_write(s->outbox, s->db, err))
        return false;
    FAILPOINT("sink.written");
    if (!db_commit(s->db, err))
        return false;
    FAILPOINT("sink.committed");
    for (size_t i = from; i < to; i++) {
        struct reader_part *part = s->batch_parts[i];

        part->next = s->batch[i].offset + 1;
        snprintf(part->last_id, sizeof(part->last_id), "%s",
                 s->batch[i].event_id ? s->batch[i].event_id : "");
    }
    outbox_relay(s->outbox);
    FAILPOINT("sink.relayed");
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
                reader_note_done(s->batch_parts[i]);
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
    const struct flow_record *rec = &s->batch[at];
    struct reader_part *part = s->batch_parts[at];

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
    if (part->is_paused)
        metric_add(&sink_partitions_paused, 1);
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
                           .more_n = child.conf.statements_n};
    struct err why = {0};

    child.db = NULL;
    if (db_open(&child.db, &conf, &why) && db_begin(child.db, &why) &&
        apply_inside(&child, t->at, t->at + 1, &why))
        db_rollback(child.db);
}

/* ---- batches */

static bool is_suspect(const struct sink *s, size_t at)
{
    return s->batch[at].offset < s->batch_parts[at]->suspect_until;
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

static bool apply_range(struct sink *s, size_t from, size_t to, struct err *err)
{
    size_t middle = from + (to - from) / 2;

    if (from == to || s->batch_parts[from]->is_paused)
        return true; /* what is left of a paused partition is read again after the restart */
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

/* Leaves the records of paused partitions out of what follows: their offsets must not move. */
static void drop_paused(struct sink *s, size_t from)
{
    size_t kept = from;

    for (size_t i = from; i < s->batch_n; i++) {
        if (s->batch_parts[i]->is_paused) {
            rd_kafka_message_destroy(s->batch[i].message);
            continue;
        }
        if (kept != i) {
            struct flow_record *to = &s->batch[kept];

            flow_record_of(to, s->batch[i].message);
            s->batch_parts[kept] = s->batch_parts[i];
        }
        kept++;
    }
    s->batch_n = kept;
}

bool sink_apply_batch(struct sink *s, struct err *err)
{
    size_t at = 0;

    while (at < s->batch_n) {
        size_t to = at;

        if (is_suspect(s, at)) {
            if (!apply_suspect(s, at, err))
                return false;
            to = at + 1;
        } else {
            while (to < s->batch_n && !is_suspect(s, to))
                to++;
            if (!apply_range(s, at, to, err))
                return false;
        }
        at = to;
        drop_paused(s, at);
    }
    return true;
}
