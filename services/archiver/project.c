#include "services/archiver/project.h"

#include <string.h>

/* Values of the tables' cells, so that each row below reads as its statement's list of columns. */
static void add(struct row *row, struct cell cell)
{
    row->cells[row->n++] = cell;
}

static void text(struct row *row, const char *value)
{
    add(row, value ? (struct cell){.type = CELL_TEXT, .text = value, .len = strlen(value)}
                   : (struct cell){0});
}

static void number(struct row *row, bool has, int64_t value)
{
    add(row, has ? (struct cell){.type = CELL_INT, .number = value} : (struct cell){0});
}

static void time_of(struct row *row, bool has, int64_t wall_ms)
{
    add(row, has ? (struct cell){.type = CELL_TIME, .number = wall_ms} : (struct cell){0});
}

static void yes(struct row *row, bool value)
{
    text(row, value ? "t" : "f");
}

static void word(struct row *row, bool has, const struct enum_table *table, int value)
{
    text(row, has ? enum_text(table, value) : NULL);
}

static struct row row_of(enum row_kind kind, const struct event *ev)
{
    struct row row = {.kind = kind};

    text(&row, ev->incident_id.text);
    text(&row, ev->enterprise_id.text);
    return row;
}

/* A part of the body as JSON text; absent parts are NULL. */
static void json_part(struct row *row, const struct event *ev, const char *name)
{
    struct cell cell = {.type = CELL_JSON};

    cell.text = event_part(ev, name, &cell.len);
    add(row, cell);
}

static void report(const struct event *ev, int64_t appended_ms, project_emit_fn *emit, void *ctx)
{
    const struct report_submitted *b = ev->report_submitted;
    struct row row = row_of(ROW_REPORT, ev);

    text(&row, b->profile->code);
    text(&row, b->profile->name);
    text(&row, b->reference);
    yes(&row, ev->drill);
    text(&row, b->summary);
    time_of(&row, true, b->discovered_at);
    time_of(&row, true, appended_ms);
    emit(ctx, &row);
}

static void decision(const struct event *ev, int64_t appended_ms, project_emit_fn *emit, void *ctx)
{
    const struct incident_classified *b = ev->incident_classified;
    struct row row = row_of(ROW_DECISION, ev);

    text(&row, ev->id.text);
    number(&row, true, b->revision);
    word(&row, true, &category_table, (int)b->category);
    word(&row, true, &level_table, (int)b->level);
    word(&row, true, &gbt20986_table, (int)b->gbt20986->name);
    text(&row, b->gbt20986->zh);
    json_part(&row, ev, "regimes");
    json_part(&row, ev, "reasons");
    json_part(&row, ev, "missing");
    yes(&row, b->needs_human);
    word(&row, true, &scope_table, (int)b->decided_by);
    text(&row, b->why);
    text(&row, b->policy_version);
    time_of(&row, true, appended_ms);
    emit(ctx, &row);
}

static void grade(const struct event *ev, int64_t appended_ms, project_emit_fn *emit, void *ctx)
{
    const struct incident_classified *b = ev->incident_classified;
    struct row row = row_of(ROW_GRADE, ev);

    if (b->refused_why)
        return; /* it repeats the grade that stands; the timeline has it */
    decision(ev, appended_ms, emit, ctx);
    number(&row, true, b->revision);
    word(&row, true, &category_table, (int)b->category);
    word(&row, true, &level_table, (int)b->level);
    word(&row, true, &gbt20986_table, (int)b->gbt20986->name);
    yes(&row, b->needs_human);
    text(&row, b->policy_version);
    time_of(&row, true, appended_ms);
    text(&row, b->profile->code);
    text(&row, b->profile->name);
    text(&row, b->reference);
    yes(&row, ev->drill);
    text(&row, b->summary);
    time_of(&row, true, b->discovered_at);
    emit(ctx, &row);
}

/* Only this event tells an incident's state; an action alone changes nothing (hard case 11). */
static void state(const struct event *ev, project_emit_fn *emit, void *ctx)
{
    const struct escalation_state *b = ev->escalation_state;
    struct row row = row_of(ROW_STATE, ev);

    yes(&row, ev->drill);
    word(&row, true, &state_table, (int)b->state);
    number(&row, true, b->incident_seq);
    emit(ctx, &row);
    for (size_t i = 0; b->applied && i < b->acknowledged_escalation_ids_n; i++) {
        row = row_of(ROW_ACKNOWLEDGED, ev);
        text(&row, b->acknowledged_escalation_ids[i]);
        number(&row, true, b->incident_seq);
        time_of(&row, true, ev->occurred_at);
        text(&row, !b->actor ? NULL : b->actor->name ? b->actor->name : b->actor->id);
        emit(ctx, &row);
    }
}

static void raised(const struct event *ev, int64_t appended_ms, project_emit_fn *emit, void *ctx)
{
    const struct escalation_raised *b = ev->escalation_raised;
    struct row row = row_of(ROW_RAISED, ev);

    text(&row, b->escalation_id);
    text(&row, b->chain);
    number(&row, true, b->step);
    number(&row, true, b->generation);
    word(&row, true, &role_table, (int)b->role);
    word(&row, true, &scope_table, (int)b->scope);
    text(&row, b->person_id);
    text(&row, b->why);
    yes(&row, b->unconfirmed);
    yes(&row, b->acknowledgement_wanted);
    time_of(&row, b->has_acknowledge_by, b->acknowledge_by);
    time_of(&row, true, appended_ms);
    emit(ctx, &row);
}

static void obligation(const struct event *ev, project_emit_fn *emit, void *ctx)
{
    const struct obligation *b = ev->obligation;
    bool is_satisfied = b->state == CLOCK_SATISFIED || b->state == CLOCK_SATISFIED_LATE;
    struct row row = row_of(ROW_OBLIGATION, ev);

    text(&row, b->obligation_id);
    number(&row, true, b->incident_seq);
    text(&row, b->regime);
    text(&row, b->duty);
    number(&row, true, b->generation);
    text(&row, b->title_zh);
    text(&row, b->title_en);
    text(&row, b->recipient_zh);
    text(&row, b->recipient_en);
    word(&row, true, &anchor_table, (int)b->anchor);
    time_of(&row, b->has_anchor_at, b->anchor_at);
    time_of(&row, b->has_due_at, b->due_at);
    word(&row, true, &clock_state_table, (int)b->state);
    text(&row, b->satisfied_by);
    time_of(&row, is_satisfied, ev->occurred_at);
    text(&row, b->filed_reference);
    json_part(&row, ev, "source");
    emit(ctx, &row);
}

static void linked(const struct event *ev, project_emit_fn *emit, void *ctx)
{
    const struct incident_linked *b = ev->incident_linked;
    struct row row = row_of(ROW_LINK, ev);

    text(&row, b->campaign->campaign_id);
    text(&row, ev->id.text);
    yes(&row, ev->drill);
    yes(&row, b->opens);
    text(&row, b->rule);
    text(&row, b->indicator ? "indicator" : b->sub ? "sub_category" : "supplier");
    word(&row, b->indicator, &indicator_type_table, b->indicator ? (int)b->indicator->type : 0);
    text(&row, b->indicator ? b->indicator->value : b->sub ? b->sub : b->supplier);
    number(&row, true, b->campaign->enterprises);
    number(&row, true, b->campaign->incidents);
    text(&row, b->zh);
    text(&row, b->en);
    json_part(&row, ev, "advisory");
    text(&row, b->policy_version);
    time_of(&row, true, ev->occurred_at);
    emit(ctx, &row);
}

static void notification(const struct event *ev, const char *name, int rank, project_emit_fn *emit,
                         void *ctx)
{
    const struct notification *b = ev->notification;
    struct row row = row_of(ROW_NOTIFICATION, ev);

    text(&row, b->notification_id);
    text(&row, b->escalation_id);
    text(&row, b->person_id);
    word(&row, true, &channel_table, (int)b->channel);
    text(&row, b->address_hint);
    text(&row, name);
    number(&row, true, b->attempt);
    number(&row, true, rank);
    time_of(&row, true, ev->occurred_at);
    text(&row, b->receipt);
    text(&row, b->why);
    time_of(&row, b->has_retry_at, b->retry_at);
    yes(&row, b->may_be_duplicate);
    emit(ctx, &row);
}

void project_event(const struct event *ev, int64_t appended_ms, project_emit_fn *emit, void *ctx)
{
    switch ((int)ev->type) {
    case EVENT_REPORT_SUBMITTED:
        report(ev, appended_ms, emit, ctx);
        break;
    case EVENT_INCIDENT_CLASSIFIED:
    case EVENT_INCIDENT_RECLASSIFIED:
        grade(ev, appended_ms, emit, ctx);
        break;
    case EVENT_INCIDENT_LINKED:
        linked(ev, emit, ctx);
        break;
    case EVENT_ESCALATION_STATE:
        state(ev, emit, ctx);
        break;
    case EVENT_ESCALATION_RAISED:
        raised(ev, appended_ms, emit, ctx);
        break;
    case EVENT_OBLIGATION_CREATED:
    case EVENT_OBLIGATION_WARNING:
    case EVENT_OBLIGATION_OVERDUE:
    case EVENT_OBLIGATION_SATISFIED:
        obligation(ev, emit, ctx);
        break;
    case EVENT_NOTIFICATION_FAILED:
        notification(ev, "failed", 0, emit, ctx);
        break;
    case EVENT_NOTIFICATION_DEAD:
        notification(ev, "dead", 1, emit, ctx);
        break;
    case EVENT_NOTIFICATION_SENT:
        notification(ev, "sent", 2, emit, ctx);
        break;
    default:
        break; /* the timeline shows it */
    }
}
