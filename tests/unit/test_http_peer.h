/*
 * test_http_peer - the other end of a socket for the HTTP tests: says exactly the bytes it is told
 * to, and reads with a deadline.
 */
#ifndef TESTS_UNIT_TEST_HTTP_PEER_H
#define TESTS_UNIT_TEST_HTTP_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/metric.h"
#include "tests/support/test.h"

enum { PEER_WAIT_MS = 10000 };

struct peer {
    int fd;
    char in[1 << 16]; /* read, not yet taken */
    size_t in_len;
};

struct peer_answer {
    int status;
    char head[4096];
    char body[1 << 14];
};

static inline struct sockaddr_in peer_loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* False: refused. */
static inline bool peer_try_connect(struct peer *p, int port)
{
    const struct sockaddr_in at = peer_loopback(port);

    p->in_len = 0;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(p->fd >= 0);
    return connect(p->fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
}

static inline void peer_connect(struct peer *p, int port)
{
    assert_true(peer_try_connect(p, port));
}

/* A socket that listens on a free port of the loopback. */
static inline int peer_listen(int *ret_port)
{
    struct sockaddr_in at = peer_loopback(0);
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static inline void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}

/* The other side may have closed already: that shows when reading. */
static inline void peer_say_n(struct peer *p, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static inline void peer_say(struct peer *p, const char *text)
{
    peer_say_n(p, text, strlen(text));
}

/* 1: something came; 0: closed; -1: nothing within wait_ms. */
static inline int peer_fill(struct peer *p, int wait_ms)
{
    struct pollfd at = {.fd = p->fd, .events = POLLIN};
    ssize_t n;

    if (poll(&at, 1, wait_ms) <= 0)
        return -1;
    if (p->in_len == sizeof(p->in) - 1)
        fail_msg("%s", "more than the test expects");
    n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - 1 - p->in_len, 0);
    if (n <= 0)
        return 0;
    p->in_len += (size_t)n;
    p->in[p->in_len] = '\0';
    return 1;
}

static inline void peer_drop(struct peer *p, size_t n)
{
    memmove(p->in, p->in + n, p->in_len - n);
    p->in_len -= n;
    p->in[p->in_len] = '\0';
}

/* One answer with a Content-Length (or none: no body). Status 0: closed before a whole one came. */
static inline void peer_answer(struct peer *p, struct peer_answer *ret)
{
    const char *end, *length;
    size_t head_len, body_len;

    ret->status = 0;
    p->in[p->in_len] = '\0';
    while (!(end = strstr(p->in, "\r\n\r\n"))) {
        int got = peer_fill(p, PEER_WAIT_MS);

        if (got < 0)
            fail_msg("%s", "no answer in time");
        if (got == 0)
            return;
    }
    head_len = (size_t)(end - p->in) + 4;
    assert_true(head_len < sizeof(ret->head));
    memcpy(ret->head, p->in, head_len);
    ret->head[head_len] = '\0';
    length = strstr(ret->head, "Content-Length: ");
    body_len = length ? strtoul(length + 16, NULL, 10) : 0;
    assert_true(body_len < sizeof(ret->body));
    while (p->in_len < head_len + body_len)
        if (peer_fill(p, PEER_WAIT_MS) <= 0)
            return;
    memcpy(ret->body, p->in + head_len, body_len);
    ret->body[body_len] = '\0';
    peer_drop(p, head_len + body_len);
    assert_int_equal(sscanf(ret->head, "HTTP/1.1 %d", &ret->status), 1);
}

/* True: the other side closes within wait_ms, and says nothing more before that. */
static inline bool peer_is_closed(struct peer *p, int wait_ms)
{
    return p->in_len == 0 && peer_fill(p, wait_ms) == 0;
}

static inline int64_t metric_now(const char *name)
{
    struct buf out;
    char line[128];
    const char *at;
    int64_t value;

    buf_init(&out, 1 << 20);
    metric_print(&out);
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    at = strstr(buf_text(&out), line);
    if (!at)
        fail_msg("no metric %s", name);
    value = strtoll(at + strlen(line), NULL, 10);
    buf_done(&out);
    return value;
}

/* Waits until the condition holds; fails when it does not within PEER_WAIT_MS. */
#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int64_t until_ms_ = clock_mono_ms() + PEER_WAIT_MS;                                        \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > until_ms_)                                                       \
                fail_msg("not in time: %s", #condition);                                           \
            (void)poll(NULL, 0, 1);                                                                \
        }                                                                                          \
    } while (0)

#endif
