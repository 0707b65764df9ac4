/*
 * client - many HTTP and SMTP transfers at once on one libcurl multi handle.
 *
 * Threads     One thread owns a client: it calls all functions, and callbacks run inside
 *             http_client_run().
 * Ownership   A transfer copies what it is given. The response is borrowed during the callback.
 * Bounds      inflight_max transfers, body_max_bytes of a response kept (the rest is read and
 *             dropped), one total deadline per transfer.
 * Not done    Redirects. Repeats, which the caller owns (only a request without a body, on a kept
 *             connection that turns out dead, is sent once more by libcurl). Proxies, also of the
 *             environment. TLS below 1.2. HEAD.
 * Errors      A transfer always ends in exactly one callback. `err` is set when no full answer
 *             came; its text holds no path and no credentials. `may_have_arrived` says whether the
 *             request was sent completely (so that "failed" and "unknown" are told apart).
 * Mail        A refusal by the server (421, 550, …) is a full answer: its code is the status, its
 *             last line the body. The message's lines end in CRLF. Without starttls_required
 *             smtp:// stays plain, whatever the server offers; smtps:// is TLS from the start.
 */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

struct http_client;

struct http_client_conf {
    int64_t inflight_max;
    int64_t body_max_bytes;
    const char *ca_file; /* NULL: the system's */
};

#define HTTP_TRANSFER_HEADERS_MAX 12

struct http_transfer {
    const char *url;                                /* http(s):// or smtp(s):// */
    const char *method;                             /* HTTP; NULL: POST */
    const char *headers[HTTP_TRANSFER_HEADERS_MAX]; /* "Name: value", NULL ends */
    const char *body; /* HTTP body, or the whole RFC 5322 message for SMTP */
    size_t body_len;
    const char *mail_from; /* SMTP */
    const char *mail_to;
    const char *username, *password; /* NULL: none */
    bool starttls_required;
    int64_t timeout_ms;
};

struct http_result {
    int status; /* HTTP status or the last SMTP reply code; 0 = none */
    const char *body;
    size_t body_len;
    const char *retry_after; /* the header's value or NULL */
    bool may_have_arrived;
    const struct err *err; /* NULL: a full answer came (of any status) */
};
typedef void http_done_fn(void *ctx, const struct http_result *result);

bool http_client_open(struct http_client **ret, const struct http_client_conf *conf,
                      struct err *err) MUST_CHECK;

/* Running transfers end with an error, their callbacks run. */
void http_client_close(struct http_client *c);
DEFINE_AUTO(auto_http_client, struct http_client, http_client_close)

/* ERR_TRANSIENT when inflight_max are under way; ERR_INPUT for a URL that cannot be used. True:
 * `fn` will run once. */
bool http_client_start(struct http_client *c, const struct http_transfer *transfer,
                       http_done_fn *fn, void *ctx, struct err *err) MUST_CHECK;
size_t http_client_inflight(const struct http_client *c);

/* Moves all transfers on, waiting at most wait_ms for something to happen; http_client_wakeup()
 * from any thread ends the wait. */
void http_client_run(struct http_client *c, int64_t wait_ms);
void http_client_wakeup(struct http_client *c);

/* One transfer, waited for (for commands). The body is the caller's to free. */
bool http_fetch(const struct http_transfer *transfer, const char *ca_file, int *ret_status,
                char **ret_body, size_t *ret_len, struct err *err) MUST_CHECK;

#endif
