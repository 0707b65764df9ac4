#include "common/http/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"

enum { PROBLEM_MAX_BYTES = 8192, HEAD_MAX_BYTES = 256, RETRY_AFTER_S = 1, HEADERS_MAX = 4 };

static const struct refusal_row {
    enum http_counter counter;
    bool closes;
    struct http_problem problem;
} refusals[] = {
#define REFUSAL(name, counter, status, closes, type, title, advice)                                \
    [REFUSAL_##                                                                                    \
        name] = {COUNT_##counter,                                                                  \
                 closes,                                                                           \
                 {status, type, title, NULL, NULL, advice, (status) == 503 ? RETRY_AFTER_S : 0}},
#include "common/http/refusals.def"
#undef REFUSAL
};

/* ---- making answers */

static void auto_response(struct MHD_Response **response)
{
    if (*response)
        MHD_destroy_response(*response);
}

static struct MHD_Response *make(const struct http_response *from)
{
    const char *type = from->content_type ? from->content_type : "application/json";
    AUTO(auto_response)
    struct MHD_Response *response = MHD_create_response_from_buffer(
        from->body_len, (void *)(uintptr_t)from->body, MHD_RESPMEM_MUST_COPY);

    if (!response)
        return NULL;
    if (from->body_len > 0 && MHD_add_response_header(response, "Content-Type", type) != MHD_YES)
        return NULL;
    for (size_t i = 0; i < HEADERS_MAX && from->headers[i].name; i++)
        if (MHD_add_response_header(response, from->headers[i].name, from->headers[i].value) !=
            MHD_YES)
            return NULL;
    return TAKE(response);
}

static struct MHD_Response *make_problem(const struct http_problem *problem, const char *allow,
                                         bool closes)
{
    AUTO(buf_done) struct buf body;
    struct http_response from = {.status = problem->status,
                                 .content_type = "application/problem+json"};
    char retry_after[16];
    size_t n = 0;

    buf_init(&body, PROBLEM_MAX_BYTES);
    if (problem_write(&body, problem)) { /* too long: the status alone says it */
        from.body = body.data;
        from.body_len = body.len;
    }
    (void)snprintf(retry_after, sizeof(retry_after), "%d", problem->retry_after_s);
    if (problem->retry_after_s > 0)
        from.headers[n++] = (struct http_reply_header){"Retry-After", retry_after};
    if (allow)
        from.headers[n++] = (struct http_reply_header){"Allow", allow};
    if (closes)
        from.headers[n++] = (struct http_reply_header){"Connection", "close"};
    return make(&from);
}

static struct http_problem refusal_problem(const struct refused *refused)
{
    static const char *const details[] = {
        /* of those that have nothing of their own to tell */
        [REFUSAL_BUSY] = "As many as are allowed wait already; nothing was done with this request. "
                         "Send it again after Retry-After.",
        [REFUSAL_STOPPING] = "It was not confirmed before the server stopped, and may yet have "
                             "been done. Send it again after Retry-After.",
        [REFUSAL_LATE] = "It may yet be done. Send it again after Retry-After.",
        [REFUSAL_UNANSWERED] = "No answer was made to the request. Send it again later; if that "
                               "fails too, tell the operators.",
    };
    struct http_problem problem = refusals[refused->why].problem;

    if (refused->allow)
        problem.detail = "The path is right, but it takes other methods.";
    else if (refused->text[0] != '\0')
        problem.detail = refused->text;
    else if (refused->why < (int)ARRAY_LEN(details))
        problem.detail = details[refused->why];
    return problem;
}

struct MHD_Response *answer_refusal(const struct refused *refused, int *ret_status)
{
    const struct refusal_row *row = &refusals[refused->why];
    struct http_problem problem = refusal_problem(refused);

    http_count(row->counter, 1);
    *ret_status = problem.status;
    return make_problem(&problem, refused->allow, row->closes);
}

/* ---- sending, on libmicrohttpd's thread */

static void count_status(int status)
{
    http_count(status < 400   ? COUNT_http_responses_2xx_total
               : status < 500 ? COUNT_http_responses_4xx_total
                              : COUNT_http_responses_5xx_total,
               1);
}

enum MHD_Result answer_send(struct MHD_Connection *mhd, struct MHD_Response *response, int status)
{
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    count_status(status);
    result = MHD_queue_response(mhd, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result answer_cut_off(struct http_request *req)
{
    struct refused refused = {.why = REFUSAL_BODY};
    struct http_problem problem;
    AUTO(buf_done) struct buf out, body;

    (void)snprintf(refused.text, sizeof(refused.text), "The body is longer than %lld bytes.",
                   (long long)req->server->conf.body_max_bytes);
    problem = refusal_problem(&refused);
    buf_init(&body, PROBLEM_MAX_BYTES);
    buf_init(&out, PROBLEM_MAX_BYTES + HEAD_MAX_BYTES);
    (void)problem_write(&body, &problem);
    (void)buf_printf(&out,
                     "HTTP/1.1 %d Content Too Large\r\nContent-Type: application/problem+json\r\n"
                     "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                     problem.status, body.len, buf_text(&body));
    http_count(refusals[REFUSAL_BODY].counter, 1);
    count_status(problem.status);
    if (!out.failed) /* what does not fit the socket's buffer is lost with the connection */
        (void)send(req->conn->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return MHD_NO; /* closes */
}

/* ---- the waiting list */

static void list_remove(struct http_server *s, struct http_request *req)
{
    *(req->older ? &req->older->newer : &s->oldest) = req->newer;
    *(req->newer ? &req->newer->older : &s->newest) = req->older;
    req->is_waiting = false;
}

/* Deadlines are nearly all the same number of milliseconds away: the place is at the end, or
 * close to it. */
static void list_add(struct http_server *s, struct http_request *req)
{
    struct http_request *older = s->newest;

    while (older && older->due_mono_ms > req->due_mono_ms)
        older = older->older;
    req->older = older;
    req->newer = older ? older->newer : s->oldest;
    *(req->newer ? &req->newer->older : &s->newest) = req;
    *(older ? &older->newer : &s->oldest) = req;
    req->is_waiting = true;
}

/* False: the server is stopping. */
static bool wait_begin(struct http_server *s, struct http_request *req)
{
    bool ok;

    pthread_mutex_lock(&s->waiting_lock);
    ok = !atomic_load(&s->stopping);
    if (ok) {
        list_add(s, req);
        if (req->due_mono_ms < s->wake_mono_ms)
            pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->waiting_lock);
    return ok;
}

/* Reply and deadline race: the one that gets true answers. */
static bool wait_end(struct http_server *s, struct http_request *req)
{
    bool is_first;

    pthread_mutex_lock(&s->waiting_lock);
    is_first = req->is_waiting;
    if (is_first)
        list_remove(s, req);
    pthread_mutex_unlock(&s->waiting_lock);
    return is_first;
}

/* By whoever ended the wait. Without a reference of one's own the request is gone afterwards. */
static void resume(struct http_request *req, struct MHD_Response *response, int status)
{
    req->response = response;
    req->status = status;
    atomic_fetch_sub(&req->server->deferred_n, 1);
    http_count(COUNT_http_deferred, -1);
    MHD_resume_connection(req->mhd);
}

static struct http_request *take_overdue(struct http_server *s, int64_t now_mono_ms, bool is_forced)
{
    struct http_request *req;

    pthread_mutex_lock(&s->waiting_lock);
    req = s->oldest;
    if (req && !is_forced && req->due_mono_ms > now_mono_ms)
        req = NULL;
    if (req)
        list_remove(s, req);
    pthread_mutex_unlock(&s->waiting_lock);
    return req;
}

void answer_overdue(struct http_server *s, int64_t now_mono_ms, bool is_forced)
{
    struct http_request *req;

    while ((req = take_overdue(s, now_mono_ms, is_forced))) {
        struct refused refused = {.why = is_forced ? REFUSAL_STOPPING : REFUSAL_LATE};
        struct MHD_Response *response;
        int status;

        if (!is_forced && req->late_problem)
            (void)snprintf(refused.text, sizeof(refused.text), "%s", req->late_problem);
        response = answer_refusal(&refused, &status);
        resume(req, response, status);
    }
}

/* ---- the handler's side */

static bool refuse(struct http_request *req, enum refusal why)
{
    struct refused refused = {.why = why};

    req->response = answer_refusal(&refused, &req->status);
    req->is_answered = true;
    return false;
}

bool http_defer(struct http_request *req, int64_t deadline_ms, const char *late_problem)
{
    struct http_server *s = req->server;

    if (atomic_load(&s->deferred_n) >= s->conf.deferred_max)
        return refuse(req, REFUSAL_BUSY);
    req->due_mono_ms = clock_mono_ms() + deadline_ms;
    req->late_problem = late_problem;
    req->is_deferred = true;
    atomic_fetch_add_explicit(&req->refs, 1, memory_order_relaxed); /* the caller's */
    atomic_fetch_add(&s->deferred_n, 1);
    http_count(COUNT_http_deferred, 1);
    MHD_suspend_connection(req->mhd); /* before anybody can answer: that resumes */
    if (!wait_begin(s, req)) {
        (void)refuse(req, REFUSAL_STOPPING);
        resume(req, req->response, req->status);
        request_unref(req);
        return false;
    }
    return true;
}

/* Takes the response. */
static void answer(struct http_request *req, struct MHD_Response *response, int status)
{
    if (!req->is_deferred) { /* libmicrohttpd's thread, which sends it when the handler returns */
        req->response = response;
        req->status = status;
        req->is_answered = true;
        return;
    }
    if (wait_end(req->server, req)) {
        resume(req, response, status);
    } else {
        http_count(COUNT_http_late_replies_total, 1);
        auto_response(&response);
    }
    request_unref(req);
}

void http_reply(struct http_request *req, const struct http_response *response)
{
    answer(req, make(response), response->status);
}

void http_problem(struct http_request *req, const struct http_problem *problem)
{
    answer(req, make_problem(problem, NULL, false), problem->status);
}
