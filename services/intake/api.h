/*
 * api - the HTTP interface of intake: routes, who may call, what is answered. Decides nothing about
 * incidents (intake.h does).
 *
 *     POST /v1/reports                        report.submitted
 *     POST /v1/incidents/{id}/supplements     report.supplemented
 *     POST /v1/incidents/{id}/actions         action.*
 *     GET  /v1/incidents/{id}                 all that is known of it
 *     GET  /                                  where the rest is
 *
 * Threads     Reports are handled on the HTTP server's thread and answered on the producer's, with
 *             the acknowledgement. What needs the database goes through `readers`, supplements and
 *             actions through `finders`: who reads at length never holds up who acts.
 * Ownership   conf's parts are borrowed until api_close().
 * Guarantee   202 means: acknowledged by the bus. After ack_deadline_ms without that: 503; the same
 *             submission again is harmless.
 */
#ifndef SERVICES_INTAKE_API_H
#define SERVICES_INTAKE_API_H

#include "common/http/server.h"
#include "services/intake/bus.h"
#include "services/intake/feed.h"
#include "services/intake/readers.h"

struct api;

struct api_conf {
    struct feed *feed;
    struct bus *bus;
    struct readers *readers, *finders;
    int64_t ack_deadline_ms, read_deadline_ms;
};

extern const struct http_route api_routes[];
extern const size_t api_routes_n;

/* The routes' ctx. */
bool api_open(struct api **ret, const struct api_conf *conf, struct err *err) MUST_CHECK;
void api_close(struct api *api);
DEFINE_AUTO(auto_api, struct api, api_close)

#endif
