#include "common/http/internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static void auto_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}
static void auto_addrinfo(struct addrinfo **list)
{
    if (*list)
        freeaddrinfo(*list);
}

/* "[::1]:80" and "host:80" into their parts; ":80" leaves host empty. */
static bool split_address(char host[256], const char **ret_port, const char *address)
{
    const char *colon = strrchr(address, ':');
    const char *from = address;
    size_t len;

    if (!colon || colon[1] == '\0')
        return false;
    len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
        from++;
        len -= 2;
    } else if (memchr(address, ':', len)) {
        return false;
    }
    if (len >= 256)
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return true;
}

static bool bind_one(int *ret_fd, const struct addrinfo *at)
{
    AUTO(auto_fd)
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    const int on = 1, off = 0;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return false;
    if (at->ai_family == AF_INET6) /* [::] takes IPv4 too, whatever the system's default */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return false;
    *ret_fd = fd;
    fd = -1;
    return true;
}

static int port_of(int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof(name);
    char port[8] = "0";

    if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&name, len, NULL, 0, port, sizeof(port),
                          NI_NUMERICSERV);
    return (int)strtol(port, NULL, 10);
}

/* Of several addresses IPv6 comes first for "all addresses": it takes both. */
static bool bind_any(int *ret_fd, const struct addrinfo *list, bool is_wildcard)
{
    for (const struct addrinfo *at = list; is_wildcard && at; at = at->ai_next)
        if (at->ai_family == AF_INET6 && bind_one(ret_fd, at))
            return true;
    for (const struct addrinfo *at = list; at; at = at->ai_next)
        if (bind_one(ret_fd, at))
            return true;
    return false;
}

static bool port_is_legal(const char *port)
{
    return strspn(port, "0123456789") == strlen(port) && strlen(port) < 6 &&
           strtol(port, NULL, 10) <= 65535;
}

static bool read_address(char host[256], const char **ret_port, const char *address,
                         struct err *err)
{
    if (!split_address(host, ret_port, address))
        return err_set(
            err, ERR_CONFIG,
            "listen address %s: write HOST:PORT, [IPV6]:PORT, or :PORT for all addresses", address);
    return port_is_legal(*ret_port) ||
           err_set(err, ERR_CONFIG, "listen address %s: the port is a number from 0 to 65535",
                   address);
}

bool http_listen_check(const char *address, struct err *err)
{
    char host[256];
    const char *port;

    return read_address(host, &port, address, err);
}

bool listen_open(int *ret_fd, int *ret_port, const char *address, struct err *err)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    AUTO(auto_addrinfo) struct addrinfo *list = NULL;
    char host[256];
    const char *port;
    int fd, rc;

    if (!read_address(host, &port, address, err))
        return false;
    rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &list);
    if (rc != 0)
        return err_set(err, ERR_CONFIG, "listen address %s: %s", address, gai_strerror(rc));
    if (!bind_any(&fd, list, host[0] == '\0'))
        return err_set(
            err, ERR_CONFIG, "listen address %s: %s; %s", address, strerrordesc_np(errno),
            errno == EADDRINUSE ? "stop the program that holds the port, or choose another"
            : errno == EACCES   ? "choose a port above 1023, or run with the right to bind it"
                                : "choose an address of this machine");
    *ret_fd = fd;
    *ret_port = port_of(fd);
    return true;
}
