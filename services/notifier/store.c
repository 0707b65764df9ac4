#include "services/notifier/store.h"

#include <string.h>

#define ROWS_MAX      ((size_t)1000000)
#define IDS_MAX_BYTES ((size_t)64 * 1024)
#define WAITING       "('planned', 'failed', 'unknown')"
/* What hangs together: the host of a URL, or the server that the channel has. */
#define RECEIVER "coalesce(substring(address FROM '://([^/?#]*)'), channel) AS receiver"
#define SUPPRESS "UPDATE message SET state = 'suppressed', changed_at = $1::timestamptz, why = "

const struct db_statement notifier_statements[] = {
    {"registry_version", "SELECT version FROM registry.version"},
    {"registry_park", "SELECT enterprise_id FROM registry.enterprise WHERE is_park"},
    {"registry_contacts", "SELECT p.person_id, p.language, c.channel, c.address, c.secret"
                          " FROM registry.person p JOIN registry.contact c USING (person_id)"
                          " ORDER BY p.person_id, c.priority, c.channel, c.address"},
    {"registry_holders", "SELECT enterprise_id, role, person_id FROM registry.role_holder"
                         " ORDER BY enterprise_id, role, rank"},
    {"registry_absences",
     "SELECT person_id, greatest(from_at, '1970-01-02'), least(to_at, '9999-01-01')"
     " FROM registry.absence WHERE to_at > now() - interval '1 day'"},

    /* One event may be there twice under two ids: the first counts. */
    {"call_raised",
     "INSERT INTO call (escalation_id, event_id, incident_id, raised)"
     " SELECT DISTINCT ON (escalation_id) escalation_id, event_id, incident_id, raised"
     " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) WITH ORDINALITY"
     " AS u(escalation_id, event_id, incident_id, raised, n) ORDER BY escalation_id, n"
     " ON CONFLICT (escalation_id) DO UPDATE SET"
     " event_id = EXCLUDED.event_id, incident_id = EXCLUDED.incident_id,"
     " raised = EXCLUDED.raised WHERE call.raised IS NULL"},
    {"call_acknowledged", "INSERT INTO call (escalation_id, is_acknowledged)"
                          " SELECT DISTINCT unnest($1::uuid[]), true ORDER BY 1"
                          " ON CONFLICT (escalation_id) DO UPDATE SET is_acknowledged = true"
                          " WHERE NOT call.is_acknowledged"},
    {"incident_ended", "INSERT INTO ended (incident_id, incident_seq) VALUES ($1, $2)"
                       " ON CONFLICT (incident_id) DO UPDATE SET"
                       " incident_seq = greatest(ended.incident_seq, EXCLUDED.incident_seq)"},
    {"suppress_acknowledged",
     SUPPRESS "'acknowledged'"
              " WHERE escalation_id = ANY ($2::uuid[]) AND state IN " WAITING},
    {"suppress_ended",
     SUPPRESS "'the incident ended'"
              " WHERE incident_id = $2 AND incident_seq < $3 AND state IN " WAITING},
    {"suppress_claimed", SUPPRESS "$2 WHERE notification_id = $3 AND state = 'sending'"},

    {"message_plan",
     "INSERT INTO message (notification_id, escalation_id, incident_id, incident_seq, partition,"
     " person_id, channel, address, state, due_at, planned_at, changed_at)"
     " SELECT n, e, i, s, p, who, c, a, 'planned', at, at, at"
     " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::int[], $6::uuid[],"
     " $7::text[], $8::text[], $9::timestamptz[]) AS u(n, e, i, s, p, who, c, a, at) ORDER BY n"
     " ON CONFLICT (notification_id) DO NOTHING"},
    {"message_tried", "SELECT person_id, channel, address, partition FROM message"
                      " WHERE escalation_id = $1"},

    {"message_recover",
     "UPDATE message SET state = 'unknown', may_be_duplicate = true, due_at = $3::timestamptz,"
     " changed_at = $3 WHERE state = 'sending' AND claimed_process <> $2"
     " AND (claimed_by = $1 OR ($4::boolean AND due_at <= $3))"},
    /* Only what the sink has heard everything about up to its due time (hard case 1), and of one receiver no more than its share. */
    {"message_claim",
     "WITH held AS (SELECT " RECEIVER ", count(*) AS n FROM message"
     " WHERE state = 'sending' AND claimed_process = $2 GROUP BY 1),"
     " due AS (SELECT w.notification_id, w.due_at, r.receiver FROM message w"
     " JOIN kafka_offset o ON o.consumer_group = '" NOTIFIER_GROUP "' AND o.topic = $5"
     " AND o.partition = w.partition, LATERAL (SELECT " RECEIVER ") r"
     " WHERE w.state IN " WAITING " AND w.due_at <= $3::timestamptz"
     " AND (o.caught_up_to >= w.due_at OR w.due_at <= $6::timestamptz)"
     " AND r.receiver NOT IN (SELECT receiver FROM held WHERE n >= $8::int)"
     " ORDER BY w.due_at LIMIT $7::int FOR UPDATE OF w SKIP LOCKED),"
     " fair AS (SELECT notification_id, coalesce(n, 0) + row_number()"
     " OVER (PARTITION BY receiver ORDER BY due_at) AS place"
     " FROM due LEFT JOIN held USING (receiver))"
     " UPDATE message m SET state = 'sending', attempt = m.attempt + 1, claimed_by = $1,"
     " claimed_process = $2, changed_at = $3, due_at = $4::timestamptz"
     " FROM fair f WHERE m.notification_id = f.notification_id AND f.place <= $8"},
    {"message_claimed",
     "SELECT m.notification_id, m.escalation_id, m.incident_id, m.person_id, m.channel,"
     " m.address, m.attempt, m.may_be_duplicate, c.event_id, c.raised,"
     " CASE WHEN c.is_acknowledged THEN 'acknowledged'"
     " WHEN e.incident_seq > m.incident_seq THEN 'the incident ended' END"
     " FROM message m JOIN call c USING (escalation_id)"
     " LEFT JOIN ended e ON e.incident_id = m.incident_id"
     " WHERE m.state = 'sending' AND m.claimed_process = $1"
     " AND m.notification_id <> ALL ($2::uuid[])"},
    /* Also of a claim that was taken away and is not claimed again: then nobody is told twice. It is given back, so that an outcome counts once. */
    {"message_outcome",
     "UPDATE message m SET state = u.state, due_at = coalesce(u.due_at, m.due_at), why = u.why,"
     " changed_at = u.ended_at, may_be_duplicate = m.may_be_duplicate OR u.state = 'unknown',"
     " claimed_process = NULL"
     " FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], $5::text[],"
     " $6::timestamptz[]) AS u(notification_id, attempt, state, due_at, why, ended_at)"
     " WHERE m.notification_id = u.notification_id AND m.claimed_process = $7"
     " AND m.attempt = u.attempt AND m.state IN ('sending', 'unknown')"
     " RETURNING m.notification_id"},
};
const size_t notifier_statements_n = ARRAY_LEN(notifier_statements);

static int64_t changed(const PGresult *res)
{
    return strtoll(PQcmdTuples((PGresult *)(uintptr_t)res), NULL, 10);
}

static bool run_counted(struct db *db, const char *statement, const struct db_args *args,
                        int64_t *ret, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;

    if (!db_run(db, statement, args, &res, err))
        return false;
    *ret = changed(res);
    return true;
}

/* ---- the registry */

static bool read_contacts(struct directory *d, const PGresult *res)
{
    size_t n = (size_t)PQntuples(res);
    int channel;

    d->contacts = calloc(n + 1, sizeof(*d->contacts));
    if (!d->contacts)
        return false;
    for (int row = 0; row < (int)n; row++) {
        if (!enum_parse(&channel_table, db_text(res, row, 2), &channel))
            continue; /* a way that this version does not know */
        d->contacts[d->contacts_n++] = (struct contact){.person_id = db_text(res, row, 0),
                                                        .language = db_text(res, row, 1),
                                                        .channel = (enum channel)channel,
                                                        .address = db_text(res, row, 3),
                                                        .secret = db_text(res, row, 4)};
    }
    return true;
}

static bool read_holders(struct directory *d, const PGresult *res)
{
    size_t n = (size_t)PQntuples(res);
    int role;

    d->holders = calloc(n + 1, sizeof(*d->holders));
    if (!d->holders)
        return false;
    for (int row = 0; row < (int)n; row++)
        if (enum_parse(&role_table, db_text(res, row, 1), &role))
            d->holders[d->holders_n++] =
                (struct role_holder){db_text(res, row, 0), (enum role)role, db_text(res, row, 2)};
    return true;
}

static bool read_absences(struct directory *d, const PGresult *res)
{
    size_t n = (size_t)PQntuples(res);

    d->absences = calloc(n + 1, sizeof(*d->absences));
    if (!d->absences)
        return false;
    for (int row = 0; row < (int)n; row++)
        d->absences[d->absences_n++] =
            (struct absence){db_text(res, row, 0), db_time(res, row, 1), db_time(res, row, 2)};
    return true;
}

static bool read_registry(struct db *db, struct directory *d, struct err *err)
{
    static const char *const reads[] = {"registry_contacts", "registry_holders", "registry_park",
                                        "registry_absences"};

    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        PGresult *res = NULL;

        if (!db_run(db, reads[i], NULL, &res, err))
            return false;
        d->results[i] = res;
        if ((size_t)PQntuples(res) > ROWS_MAX)
            return err_set(err, ERR_TRANSIENT, "%s: more than %zu rows", reads[i], ROWS_MAX);
    }
    if (!read_contacts(d, d->results[0]) || !read_holders(d, d->results[1]) ||
        !read_absences(d, d->results[3]))
        return err_memory(err);
    d->park_id = PQntuples(d->results[2]) > 0 ? db_text(d->results[2], 0, 0) : "";
    return true;
}

bool store_directory(struct db *db, struct directory **ret, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(auto_directory) struct directory *d = NULL;

    if (!db_run(db, "registry_version", NULL, &res, err))
        return false;
    if (PQntuples(res) == 0)
        return err_set(err, ERR_CONFIG, "registry.version is empty: run `tongbao migrate`");
    if (*ret && (*ret)->version == db_int(res, 0, 0))
        return true;
    d = calloc(1, sizeof(*d));
    if (!d)
        return err_memory(err);
    d->version = db_int(res, 0, 0);
    if (!read_registry(db, d, err))
        return false;
    directory_free(*ret);
    *ret = TAKE(d);
    return true;
}

/* ---- rows that wait to be written together */

void rows_init(struct rows *r)
{
    columns_init(&r->calls);
    columns_init(&r->messages);
    columns_init(&r->outcomes);
}

void rows_done(struct rows *r)
{
    columns_done(&r->calls);
    columns_done(&r->messages);
    columns_done(&r->outcomes);
}

void rows_forget(struct rows *r)
{
    columns_reset(&r->calls);
    columns_reset(&r->messages);
    columns_reset(&r->outcomes);
}

void rows_add_call(struct rows *r, const struct event *raised, const char *body, size_t body_len)
{
    columns_row(&r->calls);
    columns_text(&r->calls, raised->escalation_raised->escalation_id);
    columns_id(&r->calls, &raised->id);
    columns_id(&r->calls, &raised->incident_id);
    columns_text_n(&r->calls, body, body_len);
}

void rows_add_message(struct rows *r, const struct escalation_raised *call,
                      const struct contact *contact, int32_t partition, int64_t now_ms)
{
    struct id id;

    plan_id(&id, call, contact);
    columns_row(&r->messages);
    columns_id(&r->messages, &id);
    columns_text(&r->messages, call->escalation_id);
    columns_text(&r->messages, call->incident_id);
    columns_int(&r->messages, call->incident_seq);
    columns_int(&r->messages, partition);
    columns_text(&r->messages, contact->person_id);
    columns_text(&r->messages, enum_text(&channel_table, (int)contact->channel));
    columns_text(&r->messages, contact->address);
    columns_time(&r->messages, now_ms);
}

void rows_add_outcome(struct rows *r, const struct job *job)
{
    columns_row(&r->outcomes);
    columns_id(&r->outcomes, &job->notification_id);
    columns_int(&r->outcomes, job->attempt);
    columns_text(&r->outcomes, message_state_name(job->state));
    columns_time(&r->outcomes, job->retry_ms);
    columns_text(&r->outcomes, job->verdict.text);
    columns_time(&r->outcomes, job->ended_ms);
}

bool store_write(struct rows *r, struct db *db, int64_t *ret_planned, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;

    *ret_planned = 0;
    if (!columns_run(&r->calls, db, "call_raised", NULL, err) ||
        !columns_run(&r->messages, db, "message_plan", &res, err))
        return false;
    if (res)
        *ret_planned = changed(res);
    return true;
}

bool store_outcomes(struct rows *r, struct db *db, const struct claimant *who, PGresult **ret,
                    struct err *err)
{
    struct db_args args = {0};
    bool ok;

    if (r->outcomes.rows == 0)
        return true;
    ok = columns_args(&r->outcomes, "message_outcome", &args, err);
    db_arg_text(&args, who->process);
    ok = ok && db_run(db, "message_outcome", &args, ret, err);
    columns_reset(&r->outcomes);
    return ok;
}

/* ---- what events tell */

bool store_acknowledged(struct db *db, const char *const *escalation_ids, size_t n, int64_t now_ms,
                        int64_t *ret_suppressed, struct err *err)
{
    struct db_args ids_only = {0}, args = {0};
    struct buf ids;
    bool ok;

    buf_init(&ids, IDS_MAX_BYTES);
    db_array_begin(&ids);
    for (size_t i = 0; i < n; i++)
        db_array_text(&ids, escalation_ids[i]);
    db_array_end(&ids);
    db_arg_text(&ids_only, buf_text(&ids));
    db_arg_time(&args, now_ms);
    db_arg_text(&args, buf_text(&ids));
    ok = db_run(db, "call_acknowledged", &ids_only, NULL, err) &&
         run_counted(db, "suppress_acknowledged", &args, ret_suppressed, err);
    buf_done(&ids);
    return ok;
}

bool store_ended(struct db *db, const char *incident_id, int64_t incident_seq, int64_t now_ms,
                 int64_t *ret_suppressed, struct err *err)
{
    struct db_args ended = {0}, args = {0};

    db_arg_text(&ended, incident_id);
    db_arg_int(&ended, incident_seq);
    db_arg_time(&args, now_ms);
    db_arg_text(&args, incident_id);
    db_arg_int(&args, incident_seq);
    return db_run(db, "incident_ended", &ended, NULL, err) &&
           run_counted(db, "suppress_ended", &args, ret_suppressed, err);
}

/* ---- messages */

bool store_tried(struct db *db, const char *escalation_id, struct way **ret, size_t *ret_n,
                 int32_t *ret_partition, PGresult **ret_res, struct err *err)
{
    struct db_args args = {0};
    struct way *ways;
    size_t n = 0;
    int channel;

    db_arg_text(&args, escalation_id);
    if (!db_run(db, "message_tried", &args, ret_res, err))
        return false;
    ways = calloc((size_t)PQntuples(*ret_res) + 1, sizeof(*ways));
    if (!ways)
        return err_memory(err);
    *ret_partition = 0;
    for (int row = 0; row < PQntuples(*ret_res); row++) {
        *ret_partition = (int32_t)db_int(*ret_res, row, 3);
        if (enum_parse(&channel_table, db_text(*ret_res, row, 1), &channel))
            ways[n++] = (struct way){db_text(*ret_res, row, 0), (enum channel)channel,
                                     db_text(*ret_res, row, 2)};
    }
    *ret = ways;
    *ret_n = n;
    return true;
}

bool store_claim(struct db *db, const struct claimant *who, const struct claim_terms *terms,
                 size_t *ret_n, struct err *err)
{
    struct db_args recover = {0}, args = {0};
    int64_t claimed;

    db_arg_text(&recover, who->instance);
    db_arg_text(&recover, who->process);
    db_arg_time(&recover, terms->now_ms);
    db_arg_bool(&recover, terms->may_take_over);
    db_arg_text(&args, who->instance);
    db_arg_text(&args, who->process);
    db_arg_time(&args, terms->now_ms);
    db_arg_time(&args, terms->now_ms + terms->lease_ms);
    db_arg_text(&args, terms->topic);
    db_arg_time(&args, terms->now_ms - terms->grace_ms);
    db_arg_int(&args, (int64_t)terms->n);
    db_arg_int(&args, (int64_t)terms->share);
    if ((terms->may_recover && !db_run(db, "message_recover", &recover, NULL, err)) ||
        !run_counted(db, "message_claim", &args, &claimed, err))
        return false;
    *ret_n = (size_t)claimed;
    return true;
}

static bool suppress_claimed(struct db *db, const PGresult *res, int row, int64_t now_ms,
                             struct err *err)
{
    struct db_args args = {0};

    db_arg_time(&args, now_ms);
    db_arg_text(&args, db_text(res, row, 10));
    db_arg_text(&args, db_text(res, row, 0));
    return db_run(db, "suppress_claimed", &args, NULL, err);
}

static struct job *read_job(const PGresult *res, int row)
{
    AUTO(auto_job) struct job *job = calloc(1, sizeof(*job));
    int channel = -1;

    if (!job)
        return NULL;
    db_id(&job->notification_id, res, row, 0);
    db_id(&job->escalation_id, res, row, 1);
    db_id(&job->incident_id, res, row, 2);
    db_id(&job->person_id, res, row, 3);
    (void)enum_parse(&channel_table, db_text(res, row, 4), &channel);
    job->channel = (enum channel)channel;
    job->address = strdup(db_text(res, row, 5));
    job->attempt = db_int(res, row, 6);
    job->may_be_duplicate = db_bool(res, row, 7);
    db_id(&job->event_id, res, row, 8);
    job->raised = strdup(db_text(res, row, 9));
    return job->address && job->raised ? TAKE(job) : NULL;
}

bool store_claimed(struct db *db, const struct claimant *who, const char *in_hand, int64_t now_ms,
                   struct job **ret, int64_t *ret_suppressed, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {0};
    struct job *jobs = NULL;

    db_arg_text(&args, who->process);
    db_arg_text(&args, in_hand);
    *ret_suppressed = 0;
    if (!db_run(db, "message_claimed", &args, &res, err))
        return false;
    for (int row = 0; row < PQntuples(res); row++) {
        struct job *job = NULL;
        bool is_wanted = db_text(res, row, 10) == NULL;
        bool ok = is_wanted ? (job = read_job(res, row)) || err_memory(err)
                            : suppress_claimed(db, res, row, now_ms, err);

        if (!ok) {
            jobs_free(jobs);
            return false;
        }
        *ret_suppressed += !is_wanted;
        if (job) {
            job->next = jobs;
            jobs = job;
        }
    }
    *ret = jobs;
    return true;
}
