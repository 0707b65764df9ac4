#include "services/notifier/plan.h"

#include <string.h>

static bool is_tried(const struct contact *c, const struct way *tried, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tried[i].channel == c->channel && strcmp(tried[i].person_id, c->person_id) == 0 &&
            strcmp(tried[i].address, c->address) == 0)
            return true;
    return false;
}

static const struct contact *next_of(const struct directory *d, const char *person_id,
                                     const struct way *tried, size_t tried_n)
{
    size_t n;
    const struct contact *contacts = directory_contacts(d, person_id, &n);

    for (size_t i = 0; i < n; i++)
        if (!is_tried(&contacts[i], tried, tried_n))
            return &contacts[i];
    return NULL;
}

const struct contact *plan_next(const struct directory *d, const struct escalation_raised *call,
                                const struct way *tried, size_t tried_n, int64_t now_ms)
{
    const char *owner = call->scope == SCOPE_PARK ? d->park_id : call->enterprise_id;
    const struct contact *next =
        call->person_id ? next_of(d, call->person_id, tried, tried_n) : NULL;

    for (size_t i = 0; !next && i < d->holders_n; i++)
        if (d->holders[i].role == call->role && strcmp(d->holders[i].enterprise_id, owner) == 0 &&
            !directory_is_absent(d, d->holders[i].person_id, now_ms))
            next = next_of(d, d->holders[i].person_id, tried, tried_n);
    return next;
}

void plan_id(struct id *ret, const struct escalation_raised *call, const struct contact *contact)
{
    struct id_hash h;

    id_derive(&h, "tongbao.notification");
    id_derive_text(&h, "incident", call->incident_id);
    id_derive_text(&h, "escalation", call->escalation_id);
    id_derive_text(&h, "person", contact->person_id);
    id_derive_text(&h, "channel", enum_text(&channel_table, (int)contact->channel));
    id_derive_text(&h, "address", contact->address);
    id_derive_end(&h, ret);
}

const char *message_state_name(enum message_state state)
{
    static const char *const names[] = {"sent", "failed", "unknown", "dead"};

    return names[state];
}

static int64_t pause_ms(const char *notification_id, int64_t attempt, int64_t asked_ms,
                        int64_t first_ms)
{
    int64_t pause = first_ms;
    int64_t spread = 0;

    for (int64_t i = 1; i < attempt && pause < RETRY_PAUSE_MAX_MS; i++)
        pause *= 2;
    if (pause > RETRY_PAUSE_MAX_MS)
        pause = RETRY_PAUSE_MAX_MS;
    for (const char *c = notification_id; *c; c++)
        spread = (spread * 31 + *c + attempt) % 401;
    pause += pause * (spread - 200) / 1000;
    if (asked_ms > pause)
        pause = asked_ms < RETRY_PAUSE_MAX_MS ? asked_ms : RETRY_PAUSE_MAX_MS;
    return pause;
}

enum message_state plan_after(enum fate fate, const char *notification_id, int64_t attempt,
                              int64_t asked_ms, const struct retry_policy *policy,
                              int64_t *ret_pause_ms)
{
    if (fate == FATE_DELIVERED)
        return MESSAGE_SENT;
    if (fate == FATE_NEVER || attempt >= policy->attempts_max)
        return MESSAGE_DEAD;
    *ret_pause_ms = pause_ms(notification_id, attempt, asked_ms, policy->first_ms);
    return fate == FATE_UNKNOWN ? MESSAGE_UNKNOWN : MESSAGE_FAILED;
}
