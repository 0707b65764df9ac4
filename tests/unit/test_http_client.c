#include "common/http/client.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "common/http/server.h"
#include "tests/unit/test_http_peer.h"

enum { TIMEOUT_MS = 10000, SHORT_MS = 300, BODY_KEPT_MAX = 100, BIG_BYTES = 24 * 1024 * 1024 };

/* ---- what came of a transfer */

struct outcome {
    int calls, status;
    bool has_err, may_have_arrived;
    enum err_kind kind;
    char text[512], body[4096], retry_after[32];
    size_t body_len;
};

static void on_done(void *ctx, const struct http_result *r)
{
    struct outcome *o = ctx;

    o->calls++;
    o->status = r->status;
    o->has_err = r->err;
    o->kind = r->err ? r->err->kind : ERR_NONE;
    (void)snprintf(o->text, sizeof(o->text), "%s", r->err ? r->err->text : "");
    (void)snprintf(o->body, sizeof(o->body), "%s", r->body);
    (void)snprintf(o->retry_after, sizeof(o->retry_after), "%s",
                   r->retry_after ? r->retry_after : "-");
    o->body_len = r->body_len;
    o->may_have_arrived = r->may_have_arrived;
}

static struct http_client *open_client(int64_t inflight_max)
{
    const struct http_client_conf conf = {.inflight_max = inflight_max,
                                          .body_max_bytes = BODY_KEPT_MAX};
    struct http_client *c = NULL;
    struct err err = {0};

    assert_ok(http_client_open(&c, &conf, &err), &err);
    return c;
}

static void run_until_idle(struct http_client *c)
{
    int64_t until_ms = clock_mono_ms() + 2 * TIMEOUT_MS;

    while (http_client_inflight(c) > 0) {
        if (clock_mono_ms() > until_ms)
            fail_msg("%s", "the transfer did not end");
        http_client_run(c, 1000);
    }
}

static void transfer(struct http_client *c, const struct http_transfer *t, struct outcome *ret)
{
    struct err err = {0};

    *ret = (struct outcome){0};
    assert_ok(http_client_start(c, t, on_done, ret, &err), &err);
    run_until_idle(c);
    assert_int_equal(ret->calls, 1);
}

/* ---- a server that follows a script, on one connection after the other */

struct step {
    const char *hear; /* waits until this has come; NULL ends the connection */
    const char *say;
};

struct script {
    const struct step *steps;
    size_t n;
    bool holds; /* at the end the connection stays open until the test ends */
    int fd, port;
    atomic_bool is_over;
    pthread_t thread;
    char heard[1 << 16];
};

/* What comes is kept in `heard`, also when it is not what the step waits for. */
static bool hear(struct script *s, struct peer *p, const char *what)
{
    const char *at;
    size_t len = strlen(s->heard);

    p->in[p->in_len] = '\0';
    while (!(at = strstr(p->in, what)))
        if (peer_fill(p, PEER_WAIT_MS) <= 0)
            break;
    assert_true(len + p->in_len < sizeof(s->heard));
    memcpy(s->heard + len, p->in, p->in_len + 1);
    if (at)
        peer_drop(p, (size_t)(at - p->in) + strlen(what));
    return at;
}

static void *play(void *ctx)
{
    struct script *s = ctx;
    static _Thread_local struct peer p;

    p.fd = -1;
    for (size_t i = 0; i < s->n;) {
        if (p.fd < 0) {
            p.fd = accept(s->fd, NULL, NULL);
            p.in_len = 0;
            if (p.fd < 0)
                break; /* the test has ended */
        }
        if (!s->steps[i].hear) {
            peer_close(&p);
            i++;
        } else if (hear(s, &p, s->steps[i].hear)) {
            peer_say(&p, s->steps[i++].say);
        } else {
            peer_close(&p); /* it said something else, or nothing: the next connection */
        }
    }
    while (s->holds && !atomic_load(&s->is_over))
        (void)poll(NULL, 0, 5);
    peer_close(&p);
    return NULL;
}

static void script_start(struct script *s, const struct step *steps, size_t n, bool holds)
{
    *s = (struct script){.steps = steps, .n = n, .holds = holds};
    s->fd = peer_listen(&s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
}

static void script_end(struct script *s)
{
    atomic_store(&s->is_over, true);
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
}

/* ---- HTTP against our own server */

static char big[BIG_BYTES + 1];

static void on_mirror(void *ctx, struct http_request *req)
{
    const char *status = http_query(req, "status");
    size_t len;
    const char *body = http_body(req, &len);
    const char *thing = http_header(req, "X-Thing");

    (void)ctx;
    http_reply(req, &(struct http_response){.status = status ? (int)strtol(status, NULL, 10) : 200,
                                            .body = body,
                                            .body_len = len,
                                            .headers = {{"Retry-After", thing ? thing : "none"},
                                                        {"Location", "http://127.0.0.1:1/"}}});
}

static const struct http_route routes[] = {
    {"POST", "/mirror", on_mirror, "application/json"},
    {"PUT", "/mirror", on_mirror, "application/json"},
    {"DELETE", "/mirror", on_mirror, NULL},
    {"GET", "/mirror", on_mirror, NULL},
};

static struct http_server *open_server(void)
{
    static const struct http_server_conf conf = {.listen = "127.0.0.1:0",
                                                 .body_max_bytes = BIG_BYTES,
                                                 .header_max_bytes = 8192,
                                                 .connections_max = 200,
                                                 .request_timeout_ms = 10000,
                                                 .idle_timeout_ms = 10000};
    struct http_server *s = NULL;
    struct err err = {0};

    assert_ok(http_server_open(&s, &conf, routes, ARRAY_LEN(routes), NULL, &err), &err);
    return s;
}

static const struct http_row {
    const char *name, *method, *query, *body;
    int status;
    const char *want;
} http_rows[] = {
    {"http: POST by default", NULL, "", "{\"a\":1}", 200, "{\"a\":1}"},
    {"http: POST of nothing", "POST", "", "", 200, ""},
    {"http: PUT", "PUT", "", "{}", 200, "{}"},
    {"http: GET", "GET", "", "", 200, ""},
    {"http: DELETE", "DELETE", "", "", 200, ""},
    {"http: every status is an answer", "POST", "?status=503", "{}", 503, "{}"},
    {"http: redirects are answers", "POST", "?status=302", "{}", 302, "{}"},
    {"http: no content", "POST", "?status=204", "", 204, ""},
};

static void http_transfers(void **state)
{
    const struct http_row *row = *state;
    AUTO(auto_http_server) struct http_server *s = open_server();
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    struct outcome o;
    char url[128];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/mirror%s", http_server_port(s),
                   row->query);
    for (int i = 0; i < 2; i++) { /* the second on the kept connection */
        transfer(
            c,
            &(struct http_transfer){.url = url,
                                    .method = row->method,
                                    .headers = {"Content-Type: application/json", "X-Thing: 120"},
                                    .body = row->body,
                                    .body_len = strlen(row->body),
                                    .timeout_ms = TIMEOUT_MS},
            &o);
        assert_string_equal(o.text, "");
        assert_int_equal(o.status, row->status);
        assert_string_equal(o.body, row->want);
        assert_string_equal(o.retry_after, "120");
        assert_true(o.may_have_arrived);
    }
    assert_int_equal(metric_now("http_connections"), 1);
}

static void keeps_only_so_much_of_a_body(void **state)
{
    AUTO(auto_http_server) struct http_server *s = open_server();
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    struct outcome o;
    char url[128];

    (void)state;
    memset(big, 'x', BIG_BYTES);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/mirror", http_server_port(s));
    transfer(c,
             &(struct http_transfer){.url = url,
                                     .headers = {"Content-Type: application/json"},
                                     .body = big,
                                     .body_len = BIG_BYTES,
                                     .timeout_ms = TIMEOUT_MS},
             &o);
    assert_string_equal(o.text, "");
    assert_int_equal(o.status, 200);
    assert_int_equal(o.body_len, BODY_KEPT_MAX);
}

static void runs_many_at_once_and_no_more(void **state)
{
    enum { N = 50 };
    AUTO(auto_http_server) struct http_server *s = open_server();
    AUTO(auto_http_client) struct http_client *c = open_client(N);
    static struct outcome outcomes[N];
    struct err err = {0};
    char url[128];

    (void)state;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/mirror", http_server_port(s));
    for (int i = 0; i < N; i++)
        assert_ok(
            http_client_start(
                c, &(struct http_transfer){.url = url, .method = "GET", .timeout_ms = TIMEOUT_MS},
                on_done, &outcomes[i], &err),
            &err);
    assert_int_equal(http_client_inflight(c), N);
    assert_fails(http_client_start(c, &(struct http_transfer){.url = url, .timeout_ms = TIMEOUT_MS},
                                   on_done, NULL, &err),
                 &err, ERR_TRANSIENT, "50 transfers are under way");
    run_until_idle(c);
    for (int i = 0; i < N; i++) {
        assert_int_equal(outcomes[i].calls, 1);
        assert_int_equal(outcomes[i].status, 200);
    }
}

static void fetches(void **state)
{
    AUTO(auto_http_server) struct http_server *s = open_server();
    AUTO(auto_free) char *body = NULL;
    struct http_transfer t = {.headers = {"Content-Type: application/json"},
                              .body = "{}",
                              .body_len = 2,
                              .timeout_ms = TIMEOUT_MS};
    struct err err = {0};
    char url[128];
    size_t len = 0;
    int status = 0;

    (void)state;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/mirror", http_server_port(s));
    t.url = url;
    assert_ok(http_fetch(&t, NULL, &status, &body, &len, &err), &err);
    assert_int_equal(status, 200);
    assert_int_equal(len, 2);
    assert_string_equal(body, "{}");
    t.url = "http://127.0.0.1:1/secret-token";
    assert_fails(http_fetch(&t, NULL, &status, &body, &len, &err), &err, ERR_TRANSIENT,
                 "127.0.0.1");
    assert_null(strstr(err.text, "secret-token"));
    assert_string_equal(body, "{}"); /* outputs are written on success only */
}

/* ---- what goes wrong */

static const struct bad_row {
    const char *name;
    struct http_transfer t;
    const char *part;
} bad_rows[] = {
    {"refused: no URL", {.url = "", .timeout_ms = 1}, "URL"},
    {"refused: no scheme", {.url = "example.org", .timeout_ms = 1}, "URL"},
    {"refused: no host", {.url = "http://", .timeout_ms = 1}, "URL"},
    {"refused: other scheme", {.url = "ftp://example.org/", .timeout_ms = 1}, "scheme is not"},
    {"refused: file", {.url = "file:///etc/passwd", .timeout_ms = 1}, "scheme is not"},
    {"refused: line break in the URL",
     {.url = "http://example.org/\r\nX: y", .timeout_ms = 1},
     "URL"},
    {"refused: bad port", {.url = "http://example.org:99999/", .timeout_ms = 1}, "URL"},
    {"refused: line break in a header",
     {.url = "http://a/", .headers = {"A: b\r\nC: d"}, .timeout_ms = 1},
     "line break"},
    {"refused: no time limit", {.url = "http://a/"}, "time limit"},
    {"refused: no sender",
     {.url = "smtp://a/", .mail_to = "a@b", .timeout_ms = 1},
     "a sender and a recipient"},
    {"refused: empty recipient",
     {.url = "smtp://a/", .mail_from = "a@b", .mail_to = "", .timeout_ms = 1},
     "recipient"},
    {"refused: line break in an address",
     {.url = "smtp://a/", .mail_from = "a@b", .mail_to = "a@b\r\nDATA", .timeout_ms = 1},
     "recipient's address holds"},
    {"refused: parameters in an address",
     {.url = "smtp://a/", .mail_from = "a@b> SIZE=1", .mail_to = "a@b", .timeout_ms = 1},
     "sender's address holds"},
};

static void refuses(void **state)
{
    const struct bad_row *row = *state;
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    struct err err = {0};

    assert_fails(http_client_start(c, &row->t, on_done, NULL, &err), &err, ERR_INPUT, row->part);
    assert_int_equal(http_client_inflight(c), 0);
}

static void tells_a_refused_connection(void **state)
{
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    struct outcome o;
    char url[64];
    int port, fd = peer_listen(&port);

    (void)state;
    (void)close(fd);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    transfer(
        c,
        &(struct http_transfer){.url = url, .body = "{}", .body_len = 2, .timeout_ms = TIMEOUT_MS},
        &o);
    assert_int_equal(o.kind, ERR_TRANSIENT);
    assert_int_equal(o.status, 0);
    assert_false(o.may_have_arrived);
}

/* A raw server each. `big_body`: more than the sockets hold, so that it is never sent
 * completely. */
static const struct broken_row {
    const char *name;
    const char *method;
    const char *body;
    bool big_body;
    struct step steps[4];
    size_t n;
    bool holds;
    int status;
    bool may_have_arrived;
} broken_rows[] = {
    {"broken: never answers", NULL, "{}", false, {{"{}", ""}}, 1, true, 0, true},
    {"broken: never answers a GET", "GET", "", false, {{"\r\n\r\n", ""}}, 1, true, 0, true},
    {"broken: never reads", NULL, "", true, {{"POST", ""}}, 1, true, 0, false},
    {"broken: hangs up on the body", NULL, "", true, {{"POST", ""}}, 1, false, 0, false},
    {"broken: hangs up before it answers", NULL, "{}", false, {{"{}", ""}}, 1, false, 0, true},
    {"broken: half an answer",
     NULL,
     "{}",
     false,
     {{"{}", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}},
     1,
     false,
     200,
     true},
    {"broken: answer stalls",
     NULL,
     "{}",
     false,
     {{"{}", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}},
     1,
     true,
     200,
     true},
    {"broken: not HTTP", NULL, "{}", false, {{"{}", "hello\r\n\r\n"}}, 1, false, 0, true},
};

static void reports_what_broke(void **state)
{
    const struct broken_row *row = *state;
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    struct outcome o;
    struct script s;
    char url[64];

    script_start(&s, row->steps, row->n, row->holds);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
    transfer(c,
             &(struct http_transfer){.url = url,
                                     .method = row->method,
                                     .body = row->big_body ? big : row->body,
                                     .body_len = row->big_body ? BIG_BYTES : strlen(row->body),
                                     .timeout_ms = row->holds ? SHORT_MS : TIMEOUT_MS},
             &o);
    assert_true(o.has_err);
    assert_int_equal(o.kind, ERR_TRANSIENT);
    assert_int_equal(o.status, row->status);
    assert_int_equal(o.may_have_arrived, row->may_have_arrived);
    script_end(&s);
}

/* libcurl would send it a second time by itself. (It opens a connection for that, and then finds
 * that it may not.) */
static void never_repeats_a_body(void **state)
{
    static const struct step steps[] = {{"one", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
                                        {"two", ""},
                                        {NULL, NULL},
                                        {"three", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}};
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    struct http_transfer t = {.timeout_ms = TIMEOUT_MS};
    struct outcome o;
    static struct script s;
    char url[64];

    (void)state;
    script_start(&s, steps, ARRAY_LEN(steps), false);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
    t.url = url;
    t.body = "one";
    t.body_len = 3;
    transfer(c, &t, &o);
    assert_int_equal(o.status, 200);
    t.body = "two";
    transfer(c, &t, &o); /* arrives; the connection ends without an answer */
    assert_true(o.has_err);
    assert_true(o.may_have_arrived);
    t.body = "three";
    t.body_len = 5;
    transfer(c, &t, &o);
    assert_int_equal(o.status, 200);
    script_end(&s);
    assert_null(strstr(strstr(s.heard, "two") + 3, "two"));
}

static void closes_with_transfers_under_way(void **state)
{
    static const struct step steps[] = {{"{}", ""}};
    struct http_client *c = open_client(2);
    struct outcome sent = {0}, unsent = {0};
    struct err err = {0};
    struct script s;
    char url[64];
    struct http_transfer t = {.url = url, .body = "{}", .body_len = 2, .timeout_ms = TIMEOUT_MS};

    (void)state;
    script_start(&s, steps, ARRAY_LEN(steps), true);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
    assert_ok(http_client_start(c, &t, on_done, &sent, &err), &err);
    for (int i = 0; i < 10; i++)
        http_client_run(c, 20);
    assert_ok(http_client_start(c, &t, on_done, &unsent, &err), &err);
    http_client_close(c);
    assert_int_equal(sent.calls, 1);
    assert_true(sent.may_have_arrived);
    assert_contains(sent.text, "closing");
    assert_int_equal(unsent.calls, 1);
    assert_false(unsent.may_have_arrived);
    script_end(&s);
    http_client_close(NULL);
}

static void *wake_later(void *ctx)
{
    (void)poll(NULL, 0, 20);
    http_client_wakeup(ctx);
    return NULL;
}

static void wakes_up(void **state)
{
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    int64_t began_ms = clock_mono_ms();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wake_later, c), 0);
    http_client_run(c, TIMEOUT_MS);
    assert_true(clock_mono_ms() - began_ms < TIMEOUT_MS);
    (void)pthread_join(thread, NULL);
}

/* ---- SMTP against a script */

#define HELLO                                                                                      \
    {"", "220 here\r\n"},                                                                          \
    {                                                                                              \
        "EHLO", "250-here\r\n250 SIZE 100000\r\n"                                                  \
    }
#define SENDER                                                                                     \
    {                                                                                              \
        "MAIL FROM:<a@example.org>", "250 ok\r\n"                                                  \
    }
#define TO                                                                                         \
    {                                                                                              \
        "RCPT TO:<b@example.org>", "250 ok\r\n"                                                    \
    }

static const struct mail_row {
    const char *name;
    struct step steps[8];
    size_t n;
    bool holds;
    bool starttls;
    bool has_err;
    int status;
    bool may_have_arrived;
    const char *body;
} mail_rows[] = {
    {"mail: taken",
     {HELLO, SENDER, TO, {"DATA", "354 go\r\n"}, {"\r\n.\r\n", "250 kept as 17\r\n"}},
     6,
     true,
     false,
     false,
     250,
     true,
     "250 kept as 17"},
    {"mail: greeted with a refusal",
     {{"", "554 go away\r\n"}},
     1,
     false,
     false,
     false,
     554,
     false,
     "554 go away"},
    {"mail: sender refused",
     {HELLO, {"MAIL", "451 later\r\n"}},
     3,
     false,
     false,
     false,
     451,
     false,
     "451 later"},
    {"mail: recipient unknown",
     {HELLO, SENDER, {"RCPT", "550 5.1.1 unknown\r\n"}},
     4,
     false,
     false,
     false,
     550,
     false,
     "550 5.1.1 unknown"},
    {"mail: content refused",
     {HELLO, SENDER, TO, {"DATA", "354 go\r\n"}, {"\r\n.\r\n", "554 spam\r\n"}},
     6,
     false,
     false,
     false,
     554,
     true,
     "554 spam"},
    {"mail: never confirms",
     {HELLO, SENDER, TO, {"DATA", "354 go\r\n"}, {"\r\n.\r\n", ""}},
     6,
     true,
     false,
     true,
     354,
     true,
     ""},
    {"mail: hangs up before it confirms",
     {HELLO, SENDER, TO, {"DATA", "354 go\r\n"}, {"\r\n.\r\n", ""}},
     6,
     false,
     false,
     true,
     354,
     true,
     ""},
    {"mail: hangs up before the content",
     {HELLO, SENDER, TO},
     4,
     false,
     false,
     true,
     250,
     false,
     ""},
    {"mail: never greets", {{"", ""}}, 1, true, false, true, 0, false, ""},
    {"mail: knows no EHLO, and then nothing",
     {{"", "220 here\r\n"}, {"EHLO", "502 no\r\n"}, {"HELO", ""}},
     3,
     true,
     false,
     true,
     502,
     false,
     ""},
    {"mail: STARTTLS required, not offered",
     {HELLO, SENDER, TO, {"DATA", "354 go\r\n"}, {"\r\n.\r\n", "250 kept\r\n"}},
     6,
     false,
     true,
     true,
     250,
     false,
     ""},
};

#define MESSAGE                                                                                    \
    "From: a@example.org\r\nTo: b@example.org\r\nSubject: =?utf-8?q?x?=\r\n\r\n"                   \
    ".hidden dot\r\n\xe4\xba\x8b\xe4\xbb\xb6\r\n..\r\n"

static void mails(void **state)
{
    const struct mail_row *row = *state;
    AUTO(auto_http_client) struct http_client *c = open_client(1);
    static struct script s;
    struct outcome o;
    char url[64];

    script_start(&s, row->steps, row->n, row->holds);
    (void)snprintf(url, sizeof(url), "smtp://127.0.0.1:%d/here", s.port);
    transfer(
        c,
        &(struct http_transfer){.url = url,
                                .body = MESSAGE,
                                .body_len = strlen(MESSAGE),
                                .mail_from = "a@example.org",
                                .mail_to = "b@example.org",
                                .starttls_required = row->starttls,
                                .timeout_ms = row->holds && row->has_err ? SHORT_MS : TIMEOUT_MS},
        &o);
    if (row->has_err != o.has_err)
        fail_msg("status %d, error \"%s\"", o.status, o.text);
    assert_int_equal(o.status, row->status);
    assert_int_equal(o.may_have_arrived, row->may_have_arrived);
    assert_contains(o.body, row->body);
    script_end(&s);
}

/* ---- SMTP against aiosmtpd, with STARTTLS and a password */

/* Prints its port, then each message it takes, its lines joined by "|". Its certificate lies in
 * the folder argv[1]. */
static const char mail_server[] =
    "import asyncio, logging, ssl, subprocess, sys\n"
    "logging.disable() # failed handshakes are meant here\n"
    "from aiosmtpd.smtp import SMTP, AuthResult\n"
    "cert, key = sys.argv[1] + '/cert.pem', sys.argv[1] + '/key.pem'\n"
    "subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', "
    "'ec_paramgen_curve:prime256v1', '-nodes',\n"
    "                '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=here', '-addext', "
    "'subjectAltName=IP:127.0.0.1'],\n"
    "               check=True, stderr=subprocess.DEVNULL)\n"
    "class Keep:\n"
    "    async def handle_DATA(self, server, session, envelope):\n"
    "        print(envelope.mail_from, *envelope.rcpt_tos, "
    "envelope.content.decode().replace('\\r\\n', '|'), flush=True)\n"
    "        return '250 kept'\n"
    "def check(server, session, envelope, mechanism, data):\n"
    "    return AuthResult(success=data.login == b'user' and data.password == b'secret', "
    "handled=False)\n"
    "async def main():\n"
    "    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)\n"
    "    tls.load_cert_chain(cert, key)\n"
    "    make = lambda: SMTP(Keep(), tls_context=tls, require_starttls=True, auth_required=True, "
    "authenticator=check)\n"
    "    server = await asyncio.get_running_loop().create_server(make, '127.0.0.1', 0)\n"
    "    print(server.sockets[0].getsockname()[1], flush=True)\n"
    "    await server.serve_forever()\n"
    "asyncio.run(main())\n";

static struct {
    pid_t pid;
    FILE *out;
    int port;
    char folder[64], cert[96];
} smtpd;

static int start_smtpd(void **state)
{
    char *const argv[] = {(char[]){"/usr/bin/python3"},
                          (char[]){"-B"},
                          (char[]){"-W"},
                          (char[]){"ignore"},
                          (char[]){"-c"},
                          strdup(mail_server),
                          smtpd.folder,
                          NULL};
    static char path[] = "PATH=/usr/bin:/bin";
    char *const env[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    char line[32] = "";
    int fds[2];

    (void)state;
    (void)snprintf(smtpd.folder, sizeof(smtpd.folder), "/tmp/tongbao-test-XXXXXX");
    if (!mkdtemp(smtpd.folder) || pipe(fds) != 0)
        return -1;
    (void)snprintf(smtpd.cert, sizeof(smtpd.cert), "%s/cert.pem", smtpd.folder);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, fds[0]);
    (void)posix_spawn_file_actions_addclose(&actions, fds[1]);
    if (posix_spawn(&smtpd.pid, argv[0], &actions, NULL, argv, env) != 0)
        return -1;
    (void)posix_spawn_file_actions_destroy(&actions);
    free(argv[5]);
    (void)close(fds[1]);
    smtpd.out = fdopen(fds[0], "r");
    if (!smtpd.out || !fgets(line, sizeof(line), smtpd.out))
        return -1; /* it says why on standard error */
    smtpd.port = (int)strtol(line, NULL, 10);
    return 0;
}

static int stop_smtpd(void **state)
{
    char key[96];

    (void)state;
    (void)kill(smtpd.pid, SIGTERM);
    (void)waitpid(smtpd.pid, NULL, 0);
    (void)fclose(smtpd.out);
    (void)snprintf(key, sizeof(key), "%s/key.pem", smtpd.folder);
    (void)unlink(key);
    (void)unlink(smtpd.cert);
    (void)rmdir(smtpd.folder);
    return 0;
}

static void mails_with_starttls(void **state)
{
    static const struct {
        const char *password;
        bool trusted, starttls, has_err;
        int status;
    } cases[] = {
        {"secret", true, true, false, 250},
        {"secret", false, true, true, 220}, /* an unknown certificate */
        {"wrong", true, true, false, 535},
        {"secret", true, false, false, 530}, /* it insists on STARTTLS */
    };
    char line[512] = "";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_client_conf conf = {.inflight_max = 1,
                                              .body_max_bytes = 1000,
                                              .ca_file = cases[i].trusted ? smtpd.cert : NULL};
        AUTO(auto_http_client) struct http_client *c = NULL;
        struct outcome o;
        struct err err = {0};
        char url[64];

        assert_ok(http_client_open(&c, &conf, &err), &err);
        (void)snprintf(url, sizeof(url), "smtp://127.0.0.1:%d", smtpd.port);
        transfer(c,
                 &(struct http_transfer){.url = url,
                                         .body = MESSAGE,
                                         .body_len = strlen(MESSAGE),
                                         .mail_from = "a@example.org",
                                         .mail_to = "b@example.org",
                                         .username = "user",
                                         .password = cases[i].password,
                                         .starttls_required = cases[i].starttls,
                                         .timeout_ms = TIMEOUT_MS},
                 &o);
        if (cases[i].has_err != o.has_err || cases[i].status != o.status)
            fail_msg("case %zu: status %d, error \"%s\"", i, o.status, o.text);
        assert_int_equal(o.may_have_arrived, i == 0);
    }
    assert_non_null(fgets(line, sizeof(line), smtpd.out)); /* the one that was right */
    assert_string_equal(
        line,
        "a@example.org b@example.org From: a@example.org|To: b@example.org|Subject: =?utf-8?q?x?=||"
        ".hidden dot|\xe4\xba\x8b\xe4\xbb\xb6|..|\n");
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, http_rows, http_transfers);
    TEST_ADD(&list, keeps_only_so_much_of_a_body);
    TEST_ADD(&list, runs_many_at_once_and_no_more);
    TEST_ADD(&list, fetches);
    TEST_ADD_ROWS(&list, bad_rows, refuses);
    TEST_ADD(&list, tells_a_refused_connection);
    TEST_ADD_ROWS(&list, broken_rows, reports_what_broke);
    TEST_ADD(&list, never_repeats_a_body);
    TEST_ADD(&list, closes_with_transfers_under_way);
    TEST_ADD(&list, wakes_up);
    TEST_ADD_ROWS(&list, mail_rows, mails);
    TEST_ADD(&list, mails_with_starttls);
    list.tests[list.n - 1].setup_func = start_smtpd;
    list.tests[list.n - 1].teardown_func = stop_smtpd;
    return test_run("http_client", &list);
}
