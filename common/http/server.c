#include "common/http/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/http/internal.h"

enum {
    POOL_EXTRA_BYTES =
        16 * 1024,  /* libmicrohttpd's pool also holds its tables and the answer's head */
    FLUSH_MS = 500, /* for answers that are written but not yet sent at the end of a drain */
};

/* ---- libmicrohttpd's callbacks, all on its thread */

static struct http_conn *conn_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = ctx;

    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *slot = conn_open(
            s, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    else
        conn_close(s, *slot);
}

/* Only here libmicrohttpd shows the target before it cuts the query off: see target_has_nul(). */
static void *on_target(void *ctx, const char *target, struct MHD_Connection *mhd)
{
    struct http_conn *conn = conn_of(mhd);

    (void)ctx;
    if (conn)
        conn->target_len = target ? strlen(target) : 0;
    return NULL;
}

/* Decoding is ours: libmicrohttpd's turns %00 into an end and leaves bad escapes as they are. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx, (void)mhd;
    return strlen(text);
}

/* libmicrohttpd cuts the request line in place: the version follows the target. A NUL in the
 * target makes the gap wider than its text. */
static bool target_has_nul(const struct http_conn *conn, const char *target, const char *version)
{
    uintptr_t gap = (uintptr_t)version - (uintptr_t)target;

    return gap > conn->target_len + 1 && gap < SIZE_MAX / 2;
}

static enum MHD_Result read_pair(void *ctx, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    struct http_head *head = ctx;
    bool is_arg = kind == MHD_GET_ARGUMENT_KIND;
    size_t *n = is_arg ? &head->args_n : &head->headers_n;

    if (*n == (is_arg ? HTTP_ARGS_MAX : HTTP_HEADERS_MAX)) {
        head->has_too_many = true;
        return MHD_NO;
    }
    (is_arg ? head->args : head->headers)[(*n)++] =
        (struct http_pair){{name, name_len}, {value, value ? value_len : 0}};
    return MHD_YES;
}

static void read_head(struct http_head *head, struct MHD_Connection *mhd, const char *path,
                      const char *method, const char *version)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    head->method = method;
    head->path = path;
    head->is_http_1_1 = strcmp(version, "HTTP/1.1") == 0;
    head->has_nul = target_has_nul(conn_of(mhd), path, version);
    head->has_too_many = false;
    head->headers_n = head->args_n = 0;
    head->len = size ? size->header_size : 0;
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, read_pair, head);
    (void)MHD_get_connection_values_n(mhd, MHD_GET_ARGUMENT_KIND, read_pair, head);
}

/* The head is there. */
static enum MHD_Result begin(struct http_server *s, struct MHD_Connection *mhd, const char *path,
                             const char *method, const char *version, void **slot)
{
    struct http_conn *conn = conn_of(mhd);
    struct http_head head;
    struct http_request *req;
    struct refused refused;

    if (!conn)
        return MHD_NO;
    read_head(&head, mhd, path, method, version);
    request_new(&req, &head, conn->peer, &s->conf, s->routes, s->routes_n, &refused);
    if (!req) {
        int status = 0;
        struct MHD_Response *response =
            refused.why == REFUSAL_NONE ? NULL : answer_refusal(&refused, &status);

        conn_enter(conn, PHASE_ANSWERING);
        return answer_send(mhd, response,
                           status); /* before the body is read: libmicrohttpd then closes */
    }
    req->server = s;
    req->conn = conn;
    req->mhd = mhd;
    if (refused.why != REFUSAL_NONE) {
        req->response = answer_refusal(&refused, &req->status);
        req->is_answered = true;
    }
    conn_enter(conn, PHASE_ARRIVING);
    *slot = req;
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_server *s, struct http_request *req, const char *data,
                                 size_t *len)
{
    enum body_taken taken =
        request_take_body(req, data, *len, (size_t)s->conf.body_max_bytes, !req->is_answered);

    *len = 0;
    if (taken == BODY_TOO_LARGE)
        return answer_cut_off(req);
    return taken == BODY_TAKEN ? MHD_YES : MHD_NO;
}

/* The body is complete. */
static void handle(struct http_server *s, struct http_request *req)
{
    struct refused refused = {.why = atomic_load(&s->stopping) ? REFUSAL_STOPPING
                                                               : REFUSAL_UNANSWERED};

    req->received_wall_ms = clock_wall_ms();
    req->is_counted = true;
    atomic_fetch_add(&s->unfinished_n, 1);
    if (req->is_answered)
        return;
    if (refused.why != REFUSAL_STOPPING) {
        conn_enter(req->conn, PHASE_WORKING);
        req->route->handler(s->ctx, req);
        if (req->is_deferred || req->is_answered)
            return;
    }
    req->response = answer_refusal(&refused, &req->status);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **slot)
{
    struct http_server *s = ctx;
    struct http_request *req = *slot;

    if (!req)
        return begin(s, mhd, path, method, version, slot);
    if (*len > 0)
        return take_body(s, req, data, len);
    if (!req->is_counted) {
        handle(s, req);
        if (req->is_deferred)
            return MHD_YES;
    }
    conn_enter(req->conn, PHASE_ANSWERING);
    return answer_send(mhd, TAKE(req->response), req->status);
}

static void on_end(void *ctx, struct MHD_Connection *mhd, void **slot,
                   enum MHD_RequestTerminationCode how)
{
    struct http_server *s = ctx;
    struct http_request *req = *slot;

    (void)how;
    conn_enter(conn_of(mhd), PHASE_IDLE);
    *slot = NULL;
    if (!req)
        return;
    if (req->is_counted && atomic_fetch_sub(&s->unfinished_n, 1) == 1 &&
        atomic_load(&s->stopping)) {
        pthread_mutex_lock(&s->waiting_lock);
        pthread_cond_broadcast(&s->finished);
        pthread_mutex_unlock(&s->waiting_lock);
    }
    if (req->response) /* refused, and the connection broke before the body's end */
        MHD_destroy_response(req->response);
    request_unref(req);
}

/* ---- life */

static bool init_locks(struct http_server *s)
{
    pthread_condattr_t attr;
    bool ok =
        pthread_mutex_init(&s->conns_lock, NULL) == 0 &&
        pthread_mutex_init(&s->waiting_lock, NULL) == 0 && pthread_condattr_init(&attr) == 0 &&
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
        pthread_cond_init(&s->wake, &attr) == 0 && pthread_cond_init(&s->finished, &attr) == 0;

    (void)pthread_condattr_destroy(&attr);
    return ok;
}

static void server_free(struct http_server *s)
{
    (void)pthread_cond_destroy(&s->finished);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->waiting_lock);
    (void)pthread_mutex_destroy(&s->conns_lock);
    free(s);
}

static bool start_daemon(struct http_server *s, struct err *err)
{
    const struct http_server_conf *conf = &s->conf;

    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, s,
        MHD_OPTION_LISTEN_SOCKET, s->listen_fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)conf->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)conf->connections_per_address_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)conf->header_max_bytes + POOL_EXTRA_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        0U, /* the watcher's, who knows more */
        MHD_OPTION_END);
    return s->daemon ||
           err_set(err, ERR_FATAL, "libmicrohttpd does not start: %s", strerrordesc_np(errno));
}

bool http_server_open(struct http_server **ret, const struct http_server_conf *conf,
                      const struct http_route *routes, size_t routes_n, void *ctx, struct err *err)
{
    struct http_server *s;

    if (!request_check_routes(routes, routes_n, err))
        return false;
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_memory(err);
    s->conf = *conf;
    s->routes = routes;
    s->routes_n = routes_n;
    s->ctx = ctx;
    s->conf.listen = NULL; /* the caller's text; not needed again */
    if (!init_locks(s)) {
        free(s);
        return err_memory(err);
    }
    if (!listen_open(&s->listen_fd, &s->port, conf->listen, err)) {
        server_free(s);
        return false;
    }
    if (!watch_open(s, err)) {
        (void)close(s->listen_fd);
        server_free(s);
        return false;
    }
    if (!start_daemon(s, err)) { /* closes the socket itself */
        watch_close(s);
        server_free(s);
        return false;
    }
    *ret = s;
    return true;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

static void wait_finished(struct http_server *s, int64_t wait_ms)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    pthread_mutex_lock(&s->waiting_lock);
    while (atomic_load(&s->unfinished_n) > 0 &&
           pthread_cond_timedwait(&s->finished, &s->waiting_lock, &until) == 0)
        ;
    pthread_mutex_unlock(&s->waiting_lock);
}

void http_server_drain(struct http_server *s, int64_t drain_ms)
{
    bool is_first;

    pthread_mutex_lock(&s->waiting_lock); /* after this nothing begins to wait */
    is_first = !atomic_exchange(&s->stopping, true);
    pthread_mutex_unlock(&s->waiting_lock);
    if (is_first) {
        (void)MHD_quiesce_daemon(s->daemon); /* stops accepting; the socket is ours from here on */
        (void)shutdown(s->listen_fd, SHUT_RDWR); /* refuses; its number stays taken until close() */
    }
    wait_finished(s, drain_ms);
    answer_overdue(s, 0, true);
    wait_finished(s, FLUSH_MS);
}

/* libmicrohttpd aborts the process when a connection is still suspended at its stop: the drain
 * leaves none. */
void http_server_close(struct http_server *s)
{
    if (!s)
        return;
    http_server_drain(s, 0);
    watch_close(s);
    MHD_stop_daemon(s->daemon);
    (void)close(s->listen_fd);
    server_free(s);
}
