#include "services/intake/intake.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"

enum { IDEMPOTENCY_KEY_MAX = 200 };

/* A canonical request is hardly longer than the request itself. */
#define CANONICAL_MAX_BYTES ((size_t)2 * EVENT_BODY_MAX_BYTES)

void workshop_init(struct workshop *w)
{
    buf_init(&w->canonical, CANONICAL_MAX_BYTES);
    buf_init(&w->body, CANONICAL_MAX_BYTES);
}

void workshop_done(struct workshop *w)
{
    buf_done(&w->canonical);
    buf_done(&w->body);
}

/* --- copying the facts: requests and events list the same fields (proto/facts.def) ------------ */

#include "proto/shape_undef.h"
#define COPY_(m)                             to->m = from->m;
#define COPY_HAS_(m)                         COPY_(m) COPY_(has_##m)
#define COPY_N_(m)                           COPY_(m) COPY_(m##_n)
#define F_TEXT(m, req, min, max, help)       COPY_(m)
#define F_TIME(m, req, help)                 COPY_HAS_(m)
#define F_BOOL(m, req, help)                 COPY_HAS_(m)
#define F_ENUMS(m, req, values, items, help) COPY_N_(m)
#define F_OBJECT(m, req, part, help)         COPY_(m)
#define F_LIST(m, req, part, items, help)    COPY_N_(m)

static void copy_report_facts(struct report_submitted *to, const struct report_request *from)
{
#include "proto/facts.def"
}

static void copy_supplement_facts(struct report_supplemented *to,
                                  const struct supplement_request *from)
{
#include "proto/facts.def"
}

/* --- what all have in common ------------------------------------------------------------------ */

static bool canonical(struct workshop *w, const struct shape *shape, const void *req,
                      struct err *err)
{
    buf_reset(&w->canonical);
    return shape_canonical(shape, req, &w->canonical, err);
}

static bool encode(struct workshop *w, enum event_type type, const void *body, struct err *err)
{
    buf_reset(&w->body);
    return event_encode(type, body, &w->body, err);
}

static void derive(struct id *ret, const char *purpose, const struct id *incident_id,
                   const struct buf *body)
{
    struct id_hash d;

    id_derive(&d, purpose);
    if (incident_id)
        id_derive_text(&d, "incident", incident_id->text);
    id_derive_bytes(&d, "body", body->data, body->len);
    id_derive_end(&d, ret);
}

static void derive_incident(struct id *ret, const struct submission *sub, const struct buf *body)
{
    struct id_hash d;

    id_derive(&d, "tongbao.incident");
    id_derive_text(&d, "enterprise", sub->caller->enterprise_id);
    if (sub->idempotency_key)
        id_derive_text(&d, "key", sub->idempotency_key);
    else
        id_derive_bytes(&d, "body", body->data, body->len);
    id_derive_end(&d, ret);
}

static struct actor actor_of(const struct caller *caller)
{
    return (struct actor){.scope = caller->is_park ? SCOPE_PARK : SCOPE_ENTERPRISE,
                          .has_scope = true,
                          .id = caller->actor_id,
                          .name = caller->actor_name};
}

static bool is_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

/* An excerpt's hash is ours to make; a given one must be right, or the evidence was changed on its
 * way. */
static bool seal(struct evidence *item, size_t index, struct arena *arena, struct err *err)
{
    uint8_t digest[SHA256_LEN];
    char pointer[48];
    char *text;

    (void)snprintf(pointer, sizeof(pointer), "/evidence/%zu/sha256", index);
    if (item->sha256 && !is_hex(item->sha256))
        return err_at(err, pointer, "must be 64 hexadecimal digits");
    if (!item->excerpt)
        return true;
    text = arena_take(arena, SHA256_HEX_MAX);
    if (!text)
        return err_at(err, "/evidence", "the document is too large");
    sha256(item->excerpt, strlen(item->excerpt), digest);
    hex_encode(text, digest, SHA256_LEN);
    if (item->sha256 && strcasecmp(item->sha256, text) != 0)
        return err_at(err, pointer, "is not the SHA-256 of the excerpt, which is %s", text);
    item->sha256 = text;
    return true;
}

static bool seal_all(struct evidence *items, size_t n, struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!seal(&items[i], i, arena, err))
            return false;
    return true;
}

static bool not_ahead(const char *pointer, int64_t at_ms, int64_t now_ms, struct err *err)
{
    char given[CLOCK_TEXT_MAX], now[CLOCK_TEXT_MAX];

    if (at_ms <= now_ms + INTAKE_AHEAD_MAX_MS)
        return true;
    clock_format_utc(given, at_ms);
    clock_format_utc(now, now_ms);
    return err_at(err, pointer,
                  "is in the future: %s, but it is %s here; at most 10 minutes ahead are taken",
                  given, now);
}

/* --- reports ---------------------------------------------------------------------------------- */

bool intake_report(const struct submission *sub, struct report_request *req, struct workshop *w,
                   struct arena *arena, struct outgoing *ret, struct err *err)
{
    struct outgoing out = {.type = EVENT_REPORT_SUBMITTED};
    struct actor actor = actor_of(sub->caller);
    char reference[REFERENCE_TEXT_MAX];
    struct report_submitted body = {.enterprise_id = sub->caller->enterprise_id,
                                    .incident_id = out.incident_id.text,
                                    .reference = reference,
                                    .summary = req->summary,
                                    .actor = &actor,
                                    .profile = sub->caller->profile};

    if (!not_ahead("/discovered_at", req->discovered_at, sub->received_ms, err) ||
        !canonical(w, &report_request_shape, req, err) ||
        !seal_all(req->evidence, req->evidence_n, arena, err))
        return false;
    derive_incident(&out.incident_id, sub, &w->canonical);
    derive(&out.event_id, "tongbao.report", &out.incident_id, &w->canonical);
    out.subject = out.incident_id;
    out.content = out.event_id;
    reference_of(reference, &out.incident_id);
    SHAPE_SET(&body, occurred_at, req->discovered_at);
    SHAPE_SET(&body, discovered_at, req->discovered_at);
    SHAPE_SET(&body, drill, req->drill);
    SHAPE_SET(&body, via, req->has_via ? req->via : SOURCE_API);
    copy_report_facts(&body, req);
    if (!encode(w, out.type, &body, err))
        return false;
    *ret = out;
    return true;
}

/* --- supplements ------------------------------------------------------------------------------ */

bool intake_check_supplement(struct supplement_request *req, struct arena *arena, struct err *err)
{
    return seal_all(req->evidence, req->evidence_n, arena, err);
}

/* The id of something that follows a report, and what it must not be mixed up with. Without a key
 * the state says which of two equal bodies is meant: the one that the sender saw stands in the body
 * (has_seen), else it is the one that we see. */
static void name_follow_up(struct outgoing *out, const char *purpose, const struct submission *sub,
                           const struct target *target, bool has_seen, const struct workshop *w)
{
    struct id_hash d;

    out->incident_id = target->incident_id;
    id_derive(&d, purpose);
    id_derive_text(&d, "incident", target->incident_id.text);
    id_derive_text(&d, "actor", sub->caller->key_id);
    if (sub->idempotency_key) {
        id_derive_text(&d, "key", sub->idempotency_key);
    } else {
        id_derive_bytes(&d, "body", w->canonical.data, w->canonical.len);
        if (!has_seen && target->state_n > 0)
            id_derive_int(&d, "state", target->state_n);
    }
    id_derive_end(&d, &out->event_id);
    out->subject = out->event_id;
    derive(&out->content, "tongbao.content", NULL, &w->canonical);
}

bool intake_supplement(const struct submission *sub, const struct target *target,
                       const struct supplement_request *req, struct workshop *w,
                       struct outgoing *ret, struct err *err)
{
    struct outgoing out = {.type = EVENT_REPORT_SUPPLEMENTED};
    struct actor actor = actor_of(sub->caller);
    struct report_supplemented body = {.enterprise_id = target->enterprise_id.text,
                                       .incident_id = target->incident_id.text,
                                       .summary = req->summary,
                                       .actor = &actor};

    if (!canonical(w, &supplement_request_shape, req, err))
        return false;
    name_follow_up(&out, "tongbao.supplement", sub, target, req->has_incident_seq, w);
    SHAPE_SET(&body, occurred_at, sub->received_ms);
    SHAPE_SET(&body, drill, target->drill);
    copy_supplement_facts(&body, req);
    if (!encode(w, out.type, &body, err))
        return false;
    *ret = out;
    return true;
}

/* --- actions ---------------------------------------------------------------------------------- */

enum { /* the fields of an action that not every type has */
       REASON = 1,
       LEVEL = 2,
       CATEGORY = 4,
       ESCALATION = 8,
       OBLIGATION = 16,
       FILED_REFERENCE = 32,
       FILED_AT = 64,
       TASK = 128,
       ASSIGNEE = 256,
};

static const struct {
    unsigned bit;
    const char *pointer, *what;
} action_fields[] = {
    {REASON, "/reason", "the reason"},
    {LEVEL, "/level", "the level that you decide"},
    {CATEGORY, "/category", "the category that you decide"},
    {ESCALATION, "/escalation_id", "the escalation that is acknowledged"},
    {OBLIGATION, "/obligation_id",
     "the obligation that is fulfilled (see clocks[] of the incident)"},
    {FILED_REFERENCE, "/filed_reference", "the number that the authority gave"},
    {FILED_AT, "/filed_at", "when it was filed"},
    {TASK, "/task", "the task"},
    {ASSIGNEE, "/assignee", "who does the task"},
};

static const struct action_rule {
    const char *name;
    enum event_type type;
    unsigned needs, may;
} action_rules[] = {
    {"acknowledged", EVENT_ACTION_ACKNOWLEDGED, 0, ESCALATION},
    {"confirmed", EVENT_ACTION_CONFIRMED, 0, REASON},
    {"refuted", EVENT_ACTION_REFUTED, REASON, 0},
    {"reclassified", EVENT_ACTION_RECLASSIFIED, REASON | LEVEL, CATEGORY},
    {"assigned", EVENT_ACTION_ASSIGNED, TASK | ASSIGNEE, 0},
    {"task_done", EVENT_ACTION_TASK_DONE, TASK, ASSIGNEE},
    {"contained", EVENT_ACTION_CONTAINED, 0, REASON},
    {"recovered", EVENT_ACTION_RECOVERED, 0, REASON},
    {"filed", EVENT_ACTION_FILED, OBLIGATION | FILED_REFERENCE, FILED_AT},
    {"reviewed", EVENT_ACTION_REVIEWED, 0, REASON},
    {"closed", EVENT_ACTION_CLOSED, 0, REASON},
    {"reopened", EVENT_ACTION_REOPENED, REASON, 0},
};

static const struct action_rule *find_rule(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(action_rules); i++)
        if (strcmp(action_rules[i].name, name) == 0)
            return &action_rules[i];
    return NULL;
}

static unsigned fields_of(const struct action_request *req)
{
    return (req->reason ? REASON : 0u) | (req->has_level ? LEVEL : 0u) |
           (req->has_category ? CATEGORY : 0u) | (req->escalation_id ? ESCALATION : 0u) |
           (req->obligation_id ? OBLIGATION : 0u) | (req->filed_reference ? FILED_REFERENCE : 0u) |
           (req->has_filed_at ? FILED_AT : 0u) | (req->task ? TASK : 0u) |
           (req->assignee ? ASSIGNEE : 0u);
}

static bool unknown_action(struct err *err)
{
    char names[256];
    size_t len = 0;

    for (size_t i = 0; i < ARRAY_LEN(action_rules); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "",
                                action_rules[i].name);
    return err_at(err, "/type", "is none of the actions: %s", names);
}

bool intake_check_action(const struct action_request *req, int64_t now_ms, struct err *err)
{
    const struct action_rule *rule = find_rule(req->type);
    unsigned given = fields_of(req);

    if (!rule)
        return unknown_action(err);
    for (size_t i = 0; i < ARRAY_LEN(action_fields); i++) {
        unsigned bit = action_fields[i].bit;

        if ((rule->needs & bit) && !(given & bit))
            return err_at(err, action_fields[i].pointer, "is missing: \"%s\" needs %s", rule->name,
                          action_fields[i].what);
        if ((given & bit) && !((rule->needs | rule->may) & bit))
            return err_at(err, action_fields[i].pointer,
                          "does not belong to \"%s\": leave it out, or put it into the note",
                          rule->name);
    }
    return !req->has_filed_at || not_ahead("/filed_at", req->filed_at, now_ms, err);
}

/* Every body begins with the members of action_any (proto/event.h). */
union action_body {
    struct action_any any;
    struct action_acknowledged acknowledged;
    struct action_step step;
    struct action_with_reason with_reason;
    struct action_reclassified reclassified;
    struct action_filed filed;
    struct action_task task;
};

static void fill_action(union action_body *body, const struct shape *shape,
                        const struct action_request *req)
{
    if (shape == &action_acknowledged_shape) {
        body->acknowledged.escalation_id = req->escalation_id;
    } else if (shape == &action_step_shape) {
        body->step.reason = req->reason;
    } else if (shape == &action_with_reason_shape) {
        body->with_reason.reason = req->reason;
    } else if (shape == &action_reclassified_shape) {
        body->reclassified.reason = req->reason;
        SHAPE_SET(&body->reclassified, level, req->level);
        body->reclassified.category = req->category;
        body->reclassified.has_category = req->has_category;
    } else if (shape == &action_filed_shape) {
        body->filed.obligation_id = req->obligation_id;
        body->filed.filed_reference = req->filed_reference;
        body->filed.filed_at = req->filed_at;
        body->filed.has_filed_at = req->has_filed_at;
    } else if (shape == &action_task_shape) {
        body->task.task = req->task;
        body->task.assignee = req->assignee;
    }
}

bool intake_action(const struct submission *sub, const struct target *target,
                   const struct action_request *req, struct workshop *w, struct outgoing *ret,
                   struct err *err)
{
    const struct action_rule *rule = find_rule(req->type);
    struct actor actor = actor_of(sub->caller);
    union action_body body = {.any = {.enterprise_id = target->enterprise_id.text,
                                      .incident_id = target->incident_id.text,
                                      .actor = &actor,
                                      .note = req->note}};
    struct outgoing out = {0};

    if (!rule)
        return unknown_action(err);
    if (!canonical(w, &action_request_shape, req, err))
        return false;
    out.type = rule->type;
    name_follow_up(&out, "tongbao.action", sub, target, req->has_incident_seq, w);
    SHAPE_SET(&body.any, occurred_at, sub->received_ms);
    SHAPE_SET(&body.any, drill, target->drill);
    body.any.seen_seq = req->incident_seq;
    body.any.has_seen_seq = req->has_incident_seq;
    fill_action(&body, event_types[rule->type].shape, req);
    if (!encode(w, out.type, &body, err))
        return false;
    *ret = out;
    return true;
}

/* --- names, keys, rights ---------------------------------------------------------------------- */

/* Whether as many characters are there as a reference has, blanks and hyphens aside. */
static bool is_as_long_as_a_reference(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text != ' ' && *text != '-';
    return n == strlen("TB") + 12 + 1;
}

bool intake_parse_name(struct incident_name *ret, const char *text, struct err *err)
{
    struct incident_name name = {0};
    char lower[ID_TEXT_LEN];
    size_t len = strlen(text);

    for (size_t i = 0; len == ID_TEXT_LEN && i < len; i++)
        lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
    if (!(len == ID_TEXT_LEN && id_set(&name.id, lower, len)) &&
        !reference_parse(name.reference, text))
        return err_set(err, ERR_INPUT, "\"%.64s\" is neither an incident's id nor a reference: %s",
                       text,
                       is_as_long_as_a_reference(text)
                           ? "a character is mistyped (the last one checks the others)"
                           : "12 characters behind TB- and a check character are wanted");
    *ret = name;
    return true;
}

bool intake_may_see(const struct caller *caller, const struct target *known)
{
    return caller->is_park || strcmp(known->enterprise_id.text, caller->enterprise_id) == 0;
}

void intake_aim(struct target *ret, const struct caller *caller, const struct id *incident_id,
                const struct target *known)
{
    *ret = (struct target){.incident_id = *incident_id};
    if (known && intake_may_see(caller, known))
        *ret = *known;
    else
        (void)id_set(&ret->enterprise_id, caller->enterprise_id, strlen(caller->enterprise_id));
}

bool intake_parse_bearer(const char *authorization, char ret_key_id[KEY_ID_LEN + 1],
                         const char **ret_secret)
{
    const char *at = authorization;

    if (!at || strncasecmp(at, "Bearer ", 7) != 0)
        return false;
    at += 7;
    while (*at == ' ')
        at++;
    if (strncmp(at, "tbk_", 4) != 0)
        return false;
    at += 4;
    if (strlen(at) < KEY_ID_LEN + 2 || at[KEY_ID_LEN] != '_')
        return false;
    memcpy(ret_key_id, at, KEY_ID_LEN);
    ret_key_id[KEY_ID_LEN] = '\0';
    *ret_secret = at + KEY_ID_LEN + 1;
    return true;
}

bool intake_key_valid(const char *idempotency_key)
{
    size_t len = strlen(idempotency_key);

    for (size_t i = 0; i < len; i++)
        if (idempotency_key[i] < ' ' || idempotency_key[i] > '~')
            return false;
    return len > 0 && len <= IDEMPOTENCY_KEY_MAX && idempotency_key[0] != ' ' &&
           idempotency_key[len - 1] != ' ';
}

/* --- the receipt ------------------------------------------------------------------------------ */

void intake_receipt(struct receipt *ret, const struct outgoing *out, int64_t received_ms)
{
    const char *id = out->incident_id.text;
    char received[CLOCK_TEXT_MAX], reference[REFERENCE_TEXT_MAX], middle[128];
    int len;

    clock_format_utc(received, received_ms);
    reference_of(reference, &out->incident_id);
    (void)snprintf(ret->location, sizeof(ret->location), "/v1/incidents/%s", id);
    if (out->type == EVENT_REPORT_SUBMITTED)
        (void)snprintf(middle, sizeof(middle), "\"reference\":\"%s\"", reference);
    else
        (void)snprintf(middle, sizeof(middle), "\"event_id\":\"%s\"", out->event_id.text);
    len = snprintf(ret->body, sizeof(ret->body),
                   "{\"incident_id\":\"%s\",%s,\"received_at\":\"%s\",\"links\":{\"self\":\"%s\","
                   "\"supplements\":\"%s/supplements\",\"actions\":\"%s/actions\"}}\n",
                   id, middle, received, ret->location, ret->location, ret->location);
    ret->body_len = (size_t)len;
}
