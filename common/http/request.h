/*
 * request - a request's head, checked and copied into one block; what the server remembers of it
 * until it is answered. Private to common/http.
 *
 * Threads     request_new() and the body: libmicrohttpd's thread. What a request gives out is
 *             constant once its body is complete.
 * Ownership   One block per request holds the struct, all strings and a body of known length; a
 *             chunked body grows beside it. request_unref() by the last holder (libmicrohttpd's
 *             slot; the deferred caller) frees it.
 * Bounds      HTTP_HEADERS_MAX, HTTP_ARGS_MAX, HTTP_SEGMENTS_MAX, and those of the server's
 *             configuration.
 */
#ifndef COMMON_HTTP_REQUEST_H
#define COMMON_HTTP_REQUEST_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/http/server.h"

struct MHD_Connection;
struct MHD_Response;

#define HTTP_HEADERS_MAX  64
#define HTTP_ARGS_MAX     16
#define HTTP_SEGMENTS_MAX 12

enum refusal {
    REFUSAL_NONE,
#define REFUSAL(name, counter, status, closes, type, title, advice) REFUSAL_##name,
#include "common/http/refusals.def"
#undef REFUSAL
};

/* Why, with the words for this case. */
struct refused {
    enum refusal why;
    const char *allow; /* METHOD: the value of Allow, in `text` */
    char text[256];
};

struct http_text {
    const char *data;
    size_t len;
};
struct http_pair {
    struct http_text name, value;
};

/* A head as it came, borrowed from libmicrohttpd: nothing is decoded. */
struct http_head {
    const char *method, *path;
    bool is_http_1_1;
    bool has_nul; /* the target goes on behind a NUL */
    bool has_too_many;
    size_t len, headers_n, args_n;
    struct http_pair headers[HTTP_HEADERS_MAX], args[HTTP_ARGS_MAX];
};

struct http_field {
    char *name, *value;
};

struct http_request {
    struct http_server *server;
    struct http_conn *conn; /* libmicrohttpd's thread only */
    struct MHD_Connection
        *mhd; /* libmicrohttpd's thread, or whoever took the request off the waiting list */
    struct MHD_Response *response; /* to be sent when libmicrohttpd asks next; owner as `mhd` */
    int status;
    atomic_uint refs;

    bool is_counted;  /* as unfinished; libmicrohttpd's thread */
    bool is_answered; /* at once, by its handler */
    bool is_deferred; /* set before the request is handed on, constant afterwards */

    bool is_waiting; /* these four: under the server's waiting_lock */
    int64_t due_mono_ms;
    const char *late_problem;
    struct http_request *older, *newer;

    const struct http_route *route;
    int64_t received_wall_ms;
    const char *peer; /* in the block */
    char *body;
    size_t body_len, body_cap;
    bool is_chunked;
    size_t params_n, headers_n, args_n;
    const char *params[HTTP_PARAMS_MAX];
    struct http_field *args;
    struct http_field headers[];
};

/*
 * Checks the head and makes the request. REFUSAL_NONE and *ret NULL: no memory. A refusal that
 * closes makes no request; one that does not has its request too, whose body is to be read and
 * dropped.
 */
void request_new(struct http_request **ret, const struct http_head *head, const char *peer,
                 const struct http_server_conf *conf, const struct http_route *routes,
                 size_t routes_n, struct refused *refused);
void request_unref(struct http_request *req);

/* Without `keep` the bytes are only counted. */
enum body_taken { BODY_TAKEN, BODY_TOO_LARGE, BODY_NO_MEMORY };
enum body_taken request_take_body(struct http_request *req, const char *data, size_t len,
                                  size_t body_max_bytes, bool keep);

/* ERR_FATAL when a route's path is not well formed: a defect of ours, found at start. */
bool request_check_routes(const struct http_route *routes, size_t routes_n, struct err *err);

#endif
