#include "services/notifier/channel.h"

#include <openssl/evp.h>
#include <stdio.h>

#define REQUEST_BODY_MAX_BYTES ((size_t)2 * 1024 * 1024)

void request_init(struct request *r)
{
    *r = (struct request){0};
    buf_init(&r->body, REQUEST_BODY_MAX_BYTES);
}

void request_done(struct request *r)
{
    buf_done(&r->body);
}

void request_header(struct request *r, const char *fmt, ...)
{
    va_list args;

    if (r->headers_n == REQUEST_HEADERS_MAX)
        return;
    va_start(args, fmt);
    vsnprintf(r->headers[r->headers_n], REQUEST_HEADER_TEXT_MAX, fmt, args);
    va_end(args);
    r->transfer.headers[r->headers_n] = r->headers[r->headers_n];
    r->headers_n++;
}

const struct channel_ops *channel_of(enum channel channel)
{
#define CHANNEL(symbol, name, zh, en) [symbol] = &channel_##name,
    static const struct channel_ops *const channels[] = {
#include "proto/channels.def"
    };
#undef CHANNEL

    return (size_t)channel < ARRAY_LEN(channels) ? channels[channel] : NULL;
}

void verdict_of_failure(const struct http_result *result, struct verdict *ret)
{
    *ret = (struct verdict){.fate = result->may_have_arrived ? FATE_UNKNOWN : FATE_LATER};
    snprintf(ret->text, sizeof(ret->text), "%s%.300s",
             result->may_have_arrived ? "sent, but no answer came: " : "", result->err->text);
}

void add_base64(struct buf *out, const void *data, size_t len, size_t line_max)
{
    const unsigned char *from = data;
    size_t step = line_max ? line_max / 4 * 3 : 48;

    for (size_t at = 0; at < len; at += step) {
        unsigned char text[128];
        size_t part = len - at < step ? len - at : step;
        int n = EVP_EncodeBlock(text, from + at, (int)part);

        buf_add(out, text, (size_t)n);
        if (line_max)
            buf_str(out, "\r\n");
    }
}
