/*
 * internal - what the files of the server share. Private to common/http.
 *
 * server.c   life cycle and libmicrohttpd's callbacks        answer.c   answers, at once or later
 * watch.c    the thread that watches deadlines and slow peers  request.c  a request's head
 *
 * Locks       waiting_lock: the waiting list. conns_lock: the list of connections; a file
 *             descriptor on it is open as long as the lock is held. Neither is held while
 *             libmicrohttpd is called, and never both.
 */
#ifndef COMMON_HTTP_INTERNAL_H
#define COMMON_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/http/request.h"

enum http_counter {
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#define METRIC_COUNTER(name, help) COUNT_##name,
#define METRIC_GAUGE(name, help)   COUNT_##name,
#include "common/http/metrics.def"
};
void http_count(enum http_counter what, int64_t n);

enum conn_phase {
    PHASE_IDLE,      /* between requests, or in the middle of a head */
    PHASE_ARRIVING,  /* the head is there, the body is not */
    PHASE_WORKING,   /* with its handler, or deferred: has a deadline of its own */
    PHASE_ANSWERING, /* the answer is being sent */
};

struct http_conn {
    struct http_conn *prev, *next; /* under conns_lock */
    int fd;
    char peer[INET6_ADDRSTRLEN];
    size_t target_len; /* libmicrohttpd's thread */

    _Atomic enum conn_phase phase; /* written by libmicrohttpd's thread */
    _Atomic int64_t since_mono_ms;
    atomic_uint turn; /* counts the requests */

    unsigned seen_turn; /* these: the watcher's own */
    uint64_t seen_bytes;
    int64_t first_byte_mono_ms; /* 0: none seen of this request */
    bool is_shut;
};

struct http_server {
    struct http_server_conf conf;
    const struct http_route *routes;
    size_t routes_n;
    void *ctx;
    struct MHD_Daemon *daemon;
    int listen_fd, port;

    pthread_mutex_t conns_lock;
    struct http_conn *conns;

    pthread_mutex_t waiting_lock;
    struct http_request *oldest, *newest; /* in order of due time */
    int64_t wake_mono_ms;                 /* the watcher sleeps until then */
    pthread_cond_t wake, finished;
    bool watch_stop;
    atomic_bool stopping; /* set under waiting_lock */
    atomic_int deferred_n;
    atomic_int unfinished_n; /* handed to a handler, answer not yet sent completely */

    pthread_t watcher;
};

/* ---- answer.c */

/* The answer to a refused request, NULL without memory. Counts the refusal. */
struct MHD_Response *answer_refusal(const struct refused *refused, int *ret_status);

/* Sends it and gives it up; NULL closes the connection. */
enum MHD_Result answer_send(struct MHD_Connection *mhd, struct MHD_Response *response, int status);

/* For a body over its limit whose end nobody wants to wait for: libmicrohttpd takes no answer in
 * the middle of a body. */
enum MHD_Result answer_cut_off(struct http_request *req);

/* Answers those whose time has come (all with is_forced) 503. */
void answer_overdue(struct http_server *s, int64_t now_mono_ms, bool is_forced);

/* ---- problem.c */
bool problem_write(struct buf *out, const struct http_problem *problem);

/* ---- listen.c */
bool listen_open(int *ret_fd, int *ret_port, const char *address, struct err *err) MUST_CHECK;

/* ---- watch.c */
bool watch_open(struct http_server *s, struct err *err) MUST_CHECK;
void watch_close(struct http_server *s);
struct http_conn *conn_open(struct http_server *s, int fd,
                            const struct sockaddr *peer); /* NULL: no memory */
void conn_close(struct http_server *s, struct http_conn *conn);
void conn_enter(struct http_conn *conn, enum conn_phase phase);

#endif
