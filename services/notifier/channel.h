/*
 * channel - a way to reach people. One file and one row in proto/channels.def each.
 *
 * prepare     turns a message into one transfer. Pure.   ERR_INPUT: the address cannot be used: the message is dead.
 * verdict     turns what came back into the fate of the attempt. Pure.
 * hint        the address masked, for events and logs. Pure.
 */
#ifndef SERVICES_NOTIFIER_CHANNEL_H
#define SERVICES_NOTIFIER_CHANNEL_H

#include "common/base/buf.h"
#include "common/http/client.h"
#include "services/notifier/plan.h"

struct channel_conf { /* where and as whom we send; borrowed */
    const char *smtp_url, *smtp_from, *smtp_username, *smtp_password;
    bool smtp_starttls;
    int64_t timeout_ms;
};

struct outgoing { /* a message, as one attempt sends it */
    const char *notification_id, *incident_id;
    const char *address, *secret;
    const char *subject, *text;
    const char *raised; /* the body of escalation.raised */
    bool may_be_duplicate;
    int64_t now_ms;
};

#define REQUEST_HEADERS_MAX     8
#define REQUEST_HEADER_TEXT_MAX 256

struct request { /* the transfer, and what it points into */
    struct http_transfer transfer;
    struct buf body;
    char headers[REQUEST_HEADERS_MAX][REQUEST_HEADER_TEXT_MAX];
    size_t headers_n;
};
void request_init(struct request *r);
void request_done(struct request *r);
void request_header(struct request *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define VERDICT_TEXT_MAX 400

struct verdict {
    enum fate fate;
    int64_t asked_ms;            /* a pause that the other side asks for; 0: none */
    char text[VERDICT_TEXT_MAX]; /* delivered: the receipt; else why not */
};

#define HINT_MAX 101

struct channel_ops {
    bool (*prepare)(const struct channel_conf *conf, const struct outgoing *m, struct request *ret,
                    struct err *err);
    void (*verdict)(const struct http_result *result, struct verdict *ret);
    void (*hint)(const char *address, char ret[HINT_MAX]);
};

#define CHANNEL(symbol, name, zh, en) extern const struct channel_ops channel_##name;
#include "proto/channels.def"
#undef CHANNEL

const struct channel_ops *channel_of(enum channel channel); /* NULL: no such way here */

/* What every channel says when no full answer came. */
void verdict_of_failure(const struct http_result *result, struct verdict *ret);

/* Base 64 with padding, lines of at most `line_max` characters ended by CRLF; 0: no lines. */
void add_base64(struct buf *out, const void *data, size_t len, size_t line_max);

#endif
