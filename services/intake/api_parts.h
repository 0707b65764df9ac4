/* api_parts - what the two halves of the HTTP interface share: admission, answers, publishing.
 * Private to api.c and api_incident.c. */
#ifndef SERVICES_INTAKE_API_PARTS_H
#define SERVICES_INTAKE_API_PARTS_H

#include "common/base/metric.h"
#include "services/intake/api.h"
#include "services/intake/recent.h"

struct api {
    struct api_conf conf;
    struct recent *recent;
    struct workshop workshop; /* of the HTTP server's thread */
};

enum problem {
#define PROBLEM(symbol, status, type, title, advice, retry_after_s) PROBLEM_##symbol,
#include "services/intake/problems.def"
#undef PROBLEM
};

enum api_counter {
#define METRIC_COUNTER(name, help) COUNT_##name,
#define METRIC_HISTOGRAM(name, help)
#include "services/intake/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_HISTOGRAM
};

void api_count(enum api_counter counter);
void api_problem(struct http_request *req, enum problem problem, const char *detail);
/* What was found wrong with the request, counted. Anything but ERR_INPUT: 500. */
void api_refuse(struct http_request *req, enum problem problem, const struct err *err);

/* The request's body; `ret` lives in the arena. False: answered. */
bool api_read(struct http_request *req, const struct shape *shape, void *ret, struct arena *arena);

/* Who calls, with which key and when. False: answered. HTTP thread only; caller and key live as
 * long as *ret_registry and req. */
bool api_admit(struct api *api, struct http_request *req, enum key_scope scope,
               struct submission *ret, struct registry **ret_registry);

/* Deferred requests only: sends the event in w->body and answers with the acknowledgement, or 422
 * or 503 at once. */
void api_publish(struct api *api, struct http_request *req, const struct submission *sub,
                 const struct outgoing *out, const struct workshop *w, int64_t started_us);

void api_post_supplement(void *ctx, struct http_request *req);
void api_post_action(void *ctx, struct http_request *req);
void api_get_incident(void *ctx, struct http_request *req);

#endif
