#include "services/intake/api.h"

#include <string.h>

#include "common/base/clock.h"
#include "proto/event_headers.h"
#include "services/intake/api_parts.h"

#include "common/base/metric_rows.h"
#include "services/intake/metrics.def"

enum { TRACEPARENT_LEN = 55 };

/* ---- answers */

void api_count(enum api_counter counter)
{
#undef METRIC_COUNTER
#undef METRIC_HISTOGRAM
#define METRIC_COUNTER(name, help) [COUNT_##name] = &name,
#define METRIC_HISTOGRAM(name, help)
    static struct metric *const counters[] = {
#include "services/intake/metrics.def"
    };
    metric_add(counters[counter], 1);
}

static struct http_problem problem_of(enum problem problem)
{
    static const struct http_problem problems[] = {
#define PROBLEM(symbol, status_, type_, title_, advice_, retry_after_s_)                           \
    [PROBLEM_##symbol] = {.status = status_,                                                       \
                          .type = type_,                                                           \
                          .title = title_,                                                         \
                          .advice = advice_,                                                       \
                          .retry_after_s = retry_after_s_},
#include "services/intake/problems.def"
#undef PROBLEM
    };
    return problems[problem];
}

void api_problem(struct http_request *req, enum problem problem, const char *detail)
{
    struct http_problem answer = problem_of(problem);

    answer.detail = detail;
    http_problem(req, &answer);
}

void api_refuse(struct http_request *req, enum problem problem, const struct err *err)
{
    struct http_problem answer = problem_of(err->kind == ERR_INPUT ? problem : PROBLEM_INTERNAL);

    answer.detail = "The request could not be worked on; nothing is wrong with it.";
    if (err->kind == ERR_INPUT) {
        api_count(COUNT_intake_invalid_total);
        answer.detail = err->text;
        answer.pointer = problem == PROBLEM_INVALID ? err->pointer : NULL;
    }
    http_problem(req, &answer);
}

bool api_read(struct http_request *req, const struct shape *shape, void *ret, struct arena *arena)
{
    json_t *none; /* texts live in the arena */
    struct err err = {0};
    size_t len;
    const char *body = http_body(req, &len);

    if (request_decode(shape, body, len, ret, &none, arena, &err))
        return true;
    api_refuse(req, err.pointer[0] == '\0' ? PROBLEM_UNREADABLE : PROBLEM_INVALID, &err);
    return false;
}

/* One text for every key that is not accepted: nobody learns why. */
static void answer_unauthorized(struct http_request *req)
{
    static const char body[] =
        "{\"type\":\"/problems/unauthorized\",\"title\":\"The key is not accepted\",\"status\":401,"
        "\"detail\":\"No key was sent, or one that is malformed, unknown or revoked.\","
        "\"advice\":\"Send the header Authorization: Bearer tbk_..., with a key of your "
        "enterprise.\"}\n";
    const struct http_response response = {
        .status = 401,
        .content_type = "application/problem+json",
        .body = body,
        .body_len = sizeof(body) - 1,
        .headers = {{"WWW-Authenticate", "Bearer realm=\"tongbao\""}}};

    api_count(COUNT_intake_unauthorized_total);
    http_reply(req, &response);
}

/* ---- admission */

static bool has_scope(struct http_request *req, const struct caller *caller, enum key_scope scope)
{
    if (caller->scopes & scope)
        return true;
    api_count(COUNT_intake_forbidden_total);
    api_problem(req, PROBLEM_FORBIDDEN,
                scope == KEY_MAY_REPORT ? "The key lacks the scope \"report\"."
                : scope == KEY_MAY_ACT  ? "The key lacks the scope \"act\"."
                                        : "The key lacks the scope \"read\".");
    return false;
}

bool api_admit(struct api *api, struct http_request *req, enum key_scope scope,
               struct submission *ret, struct registry **ret_registry)
{
    struct registry *registry = feed_current(api->conf.feed);
    const char *key = http_header(req, "Idempotency-Key");
    const struct caller *caller;

    if (!registry) {
        api_problem(req, PROBLEM_NO_REGISTRY, "The registry has not been loaded since the start.");
        return false;
    }
    caller = registry_authenticate(registry, http_header(req, "Authorization"));
    if (!caller) {
        answer_unauthorized(req);
        return false;
    }
    if (!has_scope(req, caller, scope))
        return false;
    if (key && !intake_key_valid(key)) {
        api_count(COUNT_intake_invalid_total);
        api_problem(req, PROBLEM_BAD_KEY_HEADER,
                    "It is empty, too long, or has characters that are not printable ASCII.");
        return false;
    }
    *ret = (struct submission){
        .caller = caller, .idempotency_key = key, .received_ms = http_received_wall_ms(req)};
    *ret_registry = registry;
    return true;
}

/* ---- publishing */

/* An answer that waits for its acknowledgement. */
struct pending {
    struct api *api;
    struct http_request *req;
    int64_t started_us;
    enum api_counter counter;
    struct receipt receipt;
};

static void on_ack(void *ctx, const struct err *err) /* the producer's thread */
{
    struct pending *p = ctx;
    const struct http_response accepted = {.status = 202,
                                           .body = p->receipt.body,
                                           .body_len = p->receipt.body_len,
                                           .headers = {{"Location", p->receipt.location}}};

    if (err) {
        api_count(COUNT_intake_bus_failed_total);
        api_problem(p->req, PROBLEM_BUS_AWAY, "The bus did not acknowledge it.");
    } else {
        bus_acked(p->api->conf.bus);
        api_count(p->counter);
        metric_observe_us(&intake_accept_seconds, clock_mono_us() - p->started_us);
        http_reply(p->req, &accepted);
    }
    free(p);
}

/* W3C trace context: passed on when it has the form, dropped in silence when not. */
static const char *traceparent_of(const struct http_request *req)
{
    const char *text = http_header(req, "traceparent");

    return text && strlen(text) == TRACEPARENT_LEN &&
                   strspn(text, "0123456789abcdef-") == TRACEPARENT_LEN
               ? text
               : NULL;
}

static bool hand_on(struct api *api, struct http_request *req, const struct outgoing *out,
                    const struct workshop *w, struct pending *pending, struct err *err)
{
    struct event_headers headers;
    struct record rec = {.topic = topics[event_types[out->type].topic].name,
                         .key = out->incident_id.text,
                         .key_len = ID_TEXT_LEN,
                         .value = w->body.data,
                         .value_len = w->body.len};
    const char *traceparent = traceparent_of(req);

    event_headers_fill(&headers, out->type, &out->event_id, "intake", clock_wall_ms());
    if (!record_headers_add(&rec, headers.names, headers.values, headers.n) ||
        (traceparent && !record_header_add(&rec, "traceparent", traceparent)))
        return err_set(err, ERR_FATAL, "too many headers");
    return bus_send(api->conf.bus, &rec, on_ack, pending, err);
}

static struct pending *pending_new(struct api *api, struct http_request *req,
                                   const struct submission *sub, const struct outgoing *out,
                                   int64_t started_us)
{
    struct pending *p = malloc(sizeof(*p));

    if (!p)
        return NULL;
    p->api = api;
    p->req = req;
    p->started_us = started_us;
    p->counter = out->type == EVENT_REPORT_SUBMITTED      ? COUNT_intake_reports_total
                 : out->type == EVENT_REPORT_SUPPLEMENTED ? COUNT_intake_supplements_total
                                                          : COUNT_intake_actions_total;
    intake_receipt(&p->receipt, out, sub->received_ms);
    return p;
}

void api_publish(struct api *api, struct http_request *req, const struct submission *sub,
                 const struct outgoing *out, const struct workshop *w, int64_t started_us)
{
    struct pending *pending;
    struct err err = {0};

    if (sub->idempotency_key && recent_differs(api->recent, &out->subject, &out->content)) {
        api_count(COUNT_intake_conflicts_total);
        api_problem(req, PROBLEM_CONFLICT, "Other content was received under this key before.");
        return;
    }
    pending = pending_new(api, req, sub, out, started_us);
    if (pending && hand_on(api, req, out, w, pending, &err))
        return; /* on_ack() has them now */
    free(pending);
    if (err.kind == ERR_INPUT) {
        api_count(COUNT_intake_invalid_total);
        api_problem(req, PROBLEM_TOO_LARGE, "The bus does not take a record of this size.");
    } else {
        api_count(COUNT_intake_bus_failed_total);
        api_problem(req, PROBLEM_BUS_AWAY, "The bus does not take anything at the moment.");
    }
}

/* ---- handlers */

static void post_report(void *ctx, struct http_request *req)
{
    struct api *api = ctx;
    int64_t started_us = clock_mono_us();
    struct registry *registry;
    struct submission sub;
    struct report_request request;
    AUTO(arena_done) struct arena arena;
    struct outgoing out;
    struct err err = {0};

    arena_init(&arena, INTAKE_ARENA_MAX_BYTES);
    if (!api_admit(api, req, KEY_MAY_REPORT, &sub, &registry) ||
        !api_read(req, &report_request_shape, &request, &arena))
        return;
    if (!intake_report(&sub, &request, &api->workshop, &arena, &out, &err))
        api_refuse(req, PROBLEM_INVALID, &err);
    else if (http_defer(req, api->conf.ack_deadline_ms,
                        "The bus did not acknowledge it in time; it may yet be stored."))
        api_publish(api, req, &sub, &out, &api->workshop, started_us);
}

static void get_root(void *ctx, struct http_request *req)
{
    static const char body[] = "{\"service\":\"tongbao intake\",\"links\":{"
                               "\"reports\":\"/v1/reports\","
                               "\"incident\":\"/v1/incidents/{id}\","
                               "\"supplements\":\"/v1/incidents/{id}/supplements\","
                               "\"actions\":\"/v1/incidents/{id}/actions\"},"
                               "\"interface\":\"proto/openapi.yaml\"}\n";

    (void)ctx;
    http_reply(req,
               &(struct http_response){.status = 200, .body = body, .body_len = sizeof(body) - 1});
}

#define JSON_TYPE "application/json"
const struct http_route api_routes[] = {
    {"POST", "/v1/reports", post_report, JSON_TYPE},
    {"POST", "/v1/incidents/{id}/supplements", api_post_supplement, JSON_TYPE},
    {"POST", "/v1/incidents/{id}/actions", api_post_action, JSON_TYPE},
    {"GET", "/v1/incidents/{id}", api_get_incident, NULL},
    {"GET", "/", get_root, NULL},
};
const size_t api_routes_n = ARRAY_LEN(api_routes);

/* ---- life */

bool api_open(struct api **ret, const struct api_conf *conf, struct err *err)
{
    AUTO(auto_api) struct api *api = calloc(1, sizeof(*api));

    if (!api)
        return err_memory(err);
    api->conf = *conf;
    workshop_init(&api->workshop);
    if (!recent_open(&api->recent, err))
        return false;
    *ret = TAKE(api);
    return true;
}

void api_close(struct api *api)
{
    if (!api)
        return;
    recent_close(api->recent);
    workshop_done(&api->workshop);
    free(api);
}
