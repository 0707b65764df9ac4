#include "services/classifier/cases.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/metric.h"
#include "proto/event_headers.h"
#include "services/classifier/link_store.h"
#include "services/classifier/links.h"
#include "services/classifier/store.h"

#include "common/base/metric_rows.h"
#include "services/classifier/case_metrics.def"

#define EARLY_KEPT_MS (INT64_C(7) * 24 * 3600 * 1000)
#define SILENT_MAX_MS 500

/* What sink_refuse() is told: whether `tongbao replay` shall be applied. */
#define MAY_COME_BACK true
#define NOT_AGAIN     false

void cases_init(struct cases *cases, struct policy_live *live, int64_t early_max)
{
    *cases = (struct cases){.live = live, .early_max = early_max};
}

void cases_done(struct cases *cases)
{
    policy_unref(cases->policy);
    cases->policy = NULL;
}

/* --- the batch --- */

struct item {
    const struct flow_record *rec;
    bool is_wanted;
    struct event ev;
    struct origin origin;
    struct err refused; /* CASE_ANSWERED: why */
    bool is_dropped;    /* among the dead letters */
    struct id early_of; /* the enterprise, when it was kept for an incident that is not there yet */
};

struct batch {
    struct cases *cases;
    struct sink_tx *tx;
    struct item *items;
    size_t n;
    struct store_batch stored;
    struct links links;
};

static void batch_done(struct batch *b)
{
    for (size_t i = 0; b->items && i < b->n; i++)
        event_done(&b->items[i].ev);
    free(b->items);
    store_batch_done(&b->stored);
    links_done(&b->links);
}

/* The types that a case is made of; others of the same topics, and those of later releases, are not ours. */
static bool is_wanted(const struct flow_record *rec, enum event_type *ret)
{
    if (rec->is_repeat)
        return false;
    if (!rec->event_type)
        return true; /* decoding says what is missing */
    if (!event_type_parse(rec->event_type, strlen(rec->event_type), ret))
        return false;
    return *ret == EVENT_REPORT_SUBMITTED || *ret == EVENT_REPORT_SUPPLEMENTED ||
           *ret == EVENT_ACTION_RECLASSIFIED || *ret == EVENT_INCIDENT_CLASSIFIED ||
           *ret == EVENT_INCIDENT_RECLASSIFIED || *ret == EVENT_INCIDENT_LINKED;
}

static bool is_grade(enum event_type type)
{
    return type == EVENT_INCIDENT_CLASSIFIED || type == EVENT_INCIDENT_RECLASSIFIED;
}

static bool decode_item(struct item *item, const struct flow_record *rec, struct err *err)
{
    enum event_type type = EVENT_REPORT_SUBMITTED;
    struct event_record source = {.type = rec->event_type,
                                  .id = rec->event_id,
                                  .key = rec->key,
                                  .key_len = rec->key_len,
                                  .value = rec->value,
                                  .value_len = rec->value_len,
                                  .without_doc = true};

    item->rec = rec;
    item->is_wanted = is_wanted(rec, &type);
    if (!item->is_wanted)
        return true;
    item->origin = (struct origin){.topic = rec->topic,
                                   .body = rec->value,
                                   .body_len = rec->value_len,
                                   .partition = rec->partition,
                                   .offset = rec->offset};
    return event_decode(&item->ev, &source, err);
}

static bool decode(struct batch *b, const struct flow_record *records, struct err *err)
{
    b->items = calloc(b->n, sizeof(*b->items));
    if (!b->items)
        return err_memory(err);
    for (size_t i = 0; i < b->n; i++)
        if (!decode_item(&b->items[i], &records[i], err))
            return false;
    return true;
}

static int by_incident(const void *a, const void *b)
{
    const struct stored_case *x = a, *y = b;

    return strcmp(x->file.incident_id.text, y->file.incident_id.text);
}

/* One case for each incident of the batch, in order of their ids, and how many inputs each gets. */
static bool list_cases(struct batch *b, struct err *err)
{
    struct stored_case *cases = calloc(b->n, sizeof(*cases));
    size_t n = 0, kept = 0;

    if (!cases)
        return err_memory(err);
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i].is_wanted) {
            cases[n].file.incident_id = b->items[i].ev.incident_id;
            cases[n++].news = !is_grade(b->items[i].ev.type);
        }
    qsort(cases, n, sizeof(*cases), by_incident);
    for (size_t i = 0; i < n; i++)
        if (kept > 0 && by_incident(&cases[kept - 1], &cases[i]) == 0)
            cases[kept - 1].news += cases[i].news;
        else
            cases[kept++] = cases[i];
    b->stored.cases = cases;
    b->stored.cases_n = kept;
    return true;
}

/* --- what goes out --- */

static bool publish(struct batch *b, enum event_type type, const struct id *id,
                    const char *incident_id, const void *what, struct err *err)
{
    AUTO(buf_done) struct buf body;
    struct event_headers headers;
    struct record rec = {
        .topic = topics[TOPIC_INCIDENT].name, .key = incident_id, .key_len = ID_TEXT_LEN};

    buf_init(&body, EVENT_BODY_MAX_BYTES);
    if (!event_encode(type, what, &body, err))
        return false;
    event_headers_fill(&headers, type, id, "classifier", b->tx->now_ms);
    if (!record_headers_add(&rec, headers.names, headers.values, headers.n))
        return err_set(err, ERR_FATAL, "too many headers");
    rec.value = body.data;
    rec.value_len = body.len;
    return sink_publish(b->tx, &rec, err);
}

/* stage: the part of the id that tells what became of the cause. */
static bool publish_grade(struct batch *b, const struct regrade *r, const char *stage,
                          struct err *err)
{
    struct id id;

    event_id_derive(&id, r->cause, stage, NULL);
    return publish(b, EVENT_INCIDENT_RECLASSIFIED, &id, r->body.incident_id, &r->body, err);
}

/* It names the revision that stands. */
static bool publish_challenge(struct batch *b, struct regrade *r, const struct published *standing,
                              struct err *err)
{
    struct id id;

    case_challenge_id(&id, r);
    SHAPE_SET(&r->challenge, revision, standing->revision);
    metric_add(&classifier_challenged_total, 1);
    return publish(b, EVENT_INCIDENT_CHALLENGED, &id, r->challenge.incident_id, &r->challenge, err);
}

/* Early inputs that turned out to be another enterprise's when the incident opened. */
static bool refuse_strangers(struct batch *b, const struct case_file *c, struct err *err)
{
    for (size_t i = 0; i < c->inputs_n; i++) {
        struct flow_record rec;

        if (!c->inputs[i].is_stranger)
            continue;
        metric_add(&classifier_strangers_total, 1);
        store_record_of(&rec, &c->inputs[i]);
        if (!sink_refuse(b->tx, &rec,
                         "came before its incident, which turned out to be another enterprise's",
                         NOT_AGAIN, err))
            return false;
    }
    return true;
}

/* --- one event --- */

/* What the enterprise left in this batch: the bound also holds inside it. */
static int64_t count_early(const struct batch *b, const struct id *enterprise_id)
{
    int64_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += strcmp(b->items[i].early_of.text, enterprise_id->text) == 0;
    return n;
}

static bool find_room(const struct batch *b, const struct stored_case *c, const struct event *ev,
                      bool *ret, struct err *err)
{
    int64_t waiting = 0;

    *ret = true;
    if (id_is_set(&c->file.enterprise_id) || is_grade(ev->type) ||
        ev->type == EVENT_REPORT_SUBMITTED)
        return true;
    if (!store_count_early(b->tx->db, &ev->enterprise_id, &waiting, err))
        return false;
    *ret = waiting + count_early(b, &ev->enterprise_id) < b->cases->early_max;
    return true;
}

static bool refuse_decision(struct batch *b, const struct case_file *c, struct regrade *r,
                            const struct event *decision, const char *why, struct err *err)
{
    case_answer(r, c, decision, why);
    return publish_grade(b, r, "refused", err);
}

/* Hard case 11: who decided, and is not followed, is told why. */
static bool refuse_decisions(struct batch *b, const struct case_file *c, struct regrade *r,
                             struct err *err)
{
    for (size_t i = 0; i < c->inputs_n; i++) {
        const char *why = case_refusal(c, i);

        if (why && !refuse_decision(b, c, r, &c->inputs[i].ev, why, err))
            return false;
    }
    for (size_t i = 0; i < b->n; i++) {
        const struct item *item = &b->items[i];

        if (item->refused.kind != ERR_NONE &&
            strcmp(item->ev.incident_id.text, c->incident_id.text) == 0 &&
            !refuse_decision(b, c, r, &item->ev, item->refused.text, err))
            return false;
    }
    return true;
}

static bool regrade(struct batch *b, struct stored_case *c, struct err *err)
{
    AUTO(regrade_done) struct regrade r = {0};

    if (!case_regrade(&r, &c->file, b->cases->policy, err))
        return false;
    if (r.is_due) {
        if (!publish_grade(b, &r, "reclassified", err))
            return false;
        metric_add(&classifier_reclassified_total, 1);
        case_published(&c->file, &r);
    }
    if (r.is_challenge_due) {
        if (!publish_challenge(b, &r, &c->file.published, err))
            return false;
        case_challenged(&c->file, &r);
    }
    return refuse_decisions(b, &c->file, &r, err);
}

/* PostgreSQL ends a transaction in which nothing is said for 3 s (hard case 5): whoever works that long says something. */
static bool regrade_changed(struct batch *b, struct err *err)
{
    int64_t said_ms = clock_mono_ms();

    for (size_t i = 0; i < b->stored.cases_n; i++) {
        if (!b->stored.cases[i].is_changed)
            continue;
        if (!regrade(b, &b->stored.cases[i], err))
            return false;
        if (clock_mono_ms() - said_ms < SILENT_MAX_MS)
            continue;
        if (!db_exec(b->tx->db, "SELECT 1", err))
            return false;
        said_ms = clock_mono_ms();
    }
    return true;
}

/* What the incident shares with others, now that it is known whose it is: also by what came early, but for strangers. */
static bool note_early(struct batch *b, const struct case_file *c, const struct id *but,
                       struct err *err)
{
    for (size_t i = 0; i < c->inputs_n; i++)
        if (!c->inputs[i].is_stranger && strcmp(c->inputs[i].ev.id.text, but->text) != 0 &&
            !links_note(&b->links, &c->inputs[i].ev, err))
            return false;
    return true;
}

static bool opened(struct batch *b, const struct case_file *c, const struct id *by, struct err *err)
{
    return refuse_strangers(b, c, err) && note_early(b, c, by, err);
}

static bool take_noted(struct batch *b, struct item *item, struct stored_case *c, struct err *err)
{
    bool was_open = id_is_set(&c->file.enterprise_id), early_room;
    struct id id = item->ev.id, enterprise_id = item->ev.enterprise_id;
    struct err why = {0};

    if (!find_room(b, c, &item->ev, &early_room, err))
        return false;
    switch (case_take(&c->file, &item->ev, early_room, &item->origin, &why)) {
    case CASE_FAILED:
        *err = why;
        return false;
    case CASE_STRANGER:
        metric_add(&classifier_strangers_total, 1);
        item->is_dropped = true;
        return sink_refuse(b->tx, item->rec, why.text, NOT_AGAIN, err);
    case CASE_REFUSED:
        item->is_dropped = true;
        return sink_refuse(b->tx, item->rec, why.text, MAY_COME_BACK, err);
    case CASE_UNCHANGED:
        return true;
    case CASE_ANSWERED:
        item->refused = why;
        break;
    case CASE_CHANGED:
        break;
    }
    c->is_changed = true;
    if (!id_is_set(&c->file.enterprise_id))
        item->early_of = enterprise_id;
    return was_open || !id_is_set(&c->file.enterprise_id) || opened(b, &c->file, &id, err);
}

/* Taking empties the event, so its traits are noted before, and dropped when it does not count, or not yet. */
static bool take(struct batch *b, struct item *item, struct err *err)
{
    struct stored_case *c = store_find(&b->stored, &item->ev.incident_id);
    size_t noted = b->links.n;

    if (!links_note(&b->links, &item->ev, err) || !take_noted(b, item, c, err))
        return false;
    if (item->is_dropped || !id_is_set(&c->file.enterprise_id))
        links_drop(&b->links, noted);
    else
        links_keep(&b->links, noted, &c->file.enterprise_id);
    return true;
}

bool cases_apply(void *ctx, struct sink_tx *tx, const struct flow_record *records, size_t n,
                 struct err *err)
{
    AUTO(batch_done) struct batch b = {.cases = ctx, .tx = tx, .n = n};

    policy_live_update(b.cases->live, &b.cases->policy);
    links_init(&b.links, b.cases->policy->correlation, b.cases->policy->version);
    if (!decode(&b, records, err) || !list_cases(&b, err) || !store_load(tx->db, &b.stored, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (b.items[i].is_wanted && !take(&b, &b.items[i], err))
            return false;
    /* Links last: others wait for traits. */
    return regrade_changed(&b, err) && store_save(tx->db, &b.stored, err) &&
           links_apply(&b.links, tx, err);
}

static bool refuse_expired(void *ctx, const struct flow_record *rec, struct err *err)
{
    struct sink_tx *tx = ctx;

    metric_add(&classifier_early_expired_total, 1);
    return sink_refuse(tx, rec,
                       "its incident did not come within 7 days: replay it when it is there",
                       MAY_COME_BACK, err);
}

bool cases_tick(void *ctx, struct sink_tx *tx, bool *ret_more, struct err *err)
{
    bool more_early = false, more_traits = false;

    (void)ctx;
    if (!store_expire(tx->db, tx->now_ms - EARLY_KEPT_MS, refuse_expired, tx, &more_early, err) ||
        !link_store_expire(tx->db, tx->now_ms, &more_traits, err))
        return false;
    *ret_more = more_early || more_traits;
    return true;
}
