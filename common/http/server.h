/*
 * server - an HTTP/1.1 server on libmicrohttpd for small JSON bodies, whose answers may come later.
 *
 * Threads     One epoll thread of libmicrohttpd calls the handlers, one request at a time: a
 *             handler never blocks. http_reply() may be called from any thread. A thread of the
 *             server's own watches deadlines.
 * Life        The handler gets a request whose body is complete. It either answers at once with
 *             http_reply(), or calls http_defer() first, hands the request on, and http_reply() is
 *             called later, from anywhere. Exactly one http_reply() per request in both cases; the
 *             request must not be touched after it.
 * Deadline    A deferred request that is not answered within its deadline is answered by the server
 *             (503, the problem given to http_defer); the later http_reply() is accepted, counted
 *             and dropped. So a client never waits longer, and a late caller needs no check.
 * Ownership   All strings a request gives out live until its http_reply() returns.
 * Bounds      conf: body bytes (413), header bytes (431), connections, connections per address,
 *             requests deferred at once (503), seconds for a whole request to arrive (closed).
 * Refused     before any handler: two Content-Lengths, Content-Length with Transfer-Encoding, other
 *             transfer encodings than chunked, not exactly one Host, a path that no route has
 *             (404), a method that the path's routes lack (405 with Allow), a content type other
 *             than the route's (415). Each as a problem document (RFC 9457); where framing is in
 *             doubt the connection is closed. What libmicrohttpd itself cannot parse gets its own
 *             plain 400, 413, 414, 431 or 505, and is closed.
 */
#ifndef COMMON_HTTP_SERVER_H
#define COMMON_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

struct http_server;
struct http_request;

typedef void http_handler_fn(void *ctx, struct http_request *req);

#define HTTP_PARAMS_MAX 4

struct http_route {
    const char *method; /* "POST" */
    const char *path; /* {…} fits one segment: "/v1/incidents/{id}"; params 0, 1, … in order */
    http_handler_fn *handler;
    const char *content_type; /* of the request's body; NULL: a body that comes is 400 */
};

struct http_server_conf {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0", ":8080" = all addresses */
    int64_t body_max_bytes;
    int64_t header_max_bytes;
    int64_t connections_max;
    int64_t connections_per_address_max; /* 0: no limit */
    int64_t deferred_max;
    int64_t request_timeout_ms; /* a request's first byte to its last; and to take its answer */
    int64_t idle_timeout_ms;    /* between requests on a kept connection */
};

/* `routes` is borrowed until http_server_close(). ERR_CONFIG when the address cannot be taken
 * (names it, and says what to do). */
bool http_server_open(struct http_server **ret, const struct http_server_conf *conf,
                      const struct http_route *routes, size_t routes_n, void *ctx,
                      struct err *err) MUST_CHECK;

/* Whether it can be read as a listen address: ERR_CONFIG says how to write one. Takes none. */
bool http_listen_check(const char *address, struct err *err) MUST_CHECK;

/* The port that was taken (for ":0"). */
int http_server_port(const struct http_server *s);

/* From now on every new request gets 503 "shutting down", Connection: close; waits at most
 * drain_ms until the deferred ones are answered, and then answers the rest 503. The callers' later
 * http_reply() stay allowed until http_server_close(), which the owner calls once nobody can reply
 * any more (after closing its producer's callbacks). */
void http_server_drain(struct http_server *s, int64_t drain_ms);
void http_server_close(struct http_server *s);
DEFINE_AUTO(auto_http_server, struct http_server, http_server_close)

/* ---- what a handler reads */
const char *http_param(const struct http_request *req,
                       size_t i); /* percent-decoded; never NULL for i < the path's params */
const char *http_header(const struct http_request *req,
                        const char *name); /* NULL: absent. Two of one name: the first */
const char *http_query(const struct http_request *req, const char *name); /* NULL: absent */
const char *http_body(const struct http_request *req,
                      size_t *ret_len); /* "" when empty; NUL-terminated behind len */
const char *http_peer(const struct http_request *req);         /* address without port */
int64_t http_received_wall_ms(const struct http_request *req); /* when the last byte had come */

/* ---- answering */
struct http_reply_header {
    const char *name, *value;
};
struct http_response {
    int status;
    const char *content_type; /* NULL: application/json */
    const char *body;         /* copied */
    size_t body_len;
    struct http_reply_header headers[4]; /* name NULL ends the list; copied */
};
void http_reply(struct http_request *req, const struct http_response *response);

/* Call before the request is handed to another thread. False: too many wait, or the server stops
 * (it has then answered 503 itself, do nothing more with req). late_problem is the detail text of
 * the 503 given when the deadline passes (a static string). */
bool http_defer(struct http_request *req, int64_t deadline_ms, const char *late_problem) MUST_CHECK;

/* ---- problem documents (RFC 9457): {"type","title","status","detail"?,"pointer"?,"advice"?} */
struct http_problem {
    int status;
    const char *type;    /* "invalid-report" becomes the identifier "/problems/invalid-report" */
    const char *title;   /* short, the same for every case of the type */
    const char *detail;  /* what was wrong, with the value's place in words */
    const char *pointer; /* JSON pointer at fault, or NULL */
    const char *advice;  /* what to do next: member "advice" */
    int retry_after_s;   /* > 0: Retry-After */
};
void http_problem(struct http_request *req, const struct http_problem *problem);

#endif
