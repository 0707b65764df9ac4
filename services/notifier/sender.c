#include "services/notifier/sender.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/utf8.h"

#define ANSWER_MAX_BYTES 4096
#define WAIT_MS          1000

struct sender {
    const struct notifier_conf *conf;
    const struct templates *templates; /* the thread's */
    struct templates *own;             /* the thread's: those of the last reload, or NULL */
    struct templates *fresh;           /* under the lock */
    struct channel_conf channel;
    struct http_client *client;
    struct buf subject, text; /* the thread's */
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    pthread_mutex_t lock;
    struct job *queued, **queued_end, *done, **done_end;
};

struct attempt { /* a job under way */
    struct sender *sender;
    struct job *job;
    int64_t began_us;
};
DEFINE_AUTO(auto_attempt, struct attempt, free)

void job_free(struct job *job)
{
    if (!job)
        return;
    free(job->address);
    free(job->secret);
    free(job->language);
    free(job->raised);
    free(job);
}

void jobs_free(struct job *first)
{
    while (first) {
        struct job *next = first->next;

        job_free(first);
        first = next;
    }
}

bool job_event(struct event *ret, const struct job *job, struct err *err)
{
    const struct event_record in = {.type = event_types[EVENT_ESCALATION_RAISED].name,
                                    .id = job->event_id.text,
                                    .key = job->incident_id.text,
                                    .key_len = ID_TEXT_LEN,
                                    .value = job->raised,
                                    .value_len = strlen(job->raised),
                                    .without_doc = true};

    return event_decode(ret, &in, err);
}

static void append(struct job ***end, struct job *job)
{
    job->next = NULL;
    **end = job;
    *end = &job->next;
}

static void give_back(struct sender *s, struct job *job)
{
    char *text = job->verdict.text;

    text[utf8_valid_prefix(text, strlen(text))] =
        '\0'; /* it may have been cut inside a character */
    job->ended_ms = clock_wall_ms();
    pthread_mutex_lock(&s->lock);
    append(&s->done_end, job);
    pthread_mutex_unlock(&s->lock);
}

/* ---- the thread's own */

static void on_done(void *ctx, const struct http_result *result)
{
    struct attempt *attempt = ctx;
    struct job *job = attempt->job;

    FAILPOINT("notifier.sent");
    job->took_us = clock_mono_us() - attempt->began_us;
    channel_of(job->channel)->verdict(result, &job->verdict);
    give_back(attempt->sender, job);
    free(attempt);
}

static void take_templates(struct sender *s)
{
    struct templates *fresh;

    pthread_mutex_lock(&s->lock);
    fresh = TAKE(s->fresh);
    pthread_mutex_unlock(&s->lock);
    if (!fresh)
        return;
    templates_free(s->own);
    s->templates = s->own = fresh;
}

static bool render(struct sender *s, const struct job *job, struct err *err)
{
    AUTO(auto_event) struct event ev = {0};
    struct occasion occasion = {.public_url = s->conf->public_url,
                                .utc_offset_min = s->conf->utc_offset_min,
                                .may_be_duplicate = job->may_be_duplicate};

    if (!job_event(&ev, job, err))
        return false;
    occasion.call = ev.escalation_raised;
    take_templates(s);
    return templates_render(s->templates, job->language, &occasion, &s->subject, &s->text) ||
           err_set(err, ERR_INPUT, "the message is too large");
}

static bool start(struct sender *s, struct job *job, struct request *req, struct err *err)
{
    const struct channel_ops *channel = channel_of(job->channel);
    struct outgoing out = {.notification_id = job->notification_id.text,
                           .incident_id = job->incident_id.text,
                           .address = job->address,
                           .secret = job->secret,
                           .raised = job->raised,
                           .may_be_duplicate = job->may_be_duplicate,
                           .now_ms = clock_wall_ms()};
    AUTO(auto_attempt) struct attempt *attempt = calloc(1, sizeof(*attempt));

    if (!attempt)
        return err_memory(err);
    if (!channel)
        return err_set(err, ERR_INPUT, "there is no such channel in this version");
    if (!render(s, job, err))
        return false;
    out.subject = buf_text(&s->subject);
    out.text = buf_text(&s->text);
    *attempt = (struct attempt){s, job, clock_mono_us()};
    if (!channel->prepare(&s->channel, &out, req, err) ||
        !http_client_start(s->client, &req->transfer, on_done, attempt, err))
        return false;
    attempt = NULL; /* on_done() has it */
    return true;
}

static void try_job(struct sender *s, struct job *job)
{
    struct request req;
    struct err why = {0};

    request_init(&req);
    if (!start(s, job, &req, &why)) {
        job->verdict.fate = why.kind == ERR_INPUT ? FATE_NEVER : FATE_LATER;
        snprintf(job->verdict.text, sizeof(job->verdict.text), "%.390s", why.text);
        give_back(s, job);
    }
    request_done(&req);
}

static void *run(void *ctx)
{
    struct sender *s = ctx;

    while (!atomic_load(&s->stop)) {
        struct job *job, *next;

        pthread_mutex_lock(&s->lock);
        job = s->queued;
        s->queued = NULL;
        s->queued_end = &s->queued;
        pthread_mutex_unlock(&s->lock);
        for (; job; job = next) {
            next = job->next;
            try_job(s, job);
        }
        http_client_run(s->client, WAIT_MS);
    }
    return NULL;
}

/* ---- the other thread's */

bool sender_open(struct sender **ret, const struct notifier_conf *conf,
                 const struct templates *templates, struct err *err)
{
    AUTO(auto_sender) struct sender *s = calloc(1, sizeof(*s));
    struct http_client_conf client = {.inflight_max = conf->inflight_max,
                                      .body_max_bytes = ANSWER_MAX_BYTES,
                                      .ca_file = *conf->ca_file ? conf->ca_file : NULL};

    if (!s)
        return err_memory(err);
    s->conf = conf;
    s->templates = templates;
    s->channel = (struct channel_conf){.smtp_url = conf->smtp_url,
                                       .smtp_from = conf->smtp_from,
                                       .smtp_username = conf->smtp_username,
                                       .smtp_password = conf->smtp_password,
                                       .smtp_starttls = conf->smtp_starttls,
                                       .timeout_ms = conf->send_timeout_ms};
    s->queued_end = &s->queued;
    s->done_end = &s->done;
    buf_init(&s->subject, TEXT_MAX_BYTES);
    buf_init(&s->text, TEXT_MAX_BYTES);
    pthread_mutex_init(&s->lock, NULL);
    if (!http_client_open(&s->client, &client, err))
        return false;
    if (pthread_create(&s->thread, NULL, run, s))
        return err_set(err, ERR_FATAL, "no thread for the sender");
    s->has_thread = true;
    *ret = TAKE(s);
    return true;
}

void sender_close(struct sender *s)
{
    if (!s)
        return;
    atomic_store(&s->stop, true);
    if (s->has_thread) {
        http_client_wakeup(s->client);
        pthread_join(s->thread, NULL);
    }
    http_client_close(s->client);
    jobs_free(s->queued);
    jobs_free(s->done);
    templates_free(s->own);
    templates_free(s->fresh);
    buf_done(&s->subject);
    buf_done(&s->text);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void sender_send(struct sender *s, struct job *job)
{
    pthread_mutex_lock(&s->lock);
    append(&s->queued_end, job);
    pthread_mutex_unlock(&s->lock);
    http_client_wakeup(s->client);
}

void sender_reload(struct sender *s, struct templates *fresh)
{
    struct templates *old;

    pthread_mutex_lock(&s->lock);
    old = s->fresh; /* never taken */
    s->fresh = fresh;
    pthread_mutex_unlock(&s->lock);
    templates_free(old);
}

struct job *sender_take(struct sender *s)
{
    struct job *jobs;

    pthread_mutex_lock(&s->lock);
    jobs = s->done;
    s->done = NULL;
    s->done_end = &s->done;
    pthread_mutex_unlock(&s->lock);
    return jobs;
}
