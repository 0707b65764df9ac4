#include "services/classifier/grade.h"

#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/metric.h"
#include "services/classifier/classify.h"
#include "services/classifier/facts.h"

#include "common/base/metric_rows.h"
#include "services/classifier/grade_metrics.def"

/* A report with this in its summary stands for one that crashes us, in tests only (hard case 4). */
#define ABORT_MARK "[[test: abort the classifier]]"

void grader_init(struct grader *g, struct policy_live *live)
{
    *g = (struct grader){.live = live};
}

void grader_done(struct grader *g)
{
    policy_unref(g->policy);
    g->policy = NULL;
}

static void count(const struct incident_classified *body)
{
    static struct metric *const by_level[] = {
        [LEVEL_GENERAL] = &classifier_general_total,
        [LEVEL_LARGER] = &classifier_larger_total,
        [LEVEL_MAJOR] = &classifier_major_total,
        [LEVEL_EXTREME] = &classifier_extreme_total,
    };

    metric_add(by_level[body->level], 1);
    metric_add(&classifier_needs_human_total, body->needs_human);
}

static bool grade(struct grader *g, const struct event *ev, struct buf *out, struct err *err)
{
    const struct report_submitted *report = ev->report_submitted;
    struct facts facts;
    struct classify_input in = {.summary = report->summary,
                                .facts = &facts,
                                .profile = report->profile,
                                .discovered_at = report->discovered_at};
    struct incident_classified body = {
        .enterprise_id = report->enterprise_id,
        .incident_id = report->incident_id,
        .reference = report->reference,
        .parent_event_id = ev->id.text,
        .summary = report->summary,
        .profile = report->profile,
        .facts = &facts,
    };
    struct arena arena;
    bool ok;

    SHAPE_SET(&body, occurred_at, report->occurred_at);
    SHAPE_SET(&body, drill, report->drill);
    SHAPE_SET(&body, revision, 0);
    SHAPE_SET(&body, discovered_at, report->discovered_at);
    facts_of_report(&facts, report);
    arena_init(&arena, CLASSIFY_ARENA_MAX_BYTES);
    classify_read(g->policy, report->summary, &facts, &in);
    ok = classify(g->policy, &in, &arena, &body, err) &&
         event_encode(EVENT_INCIDENT_CLASSIFIED, &body, out, err);
    if (ok)
        count(&body);
    arena_done(&arena);
    return ok;
}

static void fill_headers(struct grader *g, const struct id *parent, int64_t now_ms,
                         struct pipe_out *out)
{
    event_id_derive(&g->id, parent, "classified", NULL);
    event_headers_fill(&g->headers, EVENT_INCIDENT_CLASSIFIED, &g->id, "classifier", now_ms);
    for (size_t i = 0; i < g->headers.n; i++)
        out->headers[out->headers_n++] = (struct record_header){
            g->headers.names[i], g->headers.values[i], strlen(g->headers.values[i])};
}

/* Poison is only what the record's own bytes cause. */
static enum outcome outcome_of(const struct err *why)
{
    return why->kind == ERR_INPUT ? OUTCOME_REJECT : OUTCOME_RETRY;
}

enum outcome grade_transform(void *ctx, const struct flow_record *in, int64_t now_ms,
                             struct pipe_out *out, struct err *why)
{
    AUTO(auto_event) struct event ev = {0};
    struct grader *g = ctx;
    struct event_record rec = {.type = in->event_type,
                               .id = in->event_id,
                               .key = in->key,
                               .key_len = in->key_len,
                               .value = in->value,
                               .value_len = in->value_len,
                               .without_doc = true};
    enum event_type type;

    /* A type that a later release adds is not ours either. */
    if (in->event_type && (!event_type_parse(in->event_type, strlen(in->event_type), &type) ||
                           type != EVENT_REPORT_SUBMITTED))
        return OUTCOME_SKIP;
    if (!event_decode(&ev, &rec, why))
        return outcome_of(why);
    policy_live_update(g->live, &g->policy);
#ifdef TONGBAO_TESTING
    if (strstr(ev.report_submitted->summary, ABORT_MARK))
        FAILPOINT("classifier.transform.abort");
#endif
    if (!grade(g, &ev, &out->value, why))
        return outcome_of(why);
    fill_headers(g, &ev.id, now_ms, out);
    out->topic = topics[TOPIC_INCIDENT].name;
    return OUTCOME_DONE;
}
