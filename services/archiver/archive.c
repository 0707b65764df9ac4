#include "services/archiver/archive.h"

#include "common/base/clock.h"
#include "common/base/metric.h"
#include "services/archiver/statements.h"

#include "common/base/metric_rows.h"
#include "services/archiver/metrics.def"

bool archive_prepare(const struct archive *a, const char *pg, struct err *err)
{
    AUTO(auto_db) struct db *db = NULL;
    struct db_conf conf = {.conninfo = pg,
                           .application_name = "archiver",
                           .schema = ARCHIVE_SCHEMA,
                           .statements = archiver_statements,
                           .statements_n = archiver_statements_n};

    return db_open(&db, &conf, err) && db_begin(db, err) &&
           store_make_months(db, a->months_ahead, err) && db_commit(db, err);
}

bool archive_apply(void *ctx, struct sink_tx *tx, const struct flow_record *records, size_t n,
                   struct err *err)
{
    struct archive *a = ctx;
    struct store_tally tally;
    int64_t began_us = clock_mono_us();

    if (!store_batch(a->store, tx->db, records, n, &tally, err))
        return false;
    metric_observe_us(&archiver_batch_seconds, clock_mono_us() - began_us);
    metric_add(&archiver_events_total, (int64_t)tally.events);
    metric_add(&archiver_repeats_total, (int64_t)tally.repeats);
    metric_add(&archiver_conflicts_total, (int64_t)tally.conflicts);
    metric_add(&archiver_dead_letters_total, (int64_t)tally.dead_letters);
    metric_add(&archiver_unreadable_total, (int64_t)tally.unreadable);
    return true;
}

bool archive_tick(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    const struct archive *a = ctx;

    *ret_more = false;
    return store_make_months(tx->db, a->months_ahead, err);
}
