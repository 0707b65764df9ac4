#include "services/intake/api_parts.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { LOG_EVERY_MS = 10000 };

/* A request about one incident, on its way through the readers. */
struct incident_job {
    struct job job;
    struct api *api;
    struct http_request *req;
    struct registry *registry; /* the submission's caller lives in it */
    struct submission sub;
    struct incident_name name;
    int64_t started_us;
    struct arena arena; /* what the request lives in */
    bool is_action;
    union {
        struct supplement_request supplement;
        struct action_request action;
    } request;
};

static void job_free(struct incident_job *job)
{
    registry_unref(job->registry);
    arena_done(&job->arena);
    free(job);
}
DEFINE_AUTO(auto_incident_job, struct incident_job, job_free)

/* ---- on the HTTP server's thread */

/* Everything but the body. NULL: answered. */
static struct incident_job *job_begin(struct api *api, struct http_request *req,
                                      enum key_scope scope,
                                      void (*run)(struct job *job, struct reader *reader))
{
    struct registry *registry;
    struct incident_job *job;
    struct incident_name name;
    struct submission sub;
    struct err err = {0};

    if (!api_admit(api, req, scope, &sub, &registry))
        return NULL;
    if (!intake_parse_name(&name, http_param(req, 0), &err)) {
        api_refuse(req, PROBLEM_BAD_NAME, &err);
        return NULL;
    }
    job = calloc(1, sizeof(*job));
    if (!job) {
        api_problem(req, PROBLEM_INTERNAL, "Out of memory.");
        return NULL;
    }
    job->job.run = run;
    job->api = api;
    job->req = req;
    job->registry = registry_ref(registry);
    job->sub = sub;
    job->name = name;
    job->started_us = clock_mono_us();
    arena_init(&job->arena, INTAKE_ARENA_MAX_BYTES);
    return job;
}

static void job_hand_on(struct incident_job *job, struct readers *readers, int64_t deadline_ms,
                        const char *late)
{
    struct http_request *req = job->req;

    if (!http_defer(req, deadline_ms, late)) {
        job_free(job);
    } else if (!readers_add(readers, &job->job)) {
        job_free(job);
        api_problem(req, PROBLEM_BUSY, "As many as are allowed wait already.");
    }
}

static void run_view(struct job *base, struct reader *reader);
static void run_follow_up(struct job *base, struct reader *reader);

static void follow_up_hand_on(struct incident_job *job)
{
    const struct api_conf *conf = &job->api->conf;

    job_hand_on(job, conf->finders, conf->ack_deadline_ms,
                "It was not stored in time; it may yet be.");
}

void api_post_supplement(void *ctx, struct http_request *req)
{
    struct api *api = ctx;
    AUTO(auto_incident_job)
    struct incident_job *job = job_begin(api, req, KEY_MAY_REPORT, run_follow_up);
    struct err err = {0};

    if (!job || !api_read(req, &supplement_request_shape, &job->request.supplement, &job->arena))
        return;
    if (!intake_check_supplement(&job->request.supplement, &job->arena, &err))
        api_refuse(req, PROBLEM_INVALID, &err);
    else
        follow_up_hand_on(TAKE(job));
}

void api_post_action(void *ctx, struct http_request *req)
{
    struct api *api = ctx;
    AUTO(auto_incident_job)
    struct incident_job *job = job_begin(api, req, KEY_MAY_ACT, run_follow_up);
    struct err err = {0};

    if (!job || !api_read(req, &action_request_shape, &job->request.action, &job->arena))
        return;
    job->is_action = true;
    if (!intake_check_action(&job->request.action, job->sub.received_ms, &err))
        api_refuse(req, PROBLEM_INVALID, &err);
    else
        follow_up_hand_on(TAKE(job));
}

void api_get_incident(void *ctx, struct http_request *req)
{
    struct api *api = ctx;
    struct incident_job *job = job_begin(api, req, KEY_MAY_READ, run_view);

    if (job)
        job_hand_on(job, api->conf.readers, api->conf.read_deadline_ms,
                    "The database did not answer in time. Reporting still works.");
}

/* ---- on a reader's thread */

/* Every request may find the database away: one line says it for all. */
static void log_away(const struct err *err)
{
    static _Atomic int64_t next_ms;
    int64_t now_ms = clock_mono_ms(), due_ms = atomic_load(&next_ms);

    if (now_ms >= due_ms &&
        atomic_compare_exchange_strong(&next_ms, &due_ms, now_ms + LOG_EVERY_MS))
        log_err(LOG_WARN, "incidents cannot be read", err);
}

static enum store_answer find(struct incident_job *job, struct reader *reader, struct target *ret)
{
    enum store_answer answer = STORE_AWAY;
    struct err err = {0};

    if (!feed_database_there(job->api->conf.feed))
        return STORE_AWAY; /* no attempt that might hang */
    answer = store_find(reader->store, &job->name, ret, &err);
    if (answer == STORE_AWAY)
        log_away(&err);
    return answer;
}

static void answer_missing(struct incident_job *job, enum store_answer answer)
{
    if (answer == STORE_AWAY) {
        api_count(COUNT_intake_database_away_total);
        api_problem(job->req, PROBLEM_DATABASE_AWAY, "PostgreSQL does not answer.");
    } else {
        api_problem(job->req, PROBLEM_NOT_VISIBLE,
                    "No incident of this name is visible to this key.");
    }
}

/* Another enterprise's incident is as one that is not there. */
static enum store_answer find_visible(struct incident_job *job, struct reader *reader,
                                      struct target *ret)
{
    enum store_answer answer = find(job, reader, ret);

    if (answer != STORE_FOUND || intake_may_see(job->sub.caller, ret))
        return answer;
    api_count(COUNT_intake_foreign_total);
    return STORE_UNKNOWN;
}

/* The incident that a supplement or an action goes to. False: answered. */
static bool aim(struct incident_job *job, struct reader *reader, struct target *ret)
{
    struct target known;
    enum store_answer answer = find_visible(job, reader, &known);

    if (answer != STORE_FOUND && !id_is_set(&job->name.id)) {
        answer_missing(job, answer); /* a reference is not enough to derive the id from */
        return false;
    }
    if (answer != STORE_FOUND)
        api_count(COUNT_intake_unchecked_total);
    intake_aim(ret, job->sub.caller, &job->name.id, answer == STORE_FOUND ? &known : NULL);
    return true;
}

static void run_follow_up(struct job *base, struct reader *reader)
{
    AUTO(auto_incident_job) struct incident_job *job = (struct incident_job *)(void *)base;
    struct workshop *w = &reader->workshop;
    struct target target;
    struct outgoing out;
    struct err err = {0};

    if (!aim(job, reader, &target))
        return;
    if (job->is_action
            ? intake_action(&job->sub, &target, &job->request.action, w, &out, &err)
            : intake_supplement(&job->sub, &target, &job->request.supplement, w, &out, &err))
        api_publish(job->api, job->req, &job->sub, &out, w, job->started_us);
    else
        api_refuse(job->req, PROBLEM_INVALID, &err);
}

static void run_view(struct job *base, struct reader *reader)
{
    AUTO(auto_incident_job) struct incident_job *job = (struct incident_job *)(void *)base;
    struct target known;
    struct err err = {0};
    enum store_answer answer = find_visible(job, reader, &known);

    if (answer == STORE_FOUND)
        answer = store_view(reader->store, &known.incident_id, &reader->document, &err);
    if (err.kind != ERR_NONE)
        log_away(&err);
    if (answer != STORE_FOUND) {
        answer_missing(job, answer);
        return;
    }
    api_count(COUNT_intake_reads_total);
    http_reply(job->req, &(struct http_response){.status = 200,
                                                 .body = reader->document.data,
                                                 .body_len = reader->document.len});
}
