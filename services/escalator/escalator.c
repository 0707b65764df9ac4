#include "services/escalator/escalator.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "proto/event_headers.h"
#include "services/escalator/escalate.h"
#include "services/escalator/registry.h"

#include "common/base/metric_rows.h"
#include "services/escalator/metrics.def"

#define GAUGE_EVERY_MS  1000
#define EXPIRY_EVERY_MS 60000
#define EXPIRED_MAX     100
#define DAY_MS          INT64_C(86400000)

const enum topic_id escalator_inputs[ESCALATOR_INPUTS_N] = {TOPIC_REPORT, TOPIC_INCIDENT,
                                                            TOPIC_ACTION, TOPIC_NOTIFICATION};

bool escalator_open(struct escalator *e, const struct escalator_conf *conf, struct err *err)
{
    e->conf = conf;
    e->registry_version = -1;
    buf_init(&e->body, EVENT_BODY_MAX_BYTES);
    if (topics[TOPIC_ACTION].partitions > HEARD_MAX)
        return err_set(err, ERR_FATAL, "more than %d partitions", HEARD_MAX);
    return policy_load(&e->policy, conf->policy, err) && store_open(&e->store, err);
}

void escalator_close(struct escalator *e)
{
    policy_free(e->policy);
    directory_free(e->directory);
    store_close(e->store);
    buf_done(&e->body);
}

bool escalator_reload(struct escalator *e, struct err *err)
{
    struct policy *policy = NULL;

    if (!policy_load(&policy, e->conf->policy, err)) {
        metric_add(&escalator_policy_refused_total, 1);
        log_err(LOG_ERROR, "the policy is refused, the one before stays", err);
        return false;
    }
    policy_free(e->policy);
    e->policy = policy;
    log_at(LOG_INFO, "policy loaded", log_str("policy", e->conf->policy));
    return true;
}

/* Asked in every transaction whether it changed: who was registered a moment ago is called. */
static bool refresh_directory(struct escalator *e, struct sink_tx *tx, const PGresult *answer,
                              struct err *err)
{
    struct directory *fresh = NULL;

    if (!registry_read(tx->db, answer, tx->now_ms, &e->registry_version, &fresh, err))
        return err_wrap(err, "registry");
    if (fresh) {
        directory_free(e->directory);
        e->directory = fresh;
    }
    return true;
}

/* --- out --------------------------------------------------------------------------------------- */

static void count(const struct effect *effect)
{
    const struct escalation_raised *raised = effect->body;
    const struct escalation_state *state = effect->body;

    if (effect->type == EVENT_ESCALATION_RAISED) {
        metric_add(&escalator_raised_total, 1);
        metric_add(&escalator_vacant_total, !raised->person_id);
        metric_add(&escalator_unconfirmed_total, raised->unconfirmed);
    } else if (effect->type == EVENT_ESCALATION_STATE) {
        metric_add(&escalator_refused_total, !state->applied);
    } else if (effect->type == EVENT_OBLIGATION_OVERDUE) {
        metric_add(&escalator_overdue_total, 1);
    }
}

static bool publish(struct escalator *e, struct sink_tx *tx, const struct incident *inc,
                    const struct effect *effect, struct err *err)
{
    struct record rec = {.topic = topics[event_types[effect->type].topic].name,
                         .key = inc->id.text,
                         .key_len = ID_TEXT_LEN};
    struct event_headers headers;

    buf_reset(&e->body);
    if (!event_encode(effect->type, effect->body, &e->body, err)) {
        err->kind = ERR_FATAL; /* ours: no sender's bytes are to blame */
        return err_wrap(err, "publish");
    }
    event_headers_fill(&headers, effect->type, &effect->id, "escalator", tx->now_ms);
    rec.value = buf_text(&e->body);
    rec.value_len = e->body.len;
    if (!record_headers_add(&rec, headers.names, headers.values, headers.n))
        return err_set(err, ERR_FATAL, "publish: too many headers");
    count(effect);
    return sink_publish(tx, &rec, err);
}

static bool publish_all(struct escalator *e, struct sink_tx *tx, const struct incident *inc,
                        const struct changes *changes, struct err *err)
{
    for (const struct effect *effect = changes->first; effect; effect = effect->next)
        if (!publish(e, tx, inc, effect, err))
            return false;
    return true;
}

static bool refuse_foreign(struct sink_tx *tx, const struct flow_record *in, struct err *err)
{
    metric_add(&escalator_foreign_total, 1);
    return sink_refuse(tx, in, "the incident belongs to another enterprise", false, err);
}

/* --- early actions ------------------------------------------------------------------------------ */

static bool count_waiting(struct sink_tx *tx, const struct batch *b, const struct early *e,
                          int64_t *ret, struct err *err)
{
    for (size_t i = b->early_n; i-- > 0;)
        if (!b->early[i].is_stored &&
            strcmp(b->early[i].enterprise_id.text, e->enterprise_id.text) == 0) {
            *ret = b->early[i].waiting;
            return true;
        }
    return store_count_early(tx->db, &e->enterprise_id, ret, err);
}

static bool keep(struct escalator *e, struct sink_tx *tx, struct batch *b,
                 const struct flow_record *rec, const struct event *ev, struct err *err)
{
    struct early early = {.event_id = ev->id,
                          .incident_id = ev->incident_id,
                          .enterprise_id = ev->enterprise_id,
                          .topic = rec->topic,
                          .partition = rec->partition,
                          .offset = rec->offset,
                          .appended_at = rec->appended_ms,
                          .kept_at = tx->now_ms,
                          .value_len = rec->value_len};
    struct early *kept;

    if (!count_waiting(tx, b, &early, &early.waiting, err))
        return false;
    if (early.waiting++ >= e->conf->early_max) {
        metric_add(&escalator_early_dropped_total, 1);
        return sink_refuse(tx, rec,
                           "too many events of this enterprise wait for a grade: replay it when "
                           "its incident has one",
                           true, err);
    }
    if (!text_keep(&early.type, rec->event_type, &b->arena) ||
        !text_keep_n(&early.value, rec->value, rec->value_len, &b->arena) ||
        !(kept = batch_add_early(b)))
        return err_memory(err);
    *kept = early;
    metric_add(&escalator_early_total, 1);
    return true;
}

/* What was kept, as it came. */
static struct flow_record record_of(const struct early *early)
{
    return (struct flow_record){.topic = early->topic,
                                .partition = early->partition,
                                .offset = early->offset,
                                .appended_ms = early->appended_at,
                                .key = early->incident_id.text,
                                .key_len = ID_TEXT_LEN,
                                .value = early->value,
                                .value_len = early->value_len,
                                .event_id = early->event_id.text,
                                .event_type = early->type};
}

static bool decode(struct event *ret, const struct flow_record *rec, struct err *err)
{
    const struct event_record in = {.type = rec->event_type,
                                    .id = rec->event_id,
                                    .key = rec->key,
                                    .key_len = rec->key_len,
                                    .value = rec->value,
                                    .value_len = rec->value_len,
                                    .without_doc = true};

    return event_decode(ret, &in, err);
}

/* What is wrong with it is not the grade's fault. */
static bool apply_early(struct escalator *e, struct sink_tx *tx, struct batch *b,
                        struct incident *inc, struct early *early, struct err *err)
{
    AUTO(auto_event) struct event ev = {0};
    struct world world = {e->policy, e->directory, &b->arena, tx->now_ms};
    struct flow_record rec = record_of(early);
    struct changes changes;
    struct err why = {0};

    early->is_done = true;
    if (!decode(&ev, &rec, &why)) {
        if (why.kind == ERR_INPUT)
            return sink_refuse(tx, &rec, why.text, true, err);
        *err = why;
        return false;
    }
    if (!escalate_event(inc, &ev, early->appended_at, &world, &changes, err))
        return false;
    if (changes.verdict == VERDICT_FOREIGN)
        return refuse_foreign(tx, &rec, err);
    return publish_all(e, tx, inc, &changes, err);
}

/* The grade is there: what waited for it follows, in the order in which it came. Also later than
 * with the grade itself: an instance that had lost its partitions may have kept it meanwhile. */
static bool apply_waiting(struct escalator *e, struct sink_tx *tx, struct batch *b,
                          struct incident *inc, struct err *err)
{
    for (size_t i = 0; i < b->early_n; i++)
        if (!b->early[i].is_done && strcmp(b->early[i].incident_id.text, inc->id.text) == 0 &&
            !apply_early(e, tx, b, inc, &b->early[i], err))
            return false;
    return true;
}

static bool expire(struct escalator *e, struct sink_tx *tx, struct err *err)
{
    AUTO(batch_done) struct batch b;

    batch_init(&b);
    if (!store_expired(tx->db, tx->now_ms - EARLY_DAYS * DAY_MS, EXPIRED_MAX, &b, err))
        return false;
    for (size_t i = 0; i < b.early_n; i++) {
        struct flow_record rec = record_of(&b.early[i]);

        b.early[i].is_done = true;
        metric_add(&escalator_early_dropped_total, 1);
        if (!sink_refuse(tx, &rec, "its incident had no grade for seven days", true, err))
            return false;
    }
    return store_save(e->store, tx->db, &b, err);
}

/* --- events ------------------------------------------------------------------------------------- */

/* Types that this version does not know, and those that mean nothing here, are passed by. */
static bool is_wanted(const struct flow_record *rec)
{
    enum event_type type;

    if (rec->is_repeat)
        return false;
    return !rec->event_type || (event_type_parse(rec->event_type, strlen(rec->event_type), &type) &&
                                escalate_wants(type));
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct id *)a)->text, ((const struct id *)b)->text);
}

/* The incidents that the records are about, each once, in order. */
static bool collect_ids(const struct flow_record *records, size_t n, struct arena *arena,
                        struct id **ret, size_t *ret_n, struct err *err)
{
    struct id *ids = arena_take(arena, (n + 1) * sizeof(*ids));
    size_t found = 0, kept = 0;

    if (!ids)
        return err_memory(err);
    for (size_t i = 0; i < n; i++)
        if (is_wanted(&records[i]) && id_set(&ids[found], records[i].key, records[i].key_len))
            found++;
    qsort(ids, found, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < found; i++)
        if (i == 0 || compare_ids(&ids[i], &ids[kept - 1]) != 0)
            ids[kept++] = ids[i];
    *ret = ids;
    *ret_n = kept;
    return true;
}

static bool handle(struct escalator *e, struct sink_tx *tx, struct batch *b,
                   const struct flow_record *rec, const struct event *ev, struct err *err)
{
    struct world world = {e->policy, e->directory, &b->arena, tx->now_ms};
    struct incident *inc = batch_find(b, ev->incident_id.text);
    struct changes changes;

    if (!inc->is_open)
        inc->partition = rec->partition;
    if (!escalate_event(inc, ev, rec->appended_ms, &world, &changes, err) ||
        !publish_all(e, tx, inc, &changes, err))
        return false;
    metric_add(&escalator_events_total, 1);
    if (changes.verdict == VERDICT_KEEP)
        return keep(e, tx, b, rec, ev, err);
    if (changes.verdict == VERDICT_FOREIGN)
        return refuse_foreign(tx, rec, err);
    return !inc->is_graded || apply_waiting(e, tx, b, inc, err);
}

static bool handle_record(struct escalator *e, struct sink_tx *tx, struct batch *b,
                          const struct flow_record *rec, struct err *err)
{
    AUTO(auto_event) struct event ev = {0};

    return decode(&ev, rec, err) && handle(e, tx, b, rec, &ev, err);
}

bool escalator_apply(struct escalator *e, struct sink_tx *tx, const struct flow_record *records,
                     size_t n, struct err *err)
{
    AUTO(batch_done) struct batch b;
    AUTO(auto_result) PGresult *version = NULL;
    int64_t began_us = clock_mono_us();
    struct id *ids = NULL;
    size_t ids_n = 0;

    batch_init(&b);
    if (!registry_ask(tx->db, &version, err) ||
        !collect_ids(records, n, &b.arena, &ids, &ids_n, err) ||
        !store_load(e->store, tx->db, ids, ids_n, &b, err) ||
        !refresh_directory(e, tx, version, err))
        return false;
    FAILPOINT("escalator.locked");
    for (size_t i = 0; i < n; i++)
        if (is_wanted(&records[i]) && !handle_record(e, tx, &b, &records[i], err))
            return false;
    if (!store_save(e->store, tx->db, &b, err))
        return false;
    metric_observe_us(&escalator_batch_seconds, clock_mono_us() - began_us);
    return true;
}

/* --- time --------------------------------------------------------------------------------------- */

/* A partition is deaf when it could not be read up to its end for the whole grace. Only time in which we looked counts: not that for which
 * the service or PostgreSQL was down. */
static bool hear(struct escalator *e, struct sink_tx *tx, struct err *err)
{
    int64_t until_ms[HEARD_MAX], now_ms = clock_mono_ms(), looked_ms = now_ms - e->looked_at_ms;
    const char *names[ESCALATOR_INPUTS_N];

    for (size_t i = 0; i < ESCALATOR_INPUTS_N; i++)
        names[i] = topics[escalator_inputs[i]].name;
    if (!store_heard(tx->db, ESCALATOR_GROUP, names, ESCALATOR_INPUTS_N, until_ms, err))
        return false;
    if (looked_ms > 2 * e->conf->tick_ms)
        looked_ms = 2 * e->conf->tick_ms;
    e->looked_at_ms = now_ms;
    for (int i = 0; i < topics[TOPIC_ACTION].partitions; i++) {
        struct heard *h = &e->heard[i];

        h->deaf_ms = h->until_ms == until_ms[i] ? h->deaf_ms + looked_ms : 0;
        h->until_ms = until_ms[i];
        h->is_deaf = h->deaf_ms >= 1000 * e->conf->grace_s;
    }
    return true;
}

/* Clocks are read without a lock, their incidents are locked, and what is due is read again then (hard case 12). */
static bool fire_due(struct escalator *e, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    AUTO(batch_done) struct batch b;
    struct world world = {e->policy, e->directory, &b.arena, tx->now_ms};
    struct due_query q = {e->heard, tx->now_ms, DUE_MAX};
    struct id *ids;
    size_t n;

    batch_init(&b);
    if (!store_due(e->store, tx->db, &q, &b.arena, &ids, &n, err))
        return false;
    if (n == 0 || !store_load_free(e->store, tx->db, ids, n, &b, err))
        return n == 0;
    FAILPOINT("escalator.claimed");
    for (size_t i = 0; i < b.incidents_n; i++) {
        struct incident *inc = &b.incidents[i];
        const struct heard *heard = &e->heard[inc->partition];
        struct changes changes;

        if (!escalate_due(inc, heard->until_ms, heard->is_deaf, &world, &changes, err) ||
            !publish_all(e, tx, inc, &changes, err))
            return false;
        *ret_more = *ret_more || changes.first;
    }
    return store_save(e->store, tx->db, &b, err);
}

/* The oldest clock that waits, whoever has its lock (hard case 5). */
static bool audit(struct escalator *e, struct sink_tx *tx, struct err *err)
{
    struct due_query q = {e->heard, tx->now_ms, 1};
    int64_t oldest_ms;

    if (!store_oldest_due(e->store, tx->db, &q, &oldest_ms, err))
        return false;
    metric_set(&escalator_due_oldest_ms, oldest_ms ? tx->now_ms - oldest_ms : 0);
    return true;
}

static bool is_time(int64_t *due_ms, int64_t every_ms)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms < *due_ms)
        return false;
    *due_ms = now_ms + every_ms;
    return true;
}

bool escalator_tick(struct escalator *e, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    AUTO(auto_result) PGresult *version = NULL;
    int64_t began_us = clock_mono_us();

    *ret_more = false;
    if (!registry_ask(tx->db, &version, err) || !hear(e, tx, err) ||
        !refresh_directory(e, tx, version, err))
        return false;
    if (is_time(&e->gauge_due_ms, GAUGE_EVERY_MS) && !audit(e, tx, err))
        return false;
    if (is_time(&e->expiry_due_ms, EXPIRY_EVERY_MS) && !expire(e, tx, err))
        return false;
    if (!fire_due(e, tx, ret_more, err))
        return false;
    metric_observe_us(&escalator_tick_seconds, clock_mono_us() - began_us);
    return true;
}
