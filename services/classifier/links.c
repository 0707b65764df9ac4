#include "services/classifier/links.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/metric.h"
#include "proto/event_headers.h"
#include "services/classifier/link_store.h"

#include "common/base/metric_rows.h"
#include "services/classifier/link_metrics.def"

#define BODY_ARENA_MAX_BYTES ((size_t)1024 * 1024)

void links_init(struct links *l, const struct correlation *correlation, const char *policy_version)
{
    *l = (struct links){.correlation = correlation, .policy_version = policy_version};
    arena_init(&l->values, LINKS_MAX_BYTES);
}

void links_done(struct links *l)
{
    for (size_t i = 0; i < l->circles_n; i++)
        circle_done(&l->circles[i]);
    free(l->circles);
    free(l->newcomers);
    arena_done(&l->values);
    *l = (struct links){0};
}

/* --- what the events say --- */

static bool make_room(struct links *l, size_t more, struct err *err)
{
    size_t cap = l->n + more > 2 * l->cap ? l->n + more : 2 * l->cap;
    struct newcomer *moved;

    if (l->n + more <= l->cap)
        return true;
    moved = reallocarray(l->newcomers, cap, sizeof(*moved));
    if (!moved)
        return err_memory(err);
    l->newcomers = moved;
    l->cap = cap;
    return true;
}

bool links_note(struct links *l, const struct event *ev, struct err *err)
{
    struct traits traits;

    if (!l->correlation)
        return true;
    traits_of(&traits, l->correlation, ev, &l->values);
    metric_add(&classifier_traits_left_out_total, (int64_t)traits.left_out);
    if (!make_room(l, traits.n, err))
        return false;
    for (size_t i = 0; i < traits.n; i++)
        l->newcomers[l->n++] = (struct newcomer){
            .trait = traits.items[i],
            .member = {.incident_id = ev->incident_id, .occurred_at = ev->occurred_at},
            .parent = ev->id};
    return true;
}

void links_keep(struct links *l, size_t from, const struct id *enterprise_id)
{
    for (size_t i = from; i < l->n; i++)
        l->newcomers[i].member.enterprise_id = *enterprise_id;
}

void links_drop(struct links *l, size_t from)
{
    l->n = from;
}

/* --- in order, each once --- */

static int by_time(const void *a, const void *b)
{
    const struct newcomer *x = a, *y = b;
    int order = strcmp(x->trait.id.text, y->trait.id.text);

    if (order == 0 && x->member.occurred_at != y->member.occurred_at)
        order = x->member.occurred_at < y->member.occurred_at ? -1 : 1;
    if (order == 0)
        order = strcmp(x->member.incident_id.text, y->member.incident_id.text);
    return order ? order : strcmp(x->parent.text, y->parent.text);
}

static int by_incident(const void *a, const void *b)
{
    const struct newcomer *x = a, *y = b;
    int order = strcmp(x->trait.id.text, y->trait.id.text);

    if (order == 0)
        order = strcmp(x->member.incident_id.text, y->member.incident_id.text);
    return order ? order : by_time(a, b);
}

/* An incident has a trait since the first event that says so. */
static void keep_first(struct links *l)
{
    size_t kept = 0;

    qsort(l->newcomers, l->n, sizeof(*l->newcomers), by_incident);
    for (size_t i = 0; i < l->n; i++) {
        const struct newcomer *c = &l->newcomers[i], *last = kept ? &l->newcomers[kept - 1] : NULL;

        if (!last || strcmp(c->trait.id.text, last->trait.id.text) != 0 ||
            strcmp(c->member.incident_id.text, last->member.incident_id.text) != 0)
            l->newcomers[kept++] = *c;
    }
    l->n = kept;
    qsort(l->newcomers, l->n, sizeof(*l->newcomers), by_time);
}

static bool make_circles(struct links *l, struct err *err)
{
    l->circles = calloc(l->n, sizeof(*l->circles));
    if (!l->circles)
        return err_memory(err);
    for (size_t i = 0; i < l->n; i++) {
        const struct trait *t = &l->newcomers[i].trait;

        if (l->circles_n == 0 ||
            strcmp(l->circles[l->circles_n - 1].trait->id.text, t->id.text) != 0)
            l->circles[l->circles_n++].trait = t;
    }
    return true;
}

static bool load(struct links *l, struct sink_tx *tx, struct err *err)
{
    struct link_pair *pairs = calloc(l->n, sizeof(*pairs));
    bool ok;

    if (!pairs)
        return err_memory(err);
    for (size_t i = 0; i < l->n; i++)
        pairs[i] =
            (struct link_pair){&l->newcomers[i].trait.id, &l->newcomers[i].member.incident_id};
    ok = link_store_load(tx->db, l->circles, l->circles_n, pairs, l->n, tx->now_ms, err);
    free(pairs);
    return ok;
}

/* --- what goes out --- */

static bool publish(struct links *l, struct sink_tx *tx, const struct circle *c,
                    const struct linked *linked, size_t i, const struct id *parent, struct err *err)
{
    AUTO(arena_done) struct arena arena;
    AUTO(buf_done) struct buf text;
    struct incident_linked body;
    struct event_headers headers;
    const struct member *m = &c->members[linked->members[i]];
    struct record rec = {
        .topic = topics[TOPIC_INCIDENT].name, .key = m->incident_id.text, .key_len = ID_TEXT_LEN};
    struct id id;

    arena_init(&arena, BODY_ARENA_MAX_BYTES);
    buf_init(&text, EVENT_BODY_MAX_BYTES);
    if (!campaign_body(&body, c, linked, i, l->policy_version, &arena, err) ||
        !event_encode(EVENT_INCIDENT_LINKED, &body, &text, err))
        return false;
    campaign_event_id(&id, parent, &m->campaign_id, &m->incident_id);
    event_headers_fill(&headers, EVENT_INCIDENT_LINKED, &id, "classifier", tx->now_ms);
    if (!record_headers_add(&rec, headers.names, headers.values, headers.n))
        return err_set(err, ERR_FATAL, "too many headers");
    rec.value = text.data;
    rec.value_len = text.len;
    return sink_publish(tx, &rec, err);
}

static bool publish_all(struct links *l, struct sink_tx *tx, const struct circle *c,
                        const struct linked *linked, const struct id *parent, struct err *err)
{
    for (size_t i = 0; i < linked->members_n; i++)
        if (!publish(l, tx, c, linked, i, parent, err))
            return false;
    metric_add(&classifier_linked_total, (int64_t)linked->members_n);
    metric_add(&classifier_campaigns_total, linked->opens);
    return true;
}

static bool is_member(const struct circle *c, const struct member *m)
{
    for (size_t i = 0; i < c->members_n; i++)
        if (strcmp(c->members[i].incident_id.text, m->incident_id.text) == 0)
            return true;
    return false;
}

static bool take(struct links *l, struct sink_tx *tx, struct circle *c,
                 const struct newcomer *newcomer, struct err *err)
{
    AUTO(linked_done) struct linked linked = {0};

    if (is_member(c, &newcomer->member))
        return true;
    switch (campaign_link(c, &newcomer->member, &linked, err)) {
    case LINKING_FAILED:
        return false;
    case LINKING_LEFT_OUT:
        metric_add(&classifier_traits_left_out_total, 1);
        return true;
    case LINKING_WAITS:
        return true;
    case LINKING_LINKED:
        break;
    }
    return publish_all(l, tx, c, &linked, &newcomer->parent, err);
}

bool links_apply(struct links *l, struct sink_tx *tx, struct err *err)
{
    size_t at = 0;

    if (l->n == 0)
        return true;
    keep_first(l);
    if (!make_circles(l, err) || !load(l, tx, err))
        return false;
    for (size_t i = 0; i < l->n; i++) {
        while (strcmp(l->circles[at].trait->id.text, l->newcomers[i].trait.id.text) != 0)
            at++;
        if (!take(l, tx, &l->circles[at], &l->newcomers[i], err))
            return false;
    }
    return link_store_save(tx->db, l->circles, l->circles_n, tx->now_ms, err);
}
