#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "services/notifier/channel.h"

#define ENCODED_WORD_BYTES                                                                         \
    42 /* of text in one encoded word: "=?UTF-8?B?" + 56 + "?=" is 68 characters */
#define BASE64_LINE_MAX 76

/* An address that cannot break out of a header or an SMTP command. */
static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');

    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c == 0x7f || strchr("<>()[]\\,;:\"", *c))
            return false;
    return at && at != text && at[1] && strlen(text) <= 254;
}

/* RFC 2047: each encoded word holds whole characters. */
static void add_subject(struct buf *out, const char *subject)
{
    const char *at = subject;
    size_t left = strlen(subject);

    buf_str(out, "Subject:");
    while (left > 0) {
        size_t n = left <= ENCODED_WORD_BYTES ? left : utf8_cut(at, left, ENCODED_WORD_BYTES);

        if (n == 0) /* no UTF-8 at all */
            n = ENCODED_WORD_BYTES;
        buf_str(out, at == subject ? " =?UTF-8?B?" : "\r\n =?UTF-8?B?");
        add_base64(out, at, n, 0);
        buf_str(out, "?=");
        at += n;
        left -= n;
    }
    buf_str(out, "\r\n");
}

static void add_date(struct buf *out, int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t s = (time_t)(wall_ms / 1000);
    struct tm t;

    gmtime_r(&s, &t);
    buf_printf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d +0000\r\n",
               days + (size_t)t.tm_wday * 3, t.tm_mday, months + (size_t)t.tm_mon * 3,
               t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* Line ends in a text are CRLF (RFC 2045, 6.8). */
static void add_text(struct buf *out, const char *text)
{
    struct buf lines;

    buf_init(&lines, out->max);
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\r\n");

        buf_add(&lines, at, n);
        at += n;
        if (*at) {
            buf_str(&lines, "\r\n");
            at += at[0] == '\r' && at[1] == '\n' ? 2 : 1;
        }
    }
    add_base64(out, buf_text(&lines), lines.len, BASE64_LINE_MAX);
    out->failed = out->failed || lines.failed;
    buf_done(&lines);
}

static bool prepare(const struct channel_conf *conf, const struct outgoing *m, struct request *ret,
                    struct err *err)
{
    const char *domain = strchr(conf->smtp_from, '@');
    struct buf *b = &ret->body;

    if (!is_address(m->address))
        return err_set(err, ERR_INPUT, "the registered mail address cannot be used");
    buf_printf(b, "From: tongbao <%s>\r\nTo: <%s>\r\n", conf->smtp_from, m->address);
    add_subject(b, m->subject);
    add_date(b, m->now_ms);
    buf_printf(b, "Message-ID: <%s%s>\r\n", m->notification_id,
               domain ? domain : "@tongbao.invalid");
    buf_printf(b, "References: <incident.%s%s>\r\n", m->incident_id,
               domain ? domain : "@tongbao.invalid");
    buf_str(b, "Auto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\n");
    add_text(b, m->text);
    if (b->failed)
        return err_set(err, ERR_INPUT, "the message is too large");
    ret->transfer = (struct http_transfer){.url = conf->smtp_url,
                                           .body = b->data,
                                           .body_len = b->len,
                                           .mail_from = conf->smtp_from,
                                           .mail_to = m->address,
                                           .starttls_required = conf->smtp_starttls,
                                           .timeout_ms = conf->timeout_ms};
    if (*conf->smtp_username) {
        ret->transfer.username = conf->smtp_username;
        ret->transfer.password = conf->smtp_password;
    }
    return true;
}

/* RFC 5321: 4xx try later, 5xx never. A refusal of our login or of TLS is ours to mend, not the address's fault. */
static void verdict(const struct http_result *result, struct verdict *ret)
{
    bool is_ours = result->status == 530 || result->status == 534 || result->status == 535 ||
                   result->status == 538;

    if (result->err) {
        verdict_of_failure(result, ret);
        return;
    }
    *ret = (struct verdict){.fate = result->status / 100 == 2               ? FATE_DELIVERED
                                    : result->status / 100 == 5 && !is_ours ? FATE_NEVER
                                                                            : FATE_LATER};
    snprintf(ret->text, sizeof(ret->text), "SMTP %d", result->status);
}

/* "l***@example.com" */
static void hint(const char *address, char ret[HINT_MAX])
{
    const char *at = strchr(address, '@');
    size_t first = 1;

    if (!at || at == address) {
        snprintf(ret, HINT_MAX, "***");
        return;
    }
    while ((address[first] & 0xc0) == 0x80) /* the rest of a character */
        first++;
    snprintf(ret, HINT_MAX, "%.*s***%.*s", (int)first, address,
             (int)utf8_cut(at, strlen(at), HINT_MAX - 9), at);
}

const struct channel_ops channel_email = {prepare, verdict, hint};
