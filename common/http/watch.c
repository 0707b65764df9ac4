#include "common/http/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h> /* bytes_received: newer than the C library's own structure */
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/clock.h"

enum { SWEEPS_PER_TIMEOUT = 8, SWEEP_MIN_MS = 10, SWEEP_MAX_MS = 500 };

/* ---- connections */

static void read_peer(char peer[INET6_ADDRSTRLEN], const struct sockaddr *from)
{
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)from;

        (void)inet_ntop(AF_INET, &v4->sin_addr, peer, INET6_ADDRSTRLEN);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)from;

        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            (void)inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, peer, INET6_ADDRSTRLEN);
        else
            (void)inet_ntop(AF_INET6, &v6->sin6_addr, peer, INET6_ADDRSTRLEN);
    }
}

struct http_conn *conn_open(struct http_server *s, int fd, const struct sockaddr *peer)
{
    struct http_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        return NULL;
    conn->fd = fd;
    read_peer(conn->peer, peer);
    conn_enter(conn, PHASE_IDLE);
    pthread_mutex_lock(&s->conns_lock);
    conn->next = s->conns;
    if (s->conns)
        s->conns->prev = conn;
    s->conns = conn;
    pthread_mutex_unlock(&s->conns_lock);
    http_count(COUNT_http_connections, 1);
    return conn;
}

void conn_close(struct http_server *s, struct http_conn *conn)
{
    if (!conn)
        return;
    pthread_mutex_lock(&s->conns_lock);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        s->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    pthread_mutex_unlock(&s->conns_lock);
    http_count(COUNT_http_connections, -1);
    free(conn);
}

void conn_enter(struct http_conn *conn, enum conn_phase phase)
{
    if (!conn)
        return;
    if (phase == PHASE_IDLE)
        atomic_fetch_add_explicit(&conn->turn, 1, memory_order_relaxed);
    atomic_store_explicit(&conn->since_mono_ms, clock_mono_ms(), memory_order_relaxed);
    atomic_store_explicit(&conn->phase, phase, memory_order_release);
}

/* libmicrohttpd does not tell when the first byte of a head has come; the kernel does. */
static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_received : 0;
}

/* libmicrohttpd's own timeout starts anew with every byte: a client that drips would stay for
 * ever. */
static bool conn_is_overdue(const struct http_server *s, struct http_conn *conn,
                            int64_t now_mono_ms)
{
    enum conn_phase phase = atomic_load_explicit(&conn->phase, memory_order_acquire);
    int64_t since = atomic_load_explicit(&conn->since_mono_ms, memory_order_relaxed);
    unsigned turn = atomic_load_explicit(&conn->turn, memory_order_relaxed);

    if (turn != conn->seen_turn) {
        conn->seen_bytes =
            turn == 1 ? 0 : bytes_received(conn->fd); /* the first turn: from the very first byte */
        conn->seen_turn = turn;
        conn->first_byte_mono_ms = 0;
    }
    if (phase == PHASE_IDLE && conn->first_byte_mono_ms == 0 &&
        bytes_received(conn->fd) != conn->seen_bytes)
        conn->first_byte_mono_ms = now_mono_ms;
    if (phase == PHASE_WORKING)
        return false;
    if (phase != PHASE_ANSWERING && conn->first_byte_mono_ms != 0)
        return now_mono_ms - conn->first_byte_mono_ms > s->conf.request_timeout_ms;
    return now_mono_ms - since >
           (phase == PHASE_IDLE ? s->conf.idle_timeout_ms : s->conf.request_timeout_ms);
}

static void sweep(struct http_server *s, int64_t now_mono_ms)
{
    pthread_mutex_lock(&s->conns_lock);
    for (struct http_conn *conn = s->conns; conn; conn = conn->next) {
        if (conn->is_shut || !conn_is_overdue(s, conn, now_mono_ms))
            continue;
        conn->is_shut = true;
        if (conn->first_byte_mono_ms != 0 || atomic_load(&conn->phase) != PHASE_IDLE)
            http_count(COUNT_http_slow_closed_total, 1);
        (void)shutdown(conn->fd, SHUT_RDWR); /* libmicrohttpd notices and closes it */
    }
    pthread_mutex_unlock(&s->conns_lock);
}

/* ---- the thread */

static int64_t sweep_interval_ms(const struct http_server_conf *conf)
{
    int64_t least = conf->request_timeout_ms < conf->idle_timeout_ms ? conf->request_timeout_ms
                                                                     : conf->idle_timeout_ms;
    int64_t interval = least / SWEEPS_PER_TIMEOUT;

    return interval < SWEEP_MIN_MS   ? SWEEP_MIN_MS
           : interval > SWEEP_MAX_MS ? SWEEP_MAX_MS
                                     : interval;
}

/* Called with waiting_lock. A deadline nearer than wake_mono_ms wakes it early. */
static void sleep_until(struct http_server *s, int64_t wake_mono_ms)
{
    struct timespec at;

    if (s->oldest && s->oldest->due_mono_ms < wake_mono_ms)
        wake_mono_ms = s->oldest->due_mono_ms;
    s->wake_mono_ms = wake_mono_ms;
    at = (struct timespec){.tv_sec = wake_mono_ms / 1000, .tv_nsec = wake_mono_ms % 1000 * 1000000};
    (void)pthread_cond_timedwait(&s->wake, &s->waiting_lock, &at);
}

static void *watch(void *ctx)
{
    struct http_server *s = ctx;
    const int64_t interval_ms = sweep_interval_ms(&s->conf);
    int64_t sweep_due_ms = clock_mono_ms() + interval_ms;
    bool stop = false;

    while (!stop) {
        int64_t now;

        pthread_mutex_lock(&s->waiting_lock);
        if (!s->watch_stop)
            sleep_until(s, sweep_due_ms);
        stop = s->watch_stop;
        pthread_mutex_unlock(&s->waiting_lock);

        now = clock_mono_ms();
        answer_overdue(s, now, false);
        if (now >= sweep_due_ms) {
            sweep(s, now);
            sweep_due_ms = now + interval_ms;
        }
    }
    return NULL;
}

bool watch_open(struct http_server *s, struct err *err)
{
    int rc = pthread_create(&s->watcher, NULL, watch, s);

    return rc == 0 || err_set(err, ERR_FATAL, "thread: %s", strerrordesc_np(rc));
}

void watch_close(struct http_server *s)
{
    pthread_mutex_lock(&s->waiting_lock);
    s->watch_stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->waiting_lock);
    (void)pthread_join(s->watcher, NULL);
}
