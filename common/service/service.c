#include "common/service/service.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/http/server.h"
#include "common/service/backoff.h"
#include "common/service/health.h"

#define STOP_MAX_S 30
#define WATCH_MS   1000

enum {
    PAGE_MAX_BYTES = 1024 * 1024,
    STEADY_MS = 60000, /* of work without an error: the next pause is short again */
};
static const char process_check[] = "process";

static const struct http_server_conf admin_conf = {
    .header_max_bytes = 8192,
    .connections_max = 64,
    .request_timeout_ms = 5000,
    .idle_timeout_ms = 60000,
};

/* Apart, so that a pause through a const service may run the hook. */
struct reload {
    atomic_bool due;
    pthread_mutex_t lock;
    void (*fn)(void *ctx);
    void *ctx;
    const char *folder; /* NULL: none is watched */
    uint64_t seen;      /* its stamp */
    bool is_settling;   /* it changed since the last look */
};

struct service {
    atomic_bool stop;
    int stop_fd; /* readable once the flag is set */
    atomic_bool closing;
    pthread_t main_thread, signals_thread;
    struct reload reload_part, *reload;
    struct http_server *admin;
    pthread_mutex_t lock; /* health */
    struct health health;
};

/* ---- the admin port, on its server's thread */

static void answer_page(struct http_request *req, int status, const char *type,
                        const struct buf *page)
{
    http_reply(req, &(struct http_response){.status = page->failed ? 500 : status,
                                            .content_type = type,
                                            .body = buf_text(page),
                                            .body_len = page->len});
}

static void on_healthz(void *ctx, struct http_request *req)
{
    struct service *svc = ctx;
    AUTO(buf_done) struct buf page;
    bool ok;

    buf_init(&page, PAGE_MAX_BYTES);
    pthread_mutex_lock(&svc->lock);
    ok = health_write_alive(&page, &svc->health, clock_mono_ms());
    pthread_mutex_unlock(&svc->lock);
    answer_page(req, ok ? 200 : 503, NULL, &page);
}

static void on_readyz(void *ctx, struct http_request *req)
{
    struct service *svc = ctx;
    AUTO(buf_done) struct buf page;
    bool ok;

    buf_init(&page, PAGE_MAX_BYTES);
    pthread_mutex_lock(&svc->lock);
    ok = health_write_ready(&page, &svc->health);
    pthread_mutex_unlock(&svc->lock);
    answer_page(req, ok ? 200 : 503, NULL, &page);
}

static void on_metrics(void *ctx, struct http_request *req)
{
    AUTO(buf_done) struct buf page;

    (void)ctx;
    buf_init(&page, PAGE_MAX_BYTES);
    metric_print(&page);
    answer_page(req, 200, "text/plain; version=0.0.4; charset=utf-8", &page);
}

static const struct http_route admin_routes[] = {
    {"GET", "/healthz", on_healthz, NULL},
    {"GET", "/readyz", on_readyz, NULL},
    {"GET", "/metrics", on_metrics, NULL},
};

/* ---- signals */

static void taken_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

static _Noreturn void give_up(const char *why)
{
    log_plain(LOG_WARN, why);
    _exit(EXIT_FAILURE);
}

/* The next signal, or 0 when none came within the time that an ordered stop may take (librdkafka
 * can hang when it closes (2.0.2, partitions lost while it does), and nothing is lost by exiting),
 * or until the folder is looked at again. */
static int next_signal(const sigset_t *set, bool was_asked)
{
    const struct timespec limit = {.tv_sec = was_asked ? STOP_MAX_S : WATCH_MS / 1000};
    int sig = sigtimedwait(set, NULL, &limit);

    return sig > 0 ? sig : 0;
}

static uint64_t stamp_of(const char *folder)
{
    return folder ? folder_stamp(folder) : 0;
}

/* What was half written a second ago is loaded when it is whole. */
static void look_at_folder(struct reload *reload, bool was_told)
{
    uint64_t stamp;

    pthread_mutex_lock(&reload->lock);
    stamp = stamp_of(reload->folder);
    if (was_told || (stamp == reload->seen && reload->is_settling))
        atomic_store(&reload->due, true);
    reload->is_settling = !was_told && stamp != reload->seen;
    reload->seen = stamp;
    pthread_mutex_unlock(&reload->lock);
}

static void *take_signals(void *ctx)
{
    struct service *svc = ctx;
    bool was_asked = false;
    sigset_t set;

    taken_signals(&set);
    for (;;) {
        int sig = next_signal(&set, was_asked);

        if (atomic_load(&svc->closing))
            return NULL;
        if (sig == 0 && was_asked)
            give_up("the ordered stop takes too long: exiting at once");
        if (sig == 0 || sig == SIGHUP) {
            look_at_folder(svc->reload, sig == SIGHUP);
            continue;
        }
        if (was_asked)
            give_up("asked to stop again: exiting at once");
        was_asked = true;
        service_request_stop(svc);
    }
}

static bool start_signals(struct service *svc, struct err *err)
{
    sigset_t set;
    int rc;

    taken_signals(&set);
    (void)signal(SIGPIPE, SIG_IGN);
    rc = pthread_sigmask(SIG_BLOCK, &set, NULL); /* every later thread inherits it */
    if (rc == 0)
        rc = pthread_create(&svc->signals_thread, NULL, take_signals, svc);
    return rc == 0 || err_set(err, ERR_FATAL, "thread: %s", strerrordesc_np(rc));
}

static void stop_signals(struct service *svc)
{
    atomic_store(&svc->closing, true);
    (void)pthread_kill(svc->signals_thread, SIGHUP); /* wakes it to see that */
    (void)pthread_join(svc->signals_thread, NULL);
}

static void reload_when_due(const struct service *svc)
{
    struct reload *reload = svc->reload;
    void (*fn)(void *) = NULL;
    void *ctx = NULL;

    if (!pthread_equal(pthread_self(), svc->main_thread) || !atomic_load(&reload->due))
        return;
    pthread_mutex_lock(&reload->lock);
    fn = reload->fn;
    ctx = reload->ctx;
    pthread_mutex_unlock(&reload->lock);
    if (!fn) /* what changes while the service starts is loaded once it has */
        return;
    atomic_store(&reload->due, false);
    fn(ctx);
}

void service_on_reload(struct service *svc, void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&svc->reload->lock);
    svc->reload->fn = fn;
    svc->reload->ctx = ctx;
    pthread_mutex_unlock(&svc->reload->lock);
}

/* ---- life */

static void service_free(struct service *svc)
{
    if (svc->stop_fd >= 0)
        (void)close(svc->stop_fd);
    (void)pthread_mutex_destroy(&svc->reload_part.lock);
    (void)pthread_mutex_destroy(&svc->lock);
    free(svc);
}

bool service_conf_check(const struct service_conf *conf, struct err *err)
{
    return http_listen_check(conf->admin_listen, err) || err_wrap(err, "admin port");
}

bool service_open(struct service **ret, const struct service_conf *conf, struct err *err)
{
    struct http_server_conf admin = admin_conf;
    struct service *svc = calloc(1, sizeof(*svc));

    if (!svc)
        return err_memory(err);
    svc->main_thread = pthread_self();
    svc->reload = &svc->reload_part;
    svc->reload->folder = conf->watched;
    svc->reload->seen = stamp_of(conf->watched); /* before anybody reads it */
    (void)pthread_mutex_init(&svc->lock, NULL);
    (void)pthread_mutex_init(&svc->reload_part.lock, NULL);
    svc->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)health_check(&svc->health, process_check, false, "starting");
    if (svc->stop_fd < 0) {
        (void)err_set(err, ERR_FATAL, "eventfd: %s", strerrordesc_np(errno));
        service_free(svc);
        return false;
    }
    if (!start_signals(svc, err)) {
        service_free(svc);
        return false;
    }
    admin.listen = conf->admin_listen;
    if (!http_server_open(&svc->admin, &admin, admin_routes, ARRAY_LEN(admin_routes), svc, err)) {
        (void)err_wrap(err, "admin port");
        service_close(svc);
        return false;
    }
    log_at(LOG_INFO, "admin port open", log_int("port", http_server_port(svc->admin)));
    *ret = svc;
    return true;
}

void service_close(struct service *svc)
{
    if (!svc)
        return;
    http_server_close(svc->admin);
    stop_signals(svc);
    service_free(svc);
}

int service_admin_port(const struct service *svc)
{
    return http_server_port(svc->admin);
}

/* ---- what the service says */

void service_check(struct service *svc, const char *name, bool ready, const char *detail)
{
    bool has_changed;

    pthread_mutex_lock(&svc->lock);
    has_changed = health_check(&svc->health, name, ready, detail);
    pthread_mutex_unlock(&svc->lock);
    if (has_changed)
        log_at(ready ? LOG_INFO : LOG_WARN, ready ? "check: ready" : "check: not ready",
               log_str("check", name), log_str("detail", detail));
}

void service_policy(struct service *svc, const struct err *refused)
{
    char text[sizeof(refused->text) + 80] = "in force";

    if (refused->kind != ERR_NONE)
        (void)snprintf(text, sizeof(text),
                       "the one before stays; the one in the folder is refused: %s", refused->text);
    service_check(svc, "policy", true, text);
}

void service_started(struct service *svc)
{
    if (!service_stopping(svc))
        service_check(svc, process_check, true, "started");
}

void service_alive(struct service *svc, const char *loop)
{
    pthread_mutex_lock(&svc->lock);
    health_alive(&svc->health, loop, clock_mono_ms());
    pthread_mutex_unlock(&svc->lock);
    reload_when_due(svc);
}

/* ---- stopping */

const atomic_bool *service_stop(const struct service *svc)
{
    return &svc->stop;
}

bool service_stopping(const struct service *svc)
{
    return atomic_load(&svc->stop);
}

void service_request_stop(struct service *svc)
{
    if (atomic_exchange(&svc->stop, true))
        return;
    service_check(svc, process_check, false, "stopping");
    (void)eventfd_write(svc->stop_fd, 1);
}

void service_pause(const struct service *svc, int64_t ms)
{
    struct pollfd stop = {.fd = svc->stop_fd, .events = POLLIN};

    if (ms > 0 && !service_stopping(svc))
        (void)poll(&stop, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
    reload_when_due(svc);
}

/* ---- the loop */

static bool run_again(struct service *svc, const char *loop, unsigned *failures, int64_t worked_ms,
                      const struct err *why)
{
    uint32_t random;

    log_err(LOG_WARN, loop, why);
    if (worked_ms >= STEADY_MS)
        *failures = 0;
    random_bytes(&random, sizeof(random));
    service_pause(svc, backoff_ms((*failures)++, random));
    return !service_stopping(svc);
}

bool service_loop(struct service *svc, const char *loop, service_once_fn *once, void *ctx,
                  struct err *err)
{
    unsigned failures = 0;
    bool ok = true;

    while (!service_stopping(svc)) {
        struct err why = {0};
        int64_t began_ms = clock_mono_ms();

        service_alive(svc, loop);
        if (once(ctx, svc, &why))
            continue;
        if (why.kind != ERR_TRANSIENT) {
            ok = false;
            if (err)
                *err = why;
            break;
        }
        if (!run_again(svc, loop, &failures, clock_mono_ms() - began_ms, &why))
            break;
    }
    pthread_mutex_lock(&svc->lock);
    health_forget(&svc->health, loop); /* it ends on purpose */
    pthread_mutex_unlock(&svc->lock);
    return ok;
}
