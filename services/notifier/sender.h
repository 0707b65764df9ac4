/*
 * sender - carries messages out: renders, sends, judges the answer. Knows no database.
 *
 * Threads     One of its own, which owns the transfers. All functions from one other thread.
 * Ownership   A job belongs to the sender from sender_send() until sender_take() gives it back with its outcome; each comes back once.
 * Bounds      conf.inflight_max jobs: the caller hands out no more. A transfer ends within conf.send_timeout_ms.
 */
#ifndef SERVICES_NOTIFIER_SENDER_H
#define SERVICES_NOTIFIER_SENDER_H

#include "services/notifier/channel.h"
#include "services/notifier/conf.h"
#include "services/notifier/templates.h"

struct sender;

struct job {
    struct job *next;
    /* what to send */
    struct id notification_id, escalation_id, incident_id, person_id, event_id;
    enum channel channel;
    char *address, *secret, *language, *raised;
    int64_t attempt;
    bool may_be_duplicate;
    /* what became of it */
    struct verdict verdict;
    int64_t ended_ms, took_us;
    /* what follows from it */
    enum message_state state;
    int64_t retry_ms; /* 0: it is not tried again */
};
void job_free(struct job *job);
DEFINE_AUTO(auto_job, struct job, job_free)
void jobs_free(struct job *first); /* a list */

/* The call that a job carries, decoded; its texts live in the job. */
bool job_event(struct event *ret, const struct job *job, struct err *err) MUST_CHECK;

/* conf and templates are borrowed until sender_close(), also after sender_reload(). */
bool sender_open(struct sender **ret, const struct notifier_conf *conf,
                 const struct templates *templates, struct err *err) MUST_CHECK;
void sender_close(struct sender *s); /* transfers under way are cut off */
DEFINE_AUTO(auto_sender, struct sender, sender_close)

void sender_send(struct sender *s, struct job *job);

/* Messages rendered from now on follow these; they belong to the sender. */
void sender_reload(struct sender *s, struct templates *fresh);

/* A list of the jobs that have ended since, in order; NULL: none. */
struct job *sender_take(struct sender *s);

#endif
