#include "services/notifier/notify.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "services/notifier/publish.h"

#include "common/base/metric_rows.h"
#include "services/notifier/metrics.def"

#define LOOK_EVERY_MS      100
#define RECOVER_EVERY_MS   250
#define DIRECTORY_EVERY_MS 1000
#define LEASE_EXTRA_MS     30000 /* a claim outlives its attempt by this much: time to record it */
#define STALL_MS           2000  /* without a tick: PostgreSQL was away, or we stood still */
#define TAKE_OVER_AFTER_MS 15000 /* after a stall: longer than others need to come back too */
#define SHARE              4     /* one receiver has at most this part of what is in hand */
#define DRAIN_EXTRA_MS     2000  /* to record what came back last */
#define IN_HAND_MAX_BYTES  ((size_t)64 * 1024)

bool notify_open(struct notify *n, const struct notifier_conf *conf, struct sender *sender,
                 struct err *err)
{
    struct id process;

    *n = (struct notify){.conf = conf, .sender = sender, .has_claims = true};
    n->in_hand = calloc((size_t)conf->inflight_max, sizeof(*n->in_hand));
    if (!n->in_hand)
        return err_memory(err);
    id_new(&process);
    memcpy(n->process, process.text, sizeof(n->process));
    n->who = (struct claimant){conf->instance, n->process};
    rows_init(&n->rows);
    return true;
}

void notify_close(struct notify *n)
{
    jobs_free(n->back);
    directory_free(n->directory);
    rows_done(&n->rows);
    free(n->in_hand);
    *n = (struct notify){0};
}

void notify_resume(struct notify *n)
{
    n->has_claims = true;
}

bool notify_drain(struct notify *n)
{
    int64_t now_ms = clock_mono_ms();

    if (n->drain_until_ms == 0)
        n->drain_until_ms = now_ms + n->conf->send_timeout_ms + DRAIN_EXTRA_MS;
    return (n->in_hand_n == 0 && !n->has_claims) || now_ms >= n->drain_until_ms;
}

/* ---- what events tell */

static bool refresh_directory(struct notify *n, struct db *db, struct err *err)
{
    n->directory_due_ms = clock_mono_ms() + DIRECTORY_EVERY_MS;
    return store_directory(db, &n->directory, err);
}

static void note_unreachable(const struct escalation_raised *call, const char *why)
{
    metric_add(&notifier_unreachable_total, 1);
    log_at(LOG_ERROR, "a call reached nobody", log_str("incident_id", call->incident_id),
           log_str("escalation_id", call->escalation_id),
           log_str("role", enum_text(&role_table, (int)call->role)), log_str("why", why));
}

/* Plans the next way of a call. It goes out when the bus was heard up to now. False: there is none. */
static bool plan_way(struct notify *n, const struct escalation_raised *call,
                     const struct way *tried, size_t tried_n, int32_t partition, int64_t now_ms)
{
    const struct contact *contact = plan_next(n->directory, call, tried, tried_n, now_ms);

    if (contact)
        rows_add_message(&n->rows, call, contact, partition, now_ms);
    return contact != NULL;
}

static bool write_rows(struct notify *n, struct sink_tx *tx, struct err *err)
{
    int64_t planned = 0;
    bool ok = store_write(&n->rows, tx->db, &planned, err);

    metric_add(&notifier_planned_total, planned);
    return ok;
}

static bool apply_raised(struct notify *n, struct sink_tx *tx, const struct event *ev,
                         const struct flow_record *rec, struct err *err)
{
    const struct escalation_raised *call = ev->escalation_raised;

    rows_add_call(&n->rows, ev, rec->value, rec->value_len);
    if (plan_way(n, call, NULL, 0, rec->partition, tx->now_ms))
        return true;
    /* Perhaps the registry is newer than what we have of it. */
    if (!refresh_directory(n, tx->db, err))
        return false;
    if (plan_way(n, call, NULL, 0, rec->partition, tx->now_ms))
        return true;
    note_unreachable(call, call->person_id ? "no contact is registered" : "nobody has the role");
    return !call->person_id || publish_unreachable(tx, ev, err);
}

static bool apply_state(struct notify *n, struct sink_tx *tx, const struct event *ev,
                        struct err *err)
{
    const struct escalation_state *b = ev->escalation_state;
    bool has_ended = b->state == STATE_REFUTED || b->state == STATE_CLOSED;
    bool has_acknowledged = b->applied && b->acknowledged_escalation_ids_n > 0;
    int64_t acknowledged = 0, ended = 0;

    if (!has_ended && !has_acknowledged)
        return true;
    if (!write_rows(n, tx, err)) /* what it stops may be among them */
        return false;
    if (has_acknowledged &&
        !store_acknowledged(tx->db, b->acknowledged_escalation_ids,
                            b->acknowledged_escalation_ids_n, tx->now_ms, &acknowledged, err))
        return false;
    if (has_ended && !store_ended(tx->db, b->incident_id, b->incident_seq, tx->now_ms, &ended, err))
        return false;
    metric_add(&notifier_suppressed_total, acknowledged + ended);
    return true;
}

static bool apply_record(struct notify *n, struct sink_tx *tx, const struct flow_record *rec,
                         struct err *err)
{
    AUTO(auto_event) struct event ev = {0};
    const struct event_record in = {.type = rec->event_type,
                                    .id = rec->event_id,
                                    .key = rec->key,
                                    .key_len = rec->key_len,
                                    .value = rec->value,
                                    .value_len = rec->value_len,
                                    .without_doc = true};

    if (!event_decode(&ev, &in, err))
        return false;
    if (ev.type == EVENT_ESCALATION_RAISED)
        return apply_raised(n, tx, &ev, rec, err);
    return ev.type != EVENT_ESCALATION_STATE || apply_state(n, tx, &ev, err);
}

bool notify_apply(void *ctx, struct sink_tx *tx, const struct flow_record *records, size_t n,
                  struct err *err)
{
    struct notify *notify = ctx;

    rows_forget(&notify->rows);
    if (!notify->directory && !refresh_directory(notify, tx->db, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!records[i].is_repeat && !apply_record(notify, tx, &records[i], err))
            return false;
    return write_rows(notify, tx, err);
}

/* ---- outcomes */

static struct metric *counter_of(enum message_state state)
{
    static struct metric *const counters[] = {
        [MESSAGE_SENT] = &notifier_sent_total,
        [MESSAGE_FAILED] = &notifier_failed_total,
        [MESSAGE_UNKNOWN] = &notifier_unknown_total,
        [MESSAGE_DEAD] = &notifier_dead_total,
    };

    return counters[state];
}

/* A dead message: the next way, or the next who has the role. */
static bool fall_over(struct notify *n, struct sink_tx *tx, const struct escalation_raised *call,
                      struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct way *tried = NULL;
    size_t tried_n = 0;
    int32_t partition = 0;
    bool ok = refresh_directory(n, tx->db, err) &&
              store_tried(tx->db, call->escalation_id, &tried, &tried_n, &partition, &res, err);

    if (ok && !plan_way(n, call, tried, tried_n, partition, tx->now_ms))
        note_unreachable(call, "all ways are dead");
    free(tried);
    return ok && write_rows(n, tx, err);
}

static void judge(const struct notify *n, struct job *job)
{
    const struct retry_policy retry = {n->conf->attempts_max, n->conf->retry_first_ms};
    int64_t pause_ms = 0;

    job->state = plan_after(job->verdict.fate, job->notification_id.text, job->attempt,
                            job->verdict.asked_ms, &retry, &pause_ms);
    job->retry_ms = pause_ms ? job->ended_ms + pause_ms : 0;
}

static bool tell_outcome(struct notify *n, struct sink_tx *tx, const struct job *job,
                         struct err *err)
{
    AUTO(auto_event) struct event call = {0};
    struct err why = {0};

    metric_add(counter_of(job->state), 1);
    metric_observe_us(&notifier_send_seconds, job->took_us);
    if (!job_event(&call, job, &why)) { /* stored by a version that read more than this one */
        log_err(LOG_ERROR, "an outcome cannot be published", &why);
        return true;
    }
    return publish_outcome(tx, &call, job, err) &&
           (job->state != MESSAGE_DEAD || fall_over(n, tx, call.escalation_raised, err));
}

static void leave_hand(struct notify *n, struct job *job)
{
    for (size_t i = 0; i < n->in_hand_n; i++)
        if (strcmp(n->in_hand[i], job->notification_id.text) == 0) {
            n->in_hand_n--;
            memmove(n->in_hand[i], n->in_hand[n->in_hand_n], sizeof(n->in_hand[0]));
            break;
        }
    metric_set(&notifier_in_hand, (int64_t)n->in_hand_n);
    job_free(job);
}

static bool is_among(const PGresult *res, const struct job *job)
{
    for (int row = 0; row < (res ? PQntuples(res) : 0); row++)
        if (strcmp(db_text(res, row, 0), job->notification_id.text) == 0)
            return true;
    return false;
}

/* An outcome that cannot be written any more was recorded by a tick before, and committed. */
static bool record_outcomes(struct notify *n, struct sink_tx *tx, struct err *err)
{
    AUTO(auto_result) PGresult *written = NULL;
    struct job **at = &n->back;

    while (*at)
        at = &(*at)->next;
    *at = sender_take(n->sender);
    for (struct job *job = n->back; job; job = job->next) {
        judge(n, job);
        rows_add_outcome(&n->rows, job);
    }
    if (!store_outcomes(&n->rows, tx->db, &n->who, &written, err))
        return false;
    for (at = &n->back; *at;) {
        struct job *job = *at;

        if (is_among(written, job)) {
            if (!tell_outcome(n, tx, job, err))
                return false;
            at = &job->next;
            continue;
        }
        FAILPOINT("notifier.recorded");
        *at = job->next;
        leave_hand(n, job);
    }
    return true;
}

/* ---- going out */

static void take_in_hand(struct notify *n, struct job *job)
{
    const struct contact *contact =
        directory_contact(n->directory, job->person_id.text, job->channel, job->address);

    memcpy(n->in_hand[n->in_hand_n++], job->notification_id.text, sizeof(n->in_hand[0]));
    metric_set(&notifier_in_hand, (int64_t)n->in_hand_n);
    job->language = strdup(contact ? contact->language : "");
    job->secret = contact && contact->secret ? strdup(contact->secret) : NULL;
    if (contact && job->language && (job->secret || !contact->secret)) {
        sender_send(n->sender, job);
        return;
    }
    job->verdict = (struct verdict){.fate = contact ? FATE_LATER : FATE_NEVER};
    snprintf(job->verdict.text, sizeof(job->verdict.text), "%s",
             contact ? "out of memory" : "the address is not registered any more");
    job->ended_ms = clock_wall_ms();
    job->next = n->back;
    n->back = job;
}

/* Claims are read again here, after their commit and right before they go out: who acknowledged in
 * between is not called any more (hard case 11). */
static bool hand_out(struct notify *n, struct sink_tx *tx, struct err *err)
{
    struct buf ids;
    struct job *jobs = NULL;
    int64_t suppressed = 0;
    bool ok;

    buf_init(&ids, IN_HAND_MAX_BYTES);
    db_array_begin(&ids);
    for (size_t i = 0; i < n->in_hand_n; i++)
        db_array_text(&ids, n->in_hand[i]);
    db_array_end(&ids);
    ok = store_claimed(tx->db, &n->who, buf_text(&ids), tx->now_ms, &jobs, &suppressed, err);
    buf_done(&ids);
    if (!ok)
        return false;
    metric_add(&notifier_suppressed_total, suppressed);
    /* Another instance may have planned them by a registry that is newer than what we have of it. */
    if (jobs && !refresh_directory(n, tx->db, err)) {
        jobs_free(jobs);
        return false;
    }
    while (jobs && n->in_hand_n < (size_t)n->conf->inflight_max) {
        struct job *job = jobs;

        FAILPOINT("notifier.claimed");
        jobs = job->next;
        take_in_hand(n, job);
    }
    n->has_claims = jobs != NULL;
    jobs_free(jobs);
    return true;
}

static bool claim(struct notify *n, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    size_t inflight_max = (size_t)n->conf->inflight_max, claimed;
    const struct claim_terms terms = {.topic = topics[TOPIC_ESCALATION].name,
                                      .n = inflight_max - n->in_hand_n,
                                      .share = inflight_max < SHARE ? 1 : inflight_max / SHARE,
                                      .now_ms = tx->now_ms,
                                      .lease_ms = n->conf->send_timeout_ms + LEASE_EXTRA_MS,
                                      .grace_ms = n->conf->grace_ms,
                                      .may_recover = now_ms >= n->recover_due_ms,
                                      .may_take_over = now_ms >= n->take_over_ms};

    n->look_due_ms = now_ms + LOOK_EVERY_MS;
    if (terms.may_recover)
        n->recover_due_ms = now_ms + RECOVER_EVERY_MS;
    if (!store_claim(tx->db, &n->who, &terms, &claimed, err))
        return false;
    n->has_claims = claimed > 0;
    *ret_more = claimed > 0; /* hand them out as soon as they are committed */
    if (claimed > 0)
        n->look_due_ms = 0; /* for what had to wait behind a receiver's share */
    return true;
}

/* After a stall claims have run out whose owners may be back any moment with what became of them. */
static void note_turn(struct notify *n, int64_t now_ms)
{
    if (now_ms - n->turn_ms > STALL_MS)
        n->take_over_ms = now_ms + TAKE_OVER_AFTER_MS;
    n->turn_ms = now_ms;
}

bool notify_tick(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    struct notify *n = ctx;
    int64_t now_ms = clock_mono_ms();

    note_turn(n, now_ms);
    rows_forget(&n->rows);
    if ((!n->directory || now_ms >= n->directory_due_ms) && !refresh_directory(n, tx->db, err))
        return false;
    if (!record_outcomes(n, tx, err))
        return false;
    if (n->has_claims && !hand_out(n, tx, err))
        return false;
    if (n->drain_until_ms != 0 || now_ms < n->look_due_ms ||
        n->in_hand_n == (size_t)n->conf->inflight_max)
        return true;
    return claim(n, tx, ret_more, err);
}
