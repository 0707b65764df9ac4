#include "common/http/client.h"

#include <curl/curl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "common/base/buf.h"

enum { IDLE_CONNECTIONS_MAX = 32, FETCH_BODY_MAX_BYTES = 16 * 1024 * 1024, FETCH_TURN_MS = 1000 };

struct transfer {
    struct transfer *prev, *next;
    CURL *curl;
    struct curl_slist *headers, *recipients;
    char *body;
    size_t body_len, sent;
    struct buf got;
    bool is_mail;
    bool has_no_memory;
    char text[CURL_ERROR_SIZE];
    http_done_fn *fn;
    void *ctx;
};

struct http_client {
    CURLM *multi;
    struct http_client_conf conf;
    char *ca_file;
    struct transfer *transfers;
    size_t inflight;
    bool is_closing;
};

static CURLcode global_rc;

static void init_global(void)
{
    global_rc = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- libcurl's callbacks, within http_client_run() */

/* Without a seek function libcurl cannot send a body a second time: it never repeats a request
 * by itself. */
static size_t on_send(char *to, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = t->body_len - t->sent;

    if (len > size * n)
        len = size * n;
    if (len > 0)
        memcpy(to, t->body + t->sent, len);
    t->sent += len;
    return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t room = t->got.max - t->got.len, len = size * n;

    if (!buf_add(&t->got, data, len < room ? len : room)) {
        t->has_no_memory = true;
        return 0;
    }
    return len; /* what is over the limit is read and dropped */
}

/* Of mail the server's lines; the last one is the reply that counts. */
static size_t on_line(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    if (!t->is_mail)
        return size * n;
    buf_reset(&t->got);
    return on_body(data, size, n, ctx);
}

/* ---- one transfer */

static void transfer_free(struct transfer *t)
{
    if (t->curl)
        curl_easy_cleanup(t->curl);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->recipients);
    buf_done(&t->got);
    free(t->body);
    free(t);
}
DEFINE_AUTO(auto_transfer, struct transfer, transfer_free)

static void auto_url(CURLU **url)
{
    curl_url_cleanup(*url);
}
static void auto_curl_text(char **text)
{
    curl_free(*text);
}

static bool check_url(const char *text, bool *ret_is_mail, struct err *err)
{
    static const char *const schemes[] = {"http", "https", "smtp", "smtps"};
    AUTO(auto_url) CURLU *url = curl_url();
    AUTO(auto_curl_text) char *scheme = NULL;
    CURLUcode rc;

    if (!url)
        return err_memory(err);
    rc = curl_url_set(url, CURLUPART_URL, text, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    if (rc != CURLUE_OK)
        return err_set(err, ERR_INPUT, "the URL cannot be used: %s", curl_url_strerror(rc));
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strcmp(scheme, schemes[i]) == 0) {
            *ret_is_mail = schemes[i][0] == 's';
            return true;
        }
    return err_set(err, ERR_INPUT,
                   "the URL cannot be used: its scheme is not http, https, smtp or smtps");
}

/* What would end a header or an address early would let data write the protocol. */
static bool check_words(const struct http_transfer *from, bool is_mail, struct err *err)
{
    for (size_t i = 0; i < HTTP_TRANSFER_HEADERS_MAX && from->headers[i]; i++)
        if (from->headers[i][strcspn(from->headers[i], "\r\n")] != '\0')
            return err_set(err, ERR_INPUT, "a header holds a line break");
    if (!is_mail)
        return true;
    if (!from->mail_from || !from->mail_to || from->mail_to[0] == '\0')
        return err_set(err, ERR_INPUT, "a mail needs a sender and a recipient");
    for (const char *c = from->mail_from; *c; c++)
        if ((unsigned char)*c <= ' ' || strchr("<>\x7f", *c))
            return err_set(err, ERR_INPUT,
                           "the sender's address holds a character that is not allowed");
    for (const char *c = from->mail_to; *c; c++)
        if ((unsigned char)*c <= ' ' || strchr("<>\x7f", *c))
            return err_set(err, ERR_INPUT,
                           "the recipient's address holds a character that is not allowed");
    return true;
}

static bool list_add(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);

    if (longer)
        *list = longer;
    return longer;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (curl_easy_setopt(t->curl, option, value) != CURLE_OK)                                  \
            return false;                                                                          \
    } while (0)

static bool set_common(struct transfer *t, const struct http_client *c,
                       const struct http_transfer *from)
{
    SET(CURLOPT_URL, from->url);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->text);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a lookup that hangs does not hold up a close */
    SET(CURLOPT_PROXY, "");      /* the environment decides nothing */
    SET(CURLOPT_TIMEOUT_MS, (long)from->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)from->timeout_ms);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->ca_file)
        SET(CURLOPT_CAINFO, c->ca_file);
    if (from->username) {
        SET(CURLOPT_USERNAME, from->username);
        SET(CURLOPT_PASSWORD, from->password ? from->password : "");
    }
    SET(CURLOPT_READFUNCTION, on_send);
    SET(CURLOPT_READDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_line);
    SET(CURLOPT_HEADERDATA, t);
    return true;
}

static bool set_http(struct transfer *t, const struct http_transfer *from)
{
    const char *method = from->method ? from->method : "POST";

    for (size_t i = 0; i < HTTP_TRANSFER_HEADERS_MAX && from->headers[i]; i++)
        if (!list_add(&t->headers, from->headers[i]))
            return false;
    if (!list_add(&t->headers, "Expect:")) /* no second round trip before the body */
        return false;
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_HTTP_VERSION,
        (long)CURL_HTTP_VERSION_1_1); /* a stream refused by HTTP/2 would be repeated */
    SET(CURLOPT_USERAGENT, "tongbao");
    if (from->body_len > 0 || strcmp(method, "POST") == 0) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)from->body_len);
    }
    SET(CURLOPT_CUSTOMREQUEST, method);
    return true;
}

static bool set_mail(struct transfer *t, const struct http_transfer *from)
{
    if (!list_add(&t->recipients, from->mail_to))
        return false;
    SET(CURLOPT_MAIL_FROM, from->mail_from);
    SET(CURLOPT_MAIL_RCPT, t->recipients);
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)from->body_len);
    SET(CURLOPT_USE_SSL, (long)(from->starttls_required ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    return true;
}

static struct transfer *transfer_new(struct http_client *c, const struct http_transfer *from,
                                     bool is_mail)
{
    AUTO(auto_transfer) struct transfer *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->is_mail = is_mail;
    buf_init(&t->got, (size_t)c->conf.body_max_bytes);
    t->curl = curl_easy_init();
    t->body = malloc(from->body_len + 1);
    if (!t->curl || !t->body)
        return NULL;
    if (from->body_len > 0)
        memcpy(t->body, from->body, from->body_len);
    t->body_len = from->body_len;
    if (!set_common(t, c, from) || !(is_mail ? set_mail(t, from) : set_http(t, from)))
        return NULL;
    return TAKE(t);
}

/* ---- the end of a transfer */

/* Whether the peer may hold the whole of it. What libcurl has taken may still lie in a buffer
 * here: "may". */
static bool may_have_arrived(const struct transfer *t)
{
    long request_size = 0;

    if (t->body_len > 0)
        return t->sent == t->body_len;
    (void)curl_easy_getinfo(t->curl, CURLINFO_REQUEST_SIZE, &request_size);
    return request_size > 0;
}

/* A mail server's refusal ends the transfer with an error of libcurl's: it is an answer all the
 * same. */
static bool is_answer(const struct transfer *t, CURLcode rc, long status)
{
    return rc == CURLE_OK || (t->is_mail && status >= 400 && rc != CURLE_OPERATION_TIMEDOUT);
}

static void finish(struct http_client *c, struct transfer *t, CURLcode rc)
{
    struct http_result result = {.body = buf_text(&t->got), .body_len = t->got.len};
    struct curl_header *retry_after = NULL;
    struct err err = {0};
    long status = 0;

    (void)curl_multi_remove_handle(c->multi, t->curl);
    *(t->prev ? &t->prev->next : &c->transfers) = t->next;
    if (t->next)
        t->next->prev = t->prev;
    c->inflight--;

    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!t->is_mail &&
        curl_easy_header(t->curl, "Retry-After", 0, CURLH_HEADER, -1, &retry_after) == CURLHE_OK)
        result.retry_after = retry_after->value;
    result.status = (int)status;
    result.may_have_arrived = may_have_arrived(t);
    if (c->is_closing) {
        (void)err_set(&err, ERR_TRANSIENT, "given up: the client is closing");
    } else if (!is_answer(t, rc, status)) {
        (void)err_set(&err,
                      t->has_no_memory || rc == CURLE_OUT_OF_MEMORY ? ERR_FATAL : ERR_TRANSIENT,
                      "%s", t->text[0] ? t->text : curl_easy_strerror(rc));
    }
    result.err = err.kind == ERR_NONE ? NULL : &err;
    t->fn(t->ctx, &result);
    transfer_free(t);
}

static bool finish_done(struct http_client *c)
{
    bool any = false;
    const CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(c->multi, &left))) {
        CURLcode rc = msg->data.result; /* the message is gone once its handle is removed */
        char *t = NULL;

        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        finish(c, (struct transfer *)(void *)t, rc);
        any = true;
    }
    return any;
}

/* ---- the client */

bool http_client_open(struct http_client **ret, const struct http_client_conf *conf,
                      struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    AUTO(auto_http_client) struct http_client *c = NULL;

    (void)pthread_once(&once, init_global);
    if (global_rc != CURLE_OK)
        return err_set(err, ERR_FATAL, "libcurl does not start: %s", curl_easy_strerror(global_rc));
    c = calloc(1, sizeof(*c));
    if (!c)
        return err_memory(err);
    c->conf = *conf;
    c->multi = curl_multi_init();
    c->ca_file = conf->ca_file ? strdup(conf->ca_file) : NULL;
    if (!c->multi || (conf->ca_file && !c->ca_file) ||
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX) != CURLM_OK)
        return err_memory(err);
    *ret = TAKE(c);
    return true;
}

void http_client_close(struct http_client *c)
{
    if (!c)
        return;
    c->is_closing = true;
    while (c->transfers)
        finish(c, c->transfers, CURLE_ABORTED_BY_CALLBACK);
    if (c->multi)
        (void)curl_multi_cleanup(c->multi);
    free(c->ca_file);
    free(c);
}

bool http_client_start(struct http_client *c, const struct http_transfer *transfer,
                       http_done_fn *fn, void *ctx, struct err *err)
{
    AUTO(auto_transfer) struct transfer *t = NULL;
    bool is_mail = false;

    if (!check_url(transfer->url, &is_mail, err) || !check_words(transfer, is_mail, err))
        return false;
    if (c->is_closing || c->inflight >= (size_t)c->conf.inflight_max)
        return err_set(err, ERR_TRANSIENT, "%zu transfers are under way, no more are allowed",
                       c->inflight);
    if (transfer->timeout_ms <= 0)
        return err_set(err, ERR_INPUT, "a transfer needs a time limit");
    t = transfer_new(c, transfer, is_mail);
    if (!t || curl_multi_add_handle(c->multi, t->curl) != CURLM_OK)
        return err_memory(err);
    t->fn = fn;
    t->ctx = ctx;
    t->next = c->transfers;
    if (t->next)
        t->next->prev = t;
    c->transfers = TAKE(t);
    c->inflight++;
    return true;
}

size_t http_client_inflight(const struct http_client *c)
{
    return c->inflight;
}

void http_client_run(struct http_client *c, int64_t wait_ms)
{
    int running;

    (void)curl_multi_perform(c->multi, &running);
    if (finish_done(c) || wait_ms <= 0)
        return;
    (void)curl_multi_poll(c->multi, NULL, 0, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms, NULL);
    (void)curl_multi_perform(c->multi, &running);
    (void)finish_done(c);
}

void http_client_wakeup(struct http_client *c)
{
    (void)curl_multi_wakeup(c->multi);
}

/* ---- one transfer, waited for */

struct fetch {
    bool is_done, ok;
    int status;
    struct buf body;
    struct err err;
};

static void on_fetched(void *ctx, const struct http_result *result)
{
    struct fetch *f = ctx;

    f->is_done = true;
    f->status = result->status;
    if (result->err)
        f->err = *result->err;
    else
        f->ok = buf_add(&f->body, result->body, result->body_len) || err_memory(&f->err);
}

bool http_fetch(const struct http_transfer *transfer, const char *ca_file, int *ret_status,
                char **ret_body, size_t *ret_len, struct err *err)
{
    const struct http_client_conf conf = {
        .inflight_max = 1, .body_max_bytes = FETCH_BODY_MAX_BYTES, .ca_file = ca_file};
    AUTO(auto_http_client) struct http_client *c = NULL;
    struct fetch f = {0};
    char *body;

    buf_init(&f.body, FETCH_BODY_MAX_BYTES);
    if (!http_client_open(&c, &conf, err) || !http_client_start(c, transfer, on_fetched, &f, err))
        return false;
    while (!f.is_done)
        http_client_run(c, FETCH_TURN_MS);
    if (!f.ok) {
        if (err)
            *err = f.err;
        buf_done(&f.body);
        return false;
    }
    body = buf_take(&f.body, ret_len);
    if (!body)
        return err_memory(err);
    *ret_body = body;
    *ret_status = f.status;
    return true;
}
