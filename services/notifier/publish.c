#include "services/notifier/publish.h"

#include <stdio.h>

#include "proto/event_headers.h"

#define ABOUT_MAX 64

static bool publish(struct sink_tx *tx, enum event_type type, const struct event *call,
                    struct notification *body, struct err *err)
{
    char about[ABOUT_MAX];
    struct id id;
    struct event_headers headers;
    struct record rec = {.topic = topics[TOPIC_NOTIFICATION].name,
                         .key = call->incident_id.text,
                         .key_len = ID_TEXT_LEN};
    struct buf value;
    bool ok;

    body->enterprise_id = call->enterprise_id.text;
    body->incident_id = call->incident_id.text;
    SHAPE_SET(body, drill, call->drill);
    snprintf(about, sizeof(about), "%s/%lld", body->notification_id, (long long)body->attempt);
    event_id_derive(&id, &call->id, event_types[type].name, about);
    event_headers_fill(&headers, type, &id, "notifier", tx->now_ms);
    buf_init(&value, EVENT_BODY_MAX_BYTES);
    ok = event_encode(type, body, &value, err) &&
         (record_headers_add(&rec, headers.names, headers.values, headers.n) ||
          err_set(err, ERR_FATAL, "too many headers"));
    rec.value = value.data;
    rec.value_len = value.len;
    ok = ok && sink_publish(tx, &rec, err);
    buf_done(&value);
    return ok;
}

bool publish_outcome(struct sink_tx *tx, const struct event *call, const struct job *job,
                     struct err *err)
{
    static const enum event_type types[] = {
        [MESSAGE_SENT] = EVENT_NOTIFICATION_SENT,
        [MESSAGE_FAILED] = EVENT_NOTIFICATION_FAILED,
        [MESSAGE_UNKNOWN] = EVENT_NOTIFICATION_FAILED,
        [MESSAGE_DEAD] = EVENT_NOTIFICATION_DEAD,
    };
    const struct channel_ops *channel = channel_of(job->channel);
    char hint[HINT_MAX] = "***";
    struct notification body = {.notification_id = job->notification_id.text,
                                .escalation_id = job->escalation_id.text,
                                .person_id = job->person_id.text,
                                .address_hint = hint};

    if (channel)
        channel->hint(job->address, hint);
    SHAPE_SET(&body, occurred_at, job->ended_ms);
    SHAPE_SET(&body, channel, job->channel);
    SHAPE_SET(&body, attempt, job->attempt < 1000 ? job->attempt : 1000);
    SHAPE_SET(&body, may_be_duplicate, job->may_be_duplicate || job->state == MESSAGE_UNKNOWN);
    if (job->retry_ms)
        SHAPE_SET(&body, retry_at, job->retry_ms);
    *(job->state == MESSAGE_SENT ? &body.receipt : &body.why) =
        job->verdict.text[0] ? job->verdict.text : NULL;
    return publish(tx, types[job->state], call, &body, err);
}

bool publish_unreachable(struct sink_tx *tx, const struct event *call, struct err *err)
{
    const struct escalation_raised *b = call->escalation_raised;
    const struct contact nowhere = {
        .person_id = b->person_id, .channel = CHANNEL_EMAIL, .address = ""};
    struct notification body = {
        .escalation_id = b->escalation_id,
        .person_id = b->person_id,
        .address_hint = "-",
        .why = "no contact is registered for the person who is called, nor for another in this "
               "role: add one with `tongbao enterprise add`, and call somebody by phone now"};
    struct id id;

    plan_id(&id, b, &nowhere);
    body.notification_id = id.text;
    SHAPE_SET(&body, occurred_at, call->occurred_at);
    SHAPE_SET(&body, channel, CHANNEL_EMAIL);
    SHAPE_SET(&body, attempt, 1);
    SHAPE_SET(&body, may_be_duplicate, false);
    return publish(tx, EVENT_NOTIFICATION_DEAD, call, &body, err);
}
