#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/utf8.h"
#include "services/notifier/channel.h"

#define SECRET_MAX_BYTES 512

static bool is_address(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c == 0x7f)
            return false;
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

/* Standard Webhooks: "whsec_" and base 64 of the key; any other text is the key itself. */
static size_t key_of(const char *secret, unsigned char ret[SECRET_MAX_BYTES])
{
    size_t len = strlen(secret);

    if (strncmp(secret, "whsec_", 6) == 0 && len > 6 && len <= SECRET_MAX_BYTES) {
        int n = EVP_DecodeBlock(ret, (const unsigned char *)secret + 6, (int)len - 6);

        if (n > 0)
            return (size_t)n - (secret[len - 1] == '=') - (secret[len - 2] == '=');
    }
    len = len < SECRET_MAX_BYTES ? len : SECRET_MAX_BYTES;
    memcpy(ret, secret, len);
    return len;
}

/* "v1,<base 64 of HMAC-SHA-256 over id.timestamp.body>" */
static void sign(struct request *r, const struct outgoing *m, long long timestamp_s)
{
    unsigned char key[SECRET_MAX_BYTES];
    uint8_t digest[SHA256_LEN];
    struct buf text;

    buf_init(&text, r->body.max + 128);
    buf_printf(&text, "%s.%lld.", m->notification_id, timestamp_s);
    buf_add(&text, r->body.data, r->body.len);
    hmac_sha256(key, key_of(m->secret, key), buf_text(&text), text.len, digest);
    buf_reset(&text);
    add_base64(&text, digest, sizeof(digest), 0);
    request_header(r, "webhook-signature: v1,%s", buf_text(&text));
    buf_done(&text);
}

/* The event as it was raised, with the words of the message beside its members. */
static void add_body(struct buf *b, const struct outgoing *m)
{
    const char *end = strrchr(m->raised, '}');
    char time_text[CLOCK_TEXT_MAX];

    clock_format_utc(time_text, m->now_ms);
    buf_printf(b, "{\"type\":\"escalation.raised\",\"timestamp\":\"%s\",\"data\":", time_text);
    buf_add(b, m->raised, end ? (size_t)(end - m->raised) : 0);
    buf_str(b, ",\"notification_id\":");
    buf_json(b, m->notification_id);
    buf_printf(b, ",\"may_be_duplicate\":%s,\"subject\":", m->may_be_duplicate ? "true" : "false");
    buf_json(b, m->subject);
    buf_str(b, ",\"text\":");
    buf_json(b, m->text);
    buf_str(b, "}}");
}

static bool prepare(const struct channel_conf *conf, const struct outgoing *m, struct request *ret,
                    struct err *err)
{
    long long timestamp_s = m->now_ms / 1000;

    if (!is_address(m->address))
        return err_set(err, ERR_INPUT, "the registered webhook address cannot be used");
    add_body(&ret->body, m);
    if (ret->body.failed)
        return err_set(err, ERR_INPUT, "the message is too large");
    ret->transfer = (struct http_transfer){.url = m->address,
                                           .body = ret->body.data,
                                           .body_len = ret->body.len,
                                           .timeout_ms = conf->timeout_ms};
    request_header(ret, "content-type: application/json");
    request_header(ret, "user-agent: tongbao");
    request_header(ret, "webhook-id: %s", m->notification_id);
    request_header(ret, "webhook-timestamp: %lld", timestamp_s);
    if (m->secret)
        sign(ret, m, timestamp_s);
    return true;
}

/* A 2xx is a receipt. Too busy, too early, a conflict or a server's own trouble may pass; any other refusal will not. */
static void verdict(const struct http_result *result, struct verdict *ret)
{
    int status = result->status;
    bool may_pass =
        status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;

    if (result->err) {
        verdict_of_failure(result, ret);
        return;
    }
    *ret = (struct verdict){.fate = status / 100 == 2 ? FATE_DELIVERED
                                    : may_pass        ? FATE_LATER
                                                      : FATE_NEVER};
    if (result->retry_after &&
        strspn(result->retry_after, "0123456789") == strlen(result->retry_after))
        ret->asked_ms = strtoll(result->retry_after, NULL, 10) % 1000000 * 1000;
    snprintf(ret->text, sizeof(ret->text), "HTTP %d", status);
}

/* "https://host/…": the path often holds a token. */
static void hint(const char *address, char ret[HINT_MAX])
{
    const char *host = strstr(address, "://");
    const char *user = host ? strpbrk(host + 3, "@/?#") : NULL;
    size_t scheme = host ? (size_t)(host + 3 - address) : 0;

    if (!host) {
        snprintf(ret, HINT_MAX, "***");
        return;
    }
    host = user && *user == '@' ? user + 1 : host + 3;
    snprintf(ret, HINT_MAX, "%.*s%.*s/…", (int)scheme, address,
             (int)utf8_cut(host, strcspn(host, "/?#"), HINT_MAX - 16), host);
}

const struct channel_ops channel_webhook = {prepare, verdict, hint};
