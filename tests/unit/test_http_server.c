#include "common/http/server.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/test_http_peer.h"

enum { HELD_MAX = 512, BODY_MAX = 2000, HEADERS_MAX_BYTES = 4096 };

/* The handlers' world: requests that a test answers itself. */
static struct {
    pthread_mutex_t lock;
    struct http_request *held[HELD_MAX];
    size_t held_n;
    int64_t deadline_ms;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void reply_text(struct http_request *req, int status, const char *text)
{
    http_reply(req,
               &(struct http_response){.status = status, .body = text, .body_len = strlen(text)});
}

static void on_echo(void *ctx, struct http_request *req)
{
    size_t len;
    const char *body = http_body(req, &len);

    (void)ctx;
    assert_int_equal(body[len], '\0');
    http_reply(req, &(struct http_response){.status = 200,
                                            .body = body,
                                            .body_len = len,
                                            .headers = {{"X-One", "1"}, {"X-Two", "2"}}});
}

static void on_show(void *ctx, struct http_request *req)
{
    char text[512];
    size_t len;
    const char *query = http_query(req, "q"), *header = http_header(req, "x-thing");

    assert_string_equal(ctx, "the ctx");
    assert_string_equal(http_body(req, &len), "");
    assert_int_equal(len, 0);
    assert_true(http_received_wall_ms(req) > 0);
    (void)snprintf(text, sizeof(text), "[%s][%s][%s][%s][%s]", http_param(req, 0),
                   http_param(req, 1), query ? query : "-", header ? header : "-", http_peer(req));
    reply_text(req, 200, text);
}

static void on_hold(void *ctx, struct http_request *req)
{
    (void)ctx;
    if (!http_defer(req, world.deadline_ms, "Nobody said yes in time."))
        return;
    pthread_mutex_lock(&world.lock);
    assert_true(world.held_n < HELD_MAX);
    world.held[world.held_n++] = req;
    pthread_mutex_unlock(&world.lock);
}

/* Defers only when the test says so: between the two the server may have begun to stop. */
static atomic_bool slow_is_in, slow_may_go;

static void on_slow(void *ctx, struct http_request *req)
{
    (void)ctx;
    atomic_store(&slow_is_in, true);
    while (!atomic_load(&slow_may_go))
        (void)poll(NULL, 0, 1);
    assert_false(http_defer(req, 10000, ""));
}

static void on_defer_and_reply(void *ctx, struct http_request *req)
{
    (void)ctx;
    if (http_defer(req, 10000, ""))
        reply_text(req, 200, "from within");
}

static void on_forget(void *ctx, struct http_request *req)
{
    (void)ctx, (void)req;
}

static void on_problem(void *ctx, struct http_request *req)
{
    (void)ctx;
    http_problem(req, &(struct http_problem){.status = 422,
                                             .type = "invalid-report",
                                             .title = "The report is not valid",
                                             .detail = "\"level\" is \xe5\x9b\x9b\xff",
                                             .pointer = "/level",
                                             .advice = "Send a level.",
                                             .retry_after_s = 7});
}

static const struct http_route routes[] = {
    {"POST", "/v1/echo", on_echo, "application/json"},
    {"GET", "/v1/things/{id}/parts/{part}", on_show, NULL},
    {"GET", "/v1/things/fixed/parts/one", on_forget, NULL},
    {"POST", "/v1/hold", on_hold, "application/json"},
    {"DELETE", "/v1/hold", on_forget, NULL},
    {"POST", "/v1/both", on_defer_and_reply, "application/json"},
    {"POST", "/v1/slow", on_slow, "application/json"},
    {"GET", "/v1/forget", on_forget, NULL},
    {"GET", "/v1/problem", on_problem, NULL},
    {"GET", "/", on_show, NULL},
};

static struct http_server *start_with(const struct http_server_conf *conf)
{
    struct http_server *s = NULL;
    struct err err = {0};
    static char ctx[] = "the ctx";

    world.held_n = 0;
    world.deadline_ms = 10000;
    assert_ok(http_server_open(&s, conf, routes, ARRAY_LEN(routes), ctx, &err), &err);
    return s;
}

static const struct http_server_conf usual = {
    .listen = "127.0.0.1:0",
    .body_max_bytes = BODY_MAX,
    .header_max_bytes = HEADERS_MAX_BYTES,
    .connections_max = 400,
    .deferred_max = 300,
    .request_timeout_ms = 10000,
    .idle_timeout_ms = 10000,
};

static struct http_server *start(void)
{
    return start_with(&usual);
}

/* The handler's last step is behind the lock, so whoever sees the count may use the request. */
static size_t held_n(void)
{
    size_t n;

    pthread_mutex_lock(&world.lock);
    n = world.held_n;
    pthread_mutex_unlock(&world.lock);
    return n;
}

static void post(struct peer *p, const char *path, const char *body)
{
    char text[4096];

    (void)snprintf(text, sizeof(text),
                   "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: "
                   "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   path, strlen(body), body);
    peer_say(p, text);
}

/* ---- one request each, byte for byte */

#define GET(path)   "GET " path " HTTP/1.1\r\nHost: a\r\n"
#define POST        "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
#define NINE        "0123456789" /* ten, for long things */
#define HUNDRED     NINE NINE NINE NINE NINE NINE NINE NINE NINE NINE
#define THOUSAND    HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
#define TEXT(bytes) (bytes), sizeof(bytes) - 1

static const struct row {
    const char *name;
    const char *say;
    size_t say_len;
    int status;
    const char *part; /* of head or body */
    bool closes;
} rows[] = {
    {"post", TEXT(POST "Content-Length: 2\r\n\r\n{}"), 200, "\r\nX-Two: 2\r\n", false},
    {"post of nothing", TEXT(POST "Content-Length: 0\r\n\r\n"), 200, "", false},
    {"post without a length", TEXT(POST "\r\n"), 200, "", false},
    {"post of a type with parameters",
     TEXT("POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Type: Application/JSON ; "
          "charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"),
     200, "{}", false},
    {"chunked",
     TEXT(POST
          "Transfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n4;x=y\r\na\":1\r\n1\r\n}\r\n0\r\n\r\n"),
     200, "{\"a\":1}", false},
    {"chunked of nothing", TEXT(POST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"), 200, "",
     false},
    {"connection: close", TEXT(POST "Connection: close\r\nContent-Length: 2\r\n\r\n{}"), 200, "{}",
     true},
    {"HTTP/1.0", TEXT("GET /v1/things/a/parts/b HTTP/1.0\r\nHost: a\r\n\r\n"), 200, "[a][b]", true},
    {"parameters",
     TEXT(GET("/v1/things/%E5%9B%9B%2F%2e./parts/a+b?x&q=a+%26b&q=2") "X-Thing: 1\r\nx-thing: "
                                                                      "2\r\n\r\n"),
     200, "[\xe5\x9b\x9b/..][a+b][a &b][1][127.0.0.1]", false},
    {"root", TEXT(GET("/") "\r\n"), 200, "[][][-][-]", false},
    {"empty query", TEXT(GET("/?") "\r\n"), 200, "[][][-][-]", false},
    {"query without value", TEXT(GET("/?q") "\r\n"), 200, "[][][][-]", false},
    {"handler's problem", TEXT(GET("/v1/problem") "\r\n"), 422,
     "{\"type\":\"/problems/invalid-report\",\"title\":\"The report is not "
     "valid\",\"status\":422,\"detail\":\"\\\"level\\\" is "
     "\xe5\x9b\x9b\",\"pointer\":\"/level\",\"advice\":\"Send a level.\"}",
     false},
    {"problem's type", TEXT(GET("/v1/problem") "\r\n"), 422,
     "Content-Type: application/problem+json\r\n", false},
    {"problem's retry", TEXT(GET("/v1/problem") "\r\n"), 422, "Retry-After: 7\r\n", false},
    {"deferred and answered within the handler",
     TEXT("POST /v1/both HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
          "2\r\n\r\n{}"),
     200, "from within", false},
    {"handler forgets", TEXT(GET("/v1/forget") "\r\n"), 500, "/problems/internal", false},

    {"two Content-Lengths", TEXT(POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), 400,
     "more than one Content-Length", true},
    {"two equal Content-Lengths", TEXT(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
     400, "bad-framing", true},
    {"Content-Length with Transfer-Encoding",
     TEXT(POST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
     "bad-framing", true},
    {"two Transfer-Encodings",
     TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
     "bad-framing", true},
    {"Transfer-Encoding gzip", TEXT(POST "Transfer-Encoding: gzip\r\n\r\n"), 501,
     "unsupported-transfer-encoding", true},
    {"Transfer-Encoding gzip, chunked", TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501,
     "", true},
    {"Transfer-Encoding in HTTP/1.0",
     TEXT("POST /v1/echo HTTP/1.0\r\nHost: a\r\nContent-Type: "
          "application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     400, "bad-framing", true},
    {"space before the colon", TEXT(POST "Content-Length : 2\r\n\r\n{}"), 400,
     "name holds a character", true},
    {"control in a value", TEXT(POST "X-Thing: a\rb\r\nContent-Length: 2\r\n\r\n{}"), 400,
     "control character", true},
    {"no Host", TEXT("GET / HTTP/1.1\r\n\r\n"), 400, "There is no Host.", true},
    {"two Hosts", TEXT(GET("/") "Host: b\r\n\r\n"), 400, "more than one Host", true},
    {"chunk size is no number",
     TEXT(POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"), 400, "", true},

    {"body as long as allowed", TEXT(POST "Content-Length: 2000\r\n\r\n" THOUSAND THOUSAND), 200,
     NINE, false},
    {"body too large, said before", TEXT(POST "Content-Length: 2001\r\n\r\n"), 413,
     "The body has 2001 bytes; at most 2000", true},
    {"body much too large", TEXT(POST "Content-Length: 18446744073709551615\r\n\r\n"), 413,
     "body-too-large", true},
    {"chunks as long as allowed",
     TEXT(POST "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" THOUSAND "\r\n3e8\r\n" THOUSAND
               "\r\n0\r\n\r\n"),
     200, NINE, false},
    {"chunks too large, end never sent",
     TEXT(POST "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" THOUSAND "\r\n3e8\r\n" THOUSAND
               "\r\n1\r\nx\r\n"),
     413, "The body is longer than 2000 bytes.", true},
    {"chunks too large for a path that is not there",
     TEXT("POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" THOUSAND
          "\r\n3e8\r\n" THOUSAND "\r\n1\r\nx\r\n"),
     413, "body-too-large", true},
    {"head too large", TEXT(GET("/") "X: " THOUSAND THOUSAND THOUSAND THOUSAND HUNDRED "\r\n\r\n"),
     431, "headers-too-large", true},
    {"head beyond the pool",
     TEXT(GET("/") "X: " THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND
              THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND
                  THOUSAND THOUSAND THOUSAND THOUSAND THOUSAND "\r\n\r\n"),
     431, "", true},
    {"17 arguments", TEXT(GET("/?a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a") "\r\n"), 431,
     "headers-too-large", true},

    {"unknown path", TEXT(GET("/v1/nothing") "\r\n"), 404, "not-found", false},
    {"path with a slash behind", TEXT(GET("/v1/problem/") "\r\n"), 404, "not-found", false},
    {"empty parameter", TEXT(GET("/v1/things//parts/b") "\r\n"), 404, "not-found", false},
    {"13 segments", TEXT(GET("/1/2/3/4/5/6/7/8/9/10/11/12/13") "\r\n"), 404, "not-found", false},
    {"unknown path with a body",
     TEXT("PUT /v1/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"), 404, "not-found",
     false},
    {"wrong method", TEXT("PUT /v1/hold HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"), 405,
     "Allow: POST, DELETE\r\n", false},
    {"unknown method", TEXT("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, "method-not-allowed",
     false},
    {"method in small letters", TEXT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, "Allow: GET\r\n",
     false},
    {"wrong content type",
     TEXT("POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: "
          "2\r\n\r\n{}"),
     415, "Content-Type has to be application/json.", false},
    {"no content type", TEXT("POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"),
     415, "", false},
    {"body where none belongs", TEXT(GET("/") "Content-Length: 2\r\n\r\n{}"), 400,
     "unexpected-body", false},

    {"NUL in the path", TEXT("GET /\0x HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "bad-target", false},
    {"NUL in the query", TEXT("GET /?q=\0x HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "bad-target", false},
    {"%00 in the path", TEXT(GET("/v1/things/a%00/parts/b") "\r\n"), 400, "bad-target", false},
    {"%00 in the query", TEXT(GET("/?q=%00") "\r\n"), 400, "bad-target", false},
    {"bad escape", TEXT(GET("/v1/things/a%2/parts/b") "\r\n"), 400, "bad-target", false},
    {"bad escape at the end", TEXT(GET("/v1/things/a/parts/%") "\r\n"), 400, "bad-target", false},
    {"bad escape in the query", TEXT(GET("/?q=%g0") "\r\n"), 400, "bad-target", false},
    {"invalid UTF-8 in the path", TEXT(GET("/v1/things/%ff/parts/b") "\r\n"), 400, "bad-target",
     false},
    {"..", TEXT(GET("/v1/../v1/problem") "\r\n"), 400, "bad-target", false},
    {"%2e%2E", TEXT(GET("/v1/%2e%2E/etc") "\r\n"), 400, "bad-target", false},
    {"space in the path", TEXT(GET("/v1/a b") "\r\n"), 400, "bad-target", false},
    {"absolute target", TEXT(GET("http://a/") "\r\n"), 400, "bad-target", false},
};

static struct http_server *rows_server;

/* Each row twice on one connection where it stays open: the answer's framing is right. */
static void answers(void **state)
{
    const struct row *row = *state;
    struct peer p;
    struct peer_answer a;

    peer_connect(&p, http_server_port(rows_server));
    for (int i = 0; i < (row->closes ? 1 : 2); i++) {
        peer_say_n(&p, row->say, row->say_len);
        peer_answer(&p, &a);
        assert_int_equal(a.status, row->status);
        if (!strstr(a.head, row->part))
            assert_contains(a.body, row->part);
    }
    if (row->closes)
        assert_true(peer_is_closed(&p, PEER_WAIT_MS));
    peer_close(&p);
}

static int open_rows_server(void **state)
{
    (void)state;
    rows_server = start(); /* a fresh one each: counters and connections start from nothing */
    return 0;
}

static int close_rows_server(void **state)
{
    (void)state;
    http_server_close(rows_server);
    return 0;
}

/* These libmicrohttpd answers itself; 0.9.75 says the answer's head twice. What counts: refused,
 * closed, and no handler saw it. */
static const struct row library_rows[] = {
    {"Content-Length -1", TEXT(POST "Content-Length: -1\r\n\r\n{}"), 400, "", true},
    {"Content-Length 2x", TEXT(POST "Content-Length: 2x\r\n\r\n{}"), 400, "", true},
    {"Content-Length 2, 2", TEXT(POST "Content-Length: 2, 2\r\n\r\n{}"), 400, "", true},
    {"Content-Length empty", TEXT(POST "Content-Length: \r\n\r\n{}"), 400, "", true},
    {"Content-Length beyond 64 bits", TEXT(POST "Content-Length: 99999999999999999999\r\n\r\n{}"),
     413, "", true},
    {"HTTP/2.0", TEXT("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505, "", true},
    {"no request line", TEXT("\1\2\3\r\n\r\n"), 0, "", true},
};

static void library_refuses(void **state)
{
    const struct row *row = *state;
    AUTO(auto_http_server) struct http_server *s = start();
    int64_t answered = metric_now("http_responses_2xx_total");
    struct peer p;
    struct peer_answer a;

    peer_connect(&p, http_server_port(s));
    peer_say_n(&p, row->say, row->say_len);
    peer_answer(&p, &a);
    assert_int_equal(a.status, row->status);
    while (peer_fill(&p, PEER_WAIT_MS) > 0)
        ;
    assert_int_equal(recv(p.fd, p.in, 1, MSG_DONTWAIT), 0); /* closed, not merely silent */
    assert_int_equal(metric_now("http_responses_2xx_total"), answered);
    peer_close(&p);
}

/* ---- connections */

static void keeps_a_connection_for_many_requests(void **state)
{
    AUTO(auto_http_server) struct http_server *s = start();
    struct peer p;
    struct peer_answer a;

    (void)state;
    peer_connect(&p, http_server_port(s));
    for (int i = 0; i < 500; i++) {
        char body[32];

        (void)snprintf(body, sizeof(body), "{\"n\":%d}", i);
        post(&p, "/v1/echo", body);
        peer_answer(&p, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, body);
    }
    assert_int_equal(metric_now("http_connections"), 1);
    peer_close(&p);
    wait_for(metric_now("http_connections") == 0);
}

static void answers_pipelined_requests_in_order(void **state)
{
    AUTO(auto_http_server) struct http_server *s = start();
    struct peer p;
    struct peer_answer a;

    (void)state;
    peer_connect(&p, http_server_port(s));
    post(&p, "/v1/echo", "1");
    post(&p, "/v1/hold", "2");
    post(&p, "/v1/echo", "3");
    wait_for(held_n() == 1);
    reply_text(world.held[0], 202, "two");
    for (int i = 0; i < 3; i++) {
        static const char *const want[] = {"1", "two", "3"};

        peer_answer(&p, &a);
        assert_string_equal(a.body, want[i]);
    }
    peer_close(&p);
}

static void continues_when_asked(void **state)
{
    AUTO(auto_http_server) struct http_server *s = start();
    struct peer p;
    struct peer_answer a;

    (void)state;
    peer_connect(&p, http_server_port(s));
    peer_say(&p, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    peer_answer(&p, &a);
    assert_int_equal(a.status, 100);
    peer_say(&p, "{}");
    peer_answer(&p, &a);
    assert_int_equal(a.status, 200);
    peer_say(&p, POST
             "Expect: 100-continue\r\nContent-Length: 2001\r\n\r\n"); /* not asked to send it */
    peer_answer(&p, &a);
    assert_int_equal(a.status, 413);
    assert_true(peer_is_closed(&p, PEER_WAIT_MS));
    peer_close(&p);
}

/* Says `text` a byte at a time, with a pause, for ever; true when the server closes within the
 * deadline. */
static bool drip(struct peer *p, const char *text)
{
    int64_t until_ms = clock_mono_ms() + PEER_WAIT_MS;

    for (size_t i = 0; clock_mono_ms() < until_ms; i++) {
        peer_say_n(p, text[i] ? &text[i] : "a", 1);
        if (text[i] == '\0')
            i--;
        if (peer_fill(p, 10) == 0)
            return true;
    }
    return false;
}

static void closes_what_drips(void **state)
{
    static const char *const drips[] = {
        "POST /v1/echo HT", "POST /v1/echo HTTP/1.1\r\nX: ", POST "Content-Length: 1900\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n700\r\n"};
    struct http_server_conf conf = usual;
    int64_t closed = metric_now("http_slow_closed_total");

    (void)state;
    conf.request_timeout_ms = 300;
    for (size_t i = 0; i < ARRAY_LEN(drips); i++) {
        AUTO(auto_http_server) struct http_server *s = start_with(&conf);
        struct peer p;
        struct peer_answer a;

        peer_connect(&p, http_server_port(s));
        post(&p, "/v1/echo", "{}"); /* a good one first */
        peer_answer(&p, &a);
        assert_int_equal(a.status, 200);
        assert_true(drip(&p, drips[i]));
        peer_close(&p);
        peer_connect(&p, http_server_port(s));
        assert_true(drip(&p, drips[i]));
        peer_close(&p);
    }
    assert_int_equal(metric_now("http_slow_closed_total"), closed + 2 * (int64_t)ARRAY_LEN(drips));
}

static void closes_what_rests_too_long(void **state)
{
    struct http_server_conf conf = usual;
    int64_t closed = metric_now("http_slow_closed_total");
    struct http_server *s;
    struct peer silent, kept;
    struct peer_answer a;

    (void)state;
    conf.idle_timeout_ms = 100;
    s = start_with(&conf);
    peer_connect(&silent, http_server_port(s));
    peer_connect(&kept, http_server_port(s));
    post(&kept, "/v1/echo", "{}");
    peer_answer(&kept, &a);
    assert_int_equal(a.status, 200);
    assert_true(peer_is_closed(&kept, PEER_WAIT_MS));
    assert_true(peer_is_closed(&silent, PEER_WAIT_MS));
    assert_int_equal(metric_now("http_slow_closed_total"), closed); /* resting is no fault */
    peer_close(&kept);
    peer_close(&silent);
    http_server_close(s);
}

static void limits_connections_of_one_address(void **state)
{
    struct http_server_conf conf = usual;
    struct http_server *s;
    struct peer p[3];
    struct peer_answer a;

    (void)state;
    conf.connections_per_address_max = 2;
    s = start_with(&conf);
    for (int i = 0; i < 3; i++) {
        peer_connect(&p[i], http_server_port(s));
        post(&p[i], "/v1/echo", "{}");
        peer_answer(&p[i], &a);
        assert_int_equal(a.status, i < 2 ? 200 : 0);
    }
    for (int i = 0; i < 3; i++)
        peer_close(&p[i]);
    http_server_close(s);
}

/* ---- answers that come later */

struct replies {
    size_t from, to;
};

static void *reply_range(void *ctx)
{
    const struct replies *r = ctx;

    for (size_t i = r->from; i < r->to; i++)
        reply_text(world.held[i], 202, "later");
    return NULL;
}

static void answers_200_waiting_from_other_threads(void **state)
{
    enum { N = 200, THREADS = 4 };
    AUTO(auto_http_server) struct http_server *s = start();
    static struct peer peers[N];
    struct replies ranges[THREADS];
    pthread_t threads[THREADS];
    struct peer_answer a;

    (void)state;
    for (int i = 0; i < N; i++) {
        peer_connect(&peers[i], http_server_port(s));
        post(&peers[i], "/v1/hold", "{}");
    }
    wait_for(held_n() == N);
    assert_int_equal(metric_now("http_deferred"), N);
    for (size_t i = 0; i < THREADS; i++) {
        ranges[i] = (struct replies){i * N / THREADS, (i + 1) * N / THREADS};
        assert_int_equal(pthread_create(&threads[i], NULL, reply_range, &ranges[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < N; i++) {
        peer_answer(&peers[i], &a);
        assert_int_equal(a.status, 202);
        assert_string_equal(a.body, "later");
        peer_close(&peers[i]);
    }
    assert_int_equal(metric_now("http_deferred"), 0);
}

static void answers_itself_when_the_deadline_passes(void **state)
{
    AUTO(auto_http_server) struct http_server *s = start();
    int64_t late = metric_now("http_late_replies_total");
    struct peer first, second;
    struct peer_answer a;

    (void)state;
    peer_connect(&first, http_server_port(s));
    peer_connect(&second, http_server_port(s));
    post(&first, "/v1/hold", "{\"kept\":1}"); /* a long deadline in front of a short one */
    wait_for(held_n() == 1);
    world.deadline_ms = 30;
    post(&second, "/v1/hold", "{}");
    peer_answer(&second, &a);
    assert_int_equal(a.status, 503);
    assert_contains(a.body, "Nobody said yes in time.");
    assert_contains(a.head, "Retry-After: 1\r\n");
    post(&second, "/v1/echo", "again"); /* the connection goes on */
    peer_answer(&second, &a);
    assert_string_equal(a.body, "again");

    wait_for(held_n() == 2);
    assert_string_equal(http_header(world.held[1], "content-type"),
                        "application/json"); /* still there */
    reply_text(world.held[1], 202, "too late");
    assert_int_equal(metric_now("http_late_replies_total"), late + 1);
    reply_text(world.held[0], 202, "in time");
    peer_answer(&first, &a);
    assert_int_equal(a.status, 202);
    peer_close(&first);
    peer_close(&second);
}

/* The watcher is woken for a deadline that is nearer than what it sleeps for. */
static void answers_soon_after_the_deadline(void **state)
{
    enum { ROUNDS = 10 };
    AUTO(auto_http_server) struct http_server *s = start();
    int64_t began_ms = clock_mono_ms();
    struct peer p;
    struct peer_answer a;

    (void)state;
    world.deadline_ms = 5;
    peer_connect(&p, http_server_port(s));
    for (size_t i = 0; i < ROUNDS; i++) {
        post(&p, "/v1/hold", "{}");
        peer_answer(&p, &a);
        assert_int_equal(a.status, 503);
        wait_for(held_n() == i + 1);
        reply_text(world.held[i], 202, "");
    }
    assert_true(clock_mono_ms() - began_ms < ROUNDS * 300); /* its usual sleep is 500 ms */
    peer_close(&p);
}

/* Replies meet their deadline of 1 ms: each request is answered once, by the one or the other. */
static void reply_and_deadline_race(void **state)
{
    enum { CONNS = 16, ROUNDS = 60 };
    AUTO(auto_http_server) struct http_server *s = start();
    int64_t late = metric_now("http_late_replies_total"),
            passed = metric_now("http_deadlines_passed_total");
    static struct peer peers[CONNS];
    int told_late = 0;

    (void)state;
    world.deadline_ms = 1;
    for (int i = 0; i < CONNS; i++)
        peer_connect(&peers[i], http_server_port(s));
    for (int round = 0; round < ROUNDS; round++) {
        struct replies range = {0, CONNS};
        pthread_t thread;

        pthread_mutex_lock(&world.lock);
        world.held_n = 0;
        pthread_mutex_unlock(&world.lock);
        for (int i = 0; i < CONNS; i++)
            post(&peers[i], "/v1/hold", "{}");
        wait_for(held_n() == CONNS);
        assert_int_equal(pthread_create(&thread, NULL, reply_range, &range), 0);
        for (int i = 0; i < CONNS; i++) {
            struct peer_answer a;

            peer_answer(&peers[i], &a);
            assert_true(a.status == 202 || a.status == 503);
            told_late += a.status == 503;
        }
        (void)pthread_join(thread, NULL);
    }
    assert_int_equal(metric_now("http_late_replies_total") - late, told_late);
    assert_int_equal(metric_now("http_deadlines_passed_total") - passed, told_late);
    assert_int_equal(metric_now("http_deferred"), 0);
    for (int i = 0; i < CONNS; i++)
        peer_close(&peers[i]);
}

static void refuses_more_than_may_wait(void **state)
{
    struct http_server_conf conf = usual;
    struct http_server *s;
    struct peer first, second;
    struct peer_answer a;

    (void)state;
    conf.deferred_max = 1;
    s = start_with(&conf);
    peer_connect(&first, http_server_port(s));
    peer_connect(&second, http_server_port(s));
    post(&first, "/v1/hold", "{}");
    wait_for(held_n() == 1);
    post(&second, "/v1/hold", "{}");
    peer_answer(&second, &a);
    assert_int_equal(a.status, 503);
    assert_contains(a.body, "too-busy");
    reply_text(world.held[0], 202, "");
    peer_answer(&first, &a);
    assert_int_equal(a.status, 202);
    post(&second, "/v1/hold", "{}"); /* room again */
    wait_for(held_n() == 2);
    reply_text(world.held[1], 202, "");
    peer_answer(&second, &a);
    assert_int_equal(a.status, 202);
    peer_close(&first);
    peer_close(&second);
    http_server_close(s);
}

static void survives_a_client_that_hangs_up(void **state)
{
    AUTO(auto_http_server) struct http_server *s = start();
    struct peer p;

    (void)state;
    peer_connect(&p, http_server_port(s));
    post(&p, "/v1/hold", "{}");
    wait_for(held_n() == 1);
    peer_close(&p);
    reply_text(world.held[0], 202, "nobody reads this");
    wait_for(metric_now("http_connections") == 0);
}

/* ---- stopping */

static void *drain_slowly(void *ctx)
{
    http_server_drain(ctx, PEER_WAIT_MS);
    return NULL;
}

static void drain_waits_for_the_replies(void **state)
{
    AUTO(auto_http_server) struct http_server *s = start();
    int64_t stopping = metric_now("http_refused_stopping_total"), began_ms;
    struct peer waiting, kept, late;
    struct peer_answer a;
    pthread_t thread;

    (void)state;
    peer_connect(&waiting, http_server_port(s));
    peer_connect(&kept, http_server_port(s));
    post(&kept, "/v1/echo", "{}");
    peer_answer(&kept, &a);
    post(&waiting, "/v1/hold", "{}");
    wait_for(held_n() == 1);

    began_ms = clock_mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, drain_slowly, s), 0);
    wait_for(!peer_try_connect(&late, http_server_port(s)) ||
             (peer_close(&late), false)); /* new ones are refused */
    peer_close(&late);
    post(&kept, "/v1/hold", "{}"); /* a kept connection is told */
    peer_answer(&kept, &a);
    assert_int_equal(a.status, 503);
    assert_contains(a.body, "shutting-down");
    assert_true(peer_is_closed(&kept, PEER_WAIT_MS));
    reply_text(world.held[0], 202, "still in time");
    (void)pthread_join(thread, NULL);
    assert_true(clock_mono_ms() - began_ms < PEER_WAIT_MS);
    peer_answer(&waiting, &a);
    assert_int_equal(a.status, 202);
    assert_int_equal(metric_now("http_refused_stopping_total"), stopping + 1);
    peer_close(&waiting);
    peer_close(&kept);
}

static void drain_answers_what_is_left(void **state)
{
    enum { N = 100 };
    struct http_server *s = start();
    struct peer peers[N], half;
    struct peer_answer a;

    (void)state;
    for (int i = 0; i < N; i++) {
        peer_connect(&peers[i], http_server_port(s));
        post(&peers[i], "/v1/hold", "{}");
    }
    peer_connect(&half, http_server_port(s)); /* its body never comes: nobody waits for that */
    peer_say(&half, POST "Content-Length: 2\r\n\r\n{");
    wait_for(held_n() == N);
    http_server_drain(s, 20); /* the close does it once more */
    for (int i = 0; i < N; i++)
        reply_text(world.held[i], 202, "after all"); /* allowed until the close */
    http_server_close(s);
    http_server_close(NULL);
    for (int i = 0; i < N; i++) { /* sent before the close cut the connections */
        peer_answer(&peers[i], &a);
        assert_int_equal(a.status, 503);
        assert_contains(a.body, "shutting-down");
        assert_true(peer_is_closed(&peers[i], PEER_WAIT_MS));
        peer_close(&peers[i]);
    }
    peer_close(&half);
}

static void refuses_to_wait_while_it_stops(void **state)
{
    AUTO(auto_http_server) struct http_server *s = start();
    struct peer p, other;
    struct peer_answer a;
    pthread_t thread;

    (void)state;
    peer_connect(&p, http_server_port(s));
    post(&p, "/v1/slow", "{}");
    wait_for(atomic_load(&slow_is_in));
    assert_int_equal(pthread_create(&thread, NULL, drain_slowly, s), 0);
    wait_for(!peer_try_connect(&other, http_server_port(s)) || (peer_close(&other), false));
    peer_close(&other);
    atomic_store(&slow_may_go, true);
    peer_answer(&p, &a);
    assert_int_equal(a.status, 503);
    assert_contains(a.body, "shutting-down");
    (void)pthread_join(thread, NULL);
    assert_int_equal(metric_now("http_deferred"), 0);
    peer_close(&p);
}

/* Posts go on arriving while the server closes, again and again: no abort, each gets an answer
 * or a closed connection. */
static void closes_under_load(void **state)
{
    enum { CONNS = 8 };

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct http_server *s = start();
        struct peer peers[CONNS];
        struct replies range = {0, 0};

        for (int i = 0; i < CONNS; i++) {
            peer_connect(&peers[i], http_server_port(s));
            post(&peers[i], i % 2 ? "/v1/hold" : "/v1/echo", "{}");
            post(&peers[i], "/v1/hold", "{}");
        }
        wait_for(held_n() > 0);
        http_server_drain(s, 0);
        range.to = held_n();
        (void)reply_range(&range);
        http_server_close(s);
        for (int i = 0; i < CONNS; i++) {
            struct peer_answer a = {.status = 1};

            while (a.status != 0)
                peer_answer(&peers[i], &a);
            peer_close(&peers[i]);
        }
    }
}

/* ---- addresses */

static const struct listen_row {
    const char *name, *listen;
    const char *part; /* of the error; NULL: it works, and 127.0.0.1 reaches it */
} listen_rows[] = {
    {"listen: loopback", "127.0.0.1:0", NULL},
    {"listen: name", "localhost:0", ""}, /* either family */
    {"listen: all addresses", ":0", NULL},
    {"listen: all, IPv4", "0.0.0.0:0", NULL},
    {"listen: no port", "127.0.0.1", "HOST:PORT"},
    {"listen: empty port", "127.0.0.1:", "HOST:PORT"},
    {"listen: nothing", "", "HOST:PORT"},
    {"listen: IPv6 without brackets", "::1:80", "HOST:PORT"},
    {"listen: port is a word", "127.0.0.1:http", "127.0.0.1:http"},
    {"listen: port beyond 16 bits", "127.0.0.1:65536", "0 to 65535"},
    {"listen: port beyond 64 bits", "127.0.0.1:99999999999999999999", "0 to 65535"},
    {"listen: port with a sign", "127.0.0.1:-1", "0 to 65535"},
    {"listen: not ours", "192.0.2.1:0", "choose an address of this machine"},
};

static void listens(void **state)
{
    const struct listen_row *row = *state;
    struct http_server_conf conf = usual;
    struct http_server *s = NULL;
    struct err err = {0};
    struct peer p;

    conf.listen = row->listen;
    if (row->part && row->part[0]) {
        assert_fails(http_server_open(&s, &conf, routes, ARRAY_LEN(routes), NULL, &err), &err,
                     ERR_CONFIG, row->part);
        return;
    }
    assert_ok(http_server_open(&s, &conf, routes, ARRAY_LEN(routes), NULL, &err), &err);
    assert_true(http_server_port(s) > 0);
    if (!row->part) {
        peer_connect(&p, http_server_port(s));
        peer_close(&p);
    }
    http_server_close(s);
}

static void names_a_port_that_is_taken(void **state)
{
    struct http_server_conf conf = usual;
    struct http_server *s = NULL;
    struct err err = {0};
    char listen[32];
    int port, fd = peer_listen(&port);

    (void)state;
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
    conf.listen = listen;
    assert_fails(http_server_open(&s, &conf, routes, ARRAY_LEN(routes), NULL, &err), &err,
                 ERR_CONFIG, listen);
    assert_contains(err.text, "stop the program that holds the port");
    (void)close(fd);
}

static void refuses_bad_routes(void **state)
{
    static const struct http_route bad[] = {{"GET", "/{a}/{b}/{c}/{d}/{e}", on_forget, NULL}};
    struct http_server *s = NULL;
    struct err err = {0};

    (void)state;
    assert_fails(http_server_open(&s, &usual, bad, ARRAY_LEN(bad), NULL, &err), &err, ERR_FATAL,
                 "{e}");
}

int main(void)
{
    static struct test_list list;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        test_add(&list, rows[i].name, answers, &rows[i]);
        list.tests[i].setup_func = open_rows_server;
        list.tests[i].teardown_func = close_rows_server;
    }
    TEST_ADD_ROWS(&list, library_rows, library_refuses);
    TEST_ADD(&list, keeps_a_connection_for_many_requests);
    TEST_ADD(&list, answers_pipelined_requests_in_order);
    TEST_ADD(&list, continues_when_asked);
    TEST_ADD(&list, closes_what_drips);
    TEST_ADD(&list, closes_what_rests_too_long);
    TEST_ADD(&list, limits_connections_of_one_address);
    TEST_ADD(&list, answers_200_waiting_from_other_threads);
    TEST_ADD(&list, answers_itself_when_the_deadline_passes);
    TEST_ADD(&list, answers_soon_after_the_deadline);
    TEST_ADD(&list, reply_and_deadline_race);
    TEST_ADD(&list, refuses_more_than_may_wait);
    TEST_ADD(&list, survives_a_client_that_hangs_up);
    TEST_ADD(&list, drain_waits_for_the_replies);
    TEST_ADD(&list, drain_answers_what_is_left);
    TEST_ADD(&list, refuses_to_wait_while_it_stops);
    TEST_ADD(&list, closes_under_load);
    TEST_ADD_ROWS(&list, listen_rows, listens);
    TEST_ADD(&list, names_a_port_that_is_taken);
    TEST_ADD(&list, refuses_bad_routes);
    return test_run("http_server", &list);
}
