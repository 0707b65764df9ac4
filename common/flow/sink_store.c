#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/metric.h"
#include "common/flow/sink_parts.h"

#include "common/base/metric_rows.h"
#include "common/flow/sink_store_metrics.def"

const struct db_statement sink_statements[] = {
    {"sink_begin_missing",
     "INSERT INTO kafka_offset (consumer_group, topic, partition)"
     " SELECT $3, t, p FROM unnest($1::text[], $2::int[]) AS u(t, p) ON CONFLICT DO NOTHING"},
    {"sink_begin",
     "UPDATE kafka_offset o SET starter = $4,"
     " starts = CASE WHEN o.starter IS DISTINCT FROM $4 THEN o.starts + 1 ELSE o.starts END"
     " FROM unnest($1::text[], $2::int[]) AS u(t, p)"
     " WHERE o.consumer_group = $3 AND o.topic = u.t AND o.partition = u.p"
     " RETURNING o.topic, o.partition, o.next_offset, o.last_event_id, o.starts,"
     " (extract(epoch FROM o.caught_up_to) * 1000)::bigint"},
    {"sink_end_in_order",
     "UPDATE kafka_offset SET starts = 0 WHERE consumer_group = $1 AND starter = $2"},
    {"sink_advance", "SELECT sink_advance($6, t, p, e, n, l)"
                     " FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::text[])"
                     " AS u(t, p, e, n, l)"},
    {"sink_seen", "INSERT INTO seen (event_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"
                  " RETURNING event_id"},
    {"sink_unsee", "DELETE FROM seen WHERE event_id = $1::uuid"},
    {"sink_caught_up", "UPDATE kafka_offset o SET caught_up_to = u.c"
                       " FROM unnest($1::text[], $2::int[], $3::timestamptz[]) AS u(t, p, c)"
                       " WHERE o.consumer_group = $4 AND o.topic = u.t AND o.partition = u.p"},
    {"sink_rewind", "UPDATE kafka_offset SET next_offset = $4, last_event_id = NULL, starts = 0,"
                    " incarnation = incarnation + 1"
                    " WHERE consumer_group = $1 AND topic = $2 AND partition = $3"},
    {"sink_gap",
     "INSERT INTO kafka_gap (consumer_group, topic, partition, from_offset, to_offset)"
     " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (consumer_group, topic, partition, from_offset)"
     " DO UPDATE SET to_offset = EXCLUDED.to_offset"},
    {"sink_forget", "SELECT sink_forget($1::int)"},
};
const size_t sink_statements_n = ARRAY_LEN(sink_statements);

static void add_part(struct sink *s, const struct reader_part *part)
{
    columns_row(&s->columns);
    columns_text(&s->columns, part->topic);
    columns_int(&s->columns, part->partition);
}

/* Runs the statement with the arrays, behind them the group, and `more` when there is more; empties the arrays. */
static bool run_parts(struct sink *s, const char *statement, const char *more, PGresult **ret,
                      struct err *err)
{
    struct db_args args = {0};
    bool ok = columns_args(&s->columns, statement, &args, err);

    db_arg_text(&args, s->conf.group);
    if (more)
        db_arg_text(&args, more);
    ok = ok && db_run(s->db, statement, &args, ret, err);
    columns_reset(&s->columns);
    return ok;
}

/* ---- what the reader asks */

static void take_beginning(struct reader_part *part, const PGresult *res, int row)
{
    part->next = db_int(res, row, 2);
    if (db_text(res, row, 3))
        snprintf(part->last_id, sizeof(part->last_id), "%s", db_text(res, row, 3));
    part->starts = (int)db_int(res, row, 4);
    part->caught_up_ms = db_int(res, row, 5);
}

static bool read_beginnings(struct sink *s, struct reader_part *parts, size_t n, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;

    for (size_t i = 0; i < n; i++)
        add_part(s, &parts[i]);
    if (!run_parts(s, "sink_begin_missing", NULL, NULL, err))
        return false;
    for (size_t i = 0; i < n; i++)
        add_part(s, &parts[i]);
    if (!run_parts(s, "sink_begin", reader_process(), &res, err))
        return false;
    for (int row = 0; row < PQntuples(res); row++)
        for (size_t i = 0; i < n; i++)
            if (parts[i].partition == db_int(res, row, 1) &&
                strcmp(parts[i].topic, db_text(res, row, 0)) == 0)
                take_beginning(&parts[i], res, row);
    return true;
}

bool sink_begin(void *ctx, struct reader_part *parts, size_t n, struct err *err)
{
    struct sink *s = ctx;

    s->is_ends_set = false;
    if (db_begin(s->db, err) && (n == 0 || read_beginnings(s, parts, n, err)) &&
        db_commit(s->db, err))
        return s->has_begun = true;
    db_rollback(s->db);
    return false;
}

bool sink_rewind(void *ctx, struct reader_part *part, int64_t to_offset, struct err *err)
{
    struct sink *s = ctx;
    struct db_args args = {0};

    db_arg_text(&args, s->conf.group);
    db_arg_text(&args, part->topic);
    db_arg_int(&args, part->partition);
    db_arg_int(&args, to_offset);
    metric_add(&sink_rewinds_total, 1);
    if (db_begin(s->db, err) && db_run(s->db, "sink_rewind", &args, NULL, err) &&
        outbox_again(s->db, err) && db_commit(s->db, err))
        return true;
    db_rollback(s->db);
    return false;
}

bool sink_gap(void *ctx, struct reader_part *part, int64_t log_start, struct err *err)
{
    struct sink *s = ctx;
    struct db_args args = {0};

    db_arg_text(&args, s->conf.group);
    db_arg_text(&args, part->topic);
    db_arg_int(&args, part->partition);
    db_arg_int(&args, part->next);
    db_arg_int(&args, log_start);
    return db_ready(s->db, err) && db_run(s->db, "sink_gap", &args, NULL, err);
}

/* ---- one transaction */

bool sink_advance(struct sink *s, size_t from, size_t to, struct err *err)
{
    size_t parts_n;
    struct reader_part *parts = reader_parts(s->reader, &parts_n);

    for (size_t p = 0; p < parts_n; p++) {
        const struct flow_record *last = NULL;

        for (size_t i = to; i-- > from && !last;)
            if (s->batch.parts[i] == &parts[p])
                last = &s->batch.records[i];
        if (!last)
            continue;
        add_part(s, &parts[p]);
        columns_int(&s->columns, parts[p].next);
        columns_int(&s->columns, last->offset + 1);
        columns_text(&s->columns, last->event_id);
    }
    return run_parts(s, "sink_advance", NULL, NULL, err);
}

static bool has_id(const struct flow_record *rec)
{
    return rec->event_id && id_valid(rec->event_id, strlen(rec->event_id));
}

/* Which ids are new: the statement gives them back in the order they went in. */
bool sink_mark_seen(struct sink *s, size_t from, size_t to, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    int next = 0;

    for (size_t i = from; i < to; i++)
        if (has_id(&s->batch.records[i])) {
            columns_row(&s->columns);
            columns_text(&s->columns, s->batch.records[i].event_id);
        }
    if (!columns_run(&s->columns, s->db, "sink_seen", &res, err))
        return false;
    for (size_t i = from; i < to; i++) {
        struct flow_record *rec = &s->batch.records[i];
        bool is_new = has_id(rec) && next < PQntuples(res) &&
                      strcmp(rec->event_id, db_text(res, next, 0)) == 0;

        next += is_new;
        rec->is_repeat = !is_new && has_id(rec);
        if (rec->is_repeat)
            metric_add(&sink_repeats_total, 1);
    }
    return true;
}

/* Everything that was appended before the end was asked for is applied. */
static void note_heard(struct reader_part *part)
{
    if (part->next >= part->end && part->end_asked_ms > part->caught_up_ms)
        part->caught_up_ms = part->end_asked_ms;
}

bool sink_store_caught_up(struct sink *s, struct reader_part *parts, size_t n, struct err *err)
{
    int64_t paused = 0, oldest_ms = clock_wall_ms(), now_ms = oldest_ms;

    for (size_t i = 0; i < n; i++) {
        struct reader_part *part = &parts[i];
        int64_t was_ms = part->caught_up_ms;

        /* An end holds until it is reached: one that moves on would never be while records come. */
        note_heard(part);
        if (part->caught_up_ms >= part->end_asked_ms) {
            ends_read(s->ends, part);
            note_heard(part);
        }
        paused += part->is_paused;
        if (part->caught_up_ms > was_ms) {
            add_part(s, part);
            columns_time(&s->columns, part->caught_up_ms);
        }
        if (part->caught_up_ms < oldest_ms)
            oldest_ms = part->caught_up_ms;
    }
    metric_set(&sink_behind_ms, now_ms - oldest_ms);
    metric_set(&sink_partitions_paused, paused);
    return s->columns.rows == 0 || run_parts(s, "sink_caught_up", NULL, NULL, err);
}
