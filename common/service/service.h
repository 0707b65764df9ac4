/*
 * service - the frame that every main.c stands in: signals, readiness, the admin port, opening
 * again after a transient error, ordered shutdown.
 *
 * Admin port  GET /healthz  200 while the process's loops move; 503 names a loop that has not
 *                           called service_alive() for 30 s;
 *             GET /readyz   200 or 503 with {"ready":false,"checks":[{"name","ready","detail"}]};
 *             GET /metrics  Prometheus text. Loopback by default.
 * Signals     SIGTERM and SIGINT set the stop flag; a second one, or a stop that takes 30 s, exits
 *             at once. SIGHUP, and a change in the folder that is watched, calls the reload hook on
 *             the main thread's next turn; SIGPIPE is ignored. Signals are blocked before any other thread exists and taken by a thread of
 *             this module.
 * Turns       The main thread's turns are its calls of service_alive(), service_pause(), and each
 *             round of service_loop().
 * Threads     service_open() by the main thread before any other thread exists, service_close()
 *             when no other is left; the rest from any thread.
 * Bounds      32 checks and 32 loops (health.h).
 */
#ifndef COMMON_SERVICE_SERVICE_H
#define COMMON_SERVICE_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

struct service;

struct service_conf { /* the rows of common/service/conf.def, copied by the caller */
    const char *name;
    const char *instance;
    const char *admin_listen;
    const char *watched; /* a folder: a change in it reloads; NULL: none. Borrowed */
};

/* For --check-config: what service_open() would refuse, as far as the text tells. ERR_CONFIG. */
bool service_conf_check(const struct service_conf *conf, struct err *err) MUST_CHECK;

bool service_open(struct service **ret, const struct service_conf *conf,
                  struct err *err) MUST_CHECK;
void service_close(struct service *svc);
DEFINE_AUTO(auto_service, struct service, service_close)

/* The port that was taken (for ":0"); the log says it too. */
int service_admin_port(const struct service *svc);

/* Readiness is the "and" of all checks that were ever named; a service is not ready until
 * service_started(), nor once it is stopping. A change is logged, once. */
void service_check(struct service *svc, const char *name, bool ready, const char *detail);
void service_started(struct service *svc);

/* What became of the watched folder's last change: in force, or, with an error, refused, and the one before stays. No reason not to be ready. */
void service_policy(struct service *svc, const struct err *refused);

/* A named loop lives: call at least every few seconds. service_loop() forgets its own when it
 * ends. */
void service_alive(struct service *svc, const char *loop);

const atomic_bool *service_stop(const struct service *svc);
bool service_stopping(const struct service *svc);

/* E.g. after a fatal error in a worker. */
void service_request_stop(struct service *svc);

/* fn is called on SIGHUP, and when a file of the watched folder has changed since service_open() and stayed as it is for a second. */
void service_on_reload(struct service *svc, void (*fn)(void *ctx), void *ctx);

/*
 * Runs `once` until the stop flag is set. `once` opens what it needs, works until the flag is set
 * or an error comes, and closes. true: the flag was set (a transient error while stopping is only
 * logged). ERR_TRANSIENT: logged, then again after a pause that grows from 100 ms to 5 s with
 * jitter and starts anew after a minute of work; any other error ends the loop and is returned
 * (its supervisor starts the process anew, but for exit code 78).
 */
typedef bool service_once_fn(void *ctx, struct service *svc, struct err *err);
bool service_loop(struct service *svc, const char *loop, service_once_fn *once, void *ctx,
                  struct err *err) MUST_CHECK;

/* Sleeps at most ms, less when the stop flag is set. Keep it to a few seconds on the main
 * thread: a reload waits for its end. */
void service_pause(const struct service *svc, int64_t ms);

#endif
