/*
 * mail_sink - an SMTP server that takes everything and keeps nothing, for tests/bench: a mailbox written in Python would
 * cost as much as the services that are measured.
 *
 *     mail_sink PORT
 *
 * One thread; at most 64 connections, the next ones wait. Ends with its parent's signal.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define LINE_MAX_BYTES  1024

struct peer {
    char line[LINE_MAX_BYTES];
    size_t len;
    bool in_data;
};

static struct pollfd fds[CONNECTIONS_MAX + 1]; /* the last one listens */
static struct peer peers[CONNECTIONS_MAX];

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        return; /* the peer is gone: the next read says so */
}

/* False: the peer has said goodbye. */
static bool take_line(int fd, struct peer *p)
{
    if (p->in_data) {
        p->in_data = strcmp(p->line, ".\r\n") != 0;
        if (!p->in_data)
            say(fd, "250 taken\r\n");
        return true;
    }
    p->in_data = strncasecmp(p->line, "DATA", 4) == 0;
    if (strncasecmp(p->line, "QUIT", 4) == 0) {
        say(fd, "221 bye\r\n");
        return false;
    }
    say(fd, p->in_data ? "354 go on\r\n" : "250 ok\r\n");
    return true;
}

static bool take(int fd, struct peer *p)
{
    char chunk[16384];
    ssize_t n = read(fd, chunk, sizeof(chunk));

    for (ssize_t i = 0; i < n; i++) {
        if (p->len < sizeof(p->line) - 1)
            p->line[p->len++] = chunk[i];
        if (chunk[i] != '\n')
            continue;
        p->line[p->len] = '\0';
        p->len = 0;
        if (!take_line(fd, p))
            return false;
    }
    return n > 0;
}

static void open_peer(int listener)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        if (fds[i].fd >= 0)
            continue;
        fds[i].fd = accept(listener, NULL, NULL);
        peers[i] = (struct peer){0};
        if (fds[i].fd >= 0)
            say(fds[i].fd, "220 ready\r\n");
        return;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (argc != 2)
        return 64;
    at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, CONNECTIONS_MAX))
        return 1;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    fds[CONNECTIONS_MAX] = (struct pollfd){.fd = listener, .events = POLLIN};
    while (poll(fds, CONNECTIONS_MAX + 1, -1) > 0) {
        if (fds[CONNECTIONS_MAX].revents)
            open_peer(listener);
        for (int i = 0; i < CONNECTIONS_MAX; i++)
            if (fds[i].fd >= 0 && fds[i].revents && !take(fds[i].fd, &peers[i])) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
    }
    return 0;
}
