/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listen.c - see listen.h */
#include "host/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/stop.h"

#define CLIENTS_MAX 64

static const struct sockaddr *
generic_address(const struct listen_address *address)
{
    return (const struct sockaddr *)&address->storage;
}

int listen_unix(const char *path, struct listen_address *ret, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(err, ERR_INPUT,
                         "the socket name '%s' is too long (at most %zu bytes)",
                         path, sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, path);
    *ret = (struct listen_address){.length = sizeof(address)};
    memcpy(&ret->storage, &address, sizeof(address));
    return 0;
}

int listen_tcp(const char *host, uint16_t port, struct listen_address *ret,
               struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char service[8];
    int r;

    snprintf(service, sizeof(service), "%u", (unsigned)port);
    r = getaddrinfo(host, service, &hints, &list);
    if (r != 0 || !list)
        return error_set(err, ERR_INPUT, "there is no address '%s': %s", host,
                         gai_strerror(r));
    *ret = (struct listen_address){.length = list->ai_addrlen};
    memcpy(&ret->storage, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return 0;
}

void listen_text(const struct listen_address *address, char *ret_text)
{
    if (getnameinfo((const struct sockaddr *)&address->storage, address->length,
                    ret_text, LISTEN_TEXT_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
        ret_text[0] = '\0';
}

bool listen_is_local(const struct listen_address *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;

    switch (address->storage.ss_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        memcpy(&four, &address->storage, sizeof(four));
        return ntohl(four.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        memcpy(&six, &address->storage, sizeof(six));
        return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
    default:
        return false;
    }
}

uint16_t listen_port(const struct listen_address *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;

    switch (address->storage.ss_family) {
    case AF_INET:
        memcpy(&four, &address->storage, sizeof(four));
        return ntohs(four.sin_port);
    case AF_INET6:
        memcpy(&six, &address->storage, sizeof(six));
        return ntohs(six.sin6_port);
    default:
        return 0;
    }
}

/* The name for messages, good until the next call. */
static const char *name_of(const struct listen_address *address)
{
    static _Thread_local char text[NI_MAXHOST + 16];
    struct sockaddr_un un;
    char host[NI_MAXHOST];

    if (address->storage.ss_family == AF_UNIX) {
        memcpy(&un, &address->storage, sizeof(un));
        snprintf(text, sizeof(text), "%s", un.sun_path);
    } else {
        if (getnameinfo(generic_address(address), address->length, host,
                        sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
            strcpy(host, "?");
        snprintf(text, sizeof(text), "%s port %u", host,
                 (unsigned)listen_port(address));
    }
    return text;
}

static int bind_to(int fd, const struct listen_address *address,
                   struct error *err)
{
    if (bind(fd, generic_address(address), address->length) == 0)
        return 0;
    if (errno == EADDRINUSE && address->storage.ss_family == AF_UNIX)
        return error_set(err, ERR_EXISTS, "the socket '%s' is already there",
                         name_of(address));
    if (errno == EADDRINUSE)
        return error_set(err, ERR_BUSY, "'%s' is in use; choose another port",
                         name_of(address));
    return error_errno(err, errno, "make the socket '%s'", name_of(address));
}

/* What can be said only before it has its name. */
static int prepare(int fd, int family, struct error *err)
{
    const int yes = 1;

    if (family == AF_UNIX) {
        if (fchmod(fd, 0600) < 0)
            return error_errno(err, errno, "set the mode of a socket");
        return 0;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        (family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0))
        return error_errno(err, errno, "set up a socket");
    return 0;
}

int listen_on(struct listen_address *address, int *ret_fd, struct error *err)
{
    int family = address->storage.ss_family;
    _cleanup_close_ int fd = -1;

    fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, errno, "make a socket");
    if (prepare(fd, family, err) < 0 || bind_to(fd, address, err) < 0)
        return -1;
    if (listen(fd, CLIENTS_MAX) < 0 ||
        (family != AF_UNIX &&
         getsockname(fd, (struct sockaddr *)&address->storage,
                     &address->length) < 0)) {
        error_errno(err, errno, "listen on '%s'", name_of(address));
        if (family == AF_UNIX)
            unlink(name_of(address));
        return -1;
    }
    *ret_fd = take_fd(fd);
    return 0;
}

/* Read exactly `length` bytes.  Outcome 1: done; 0: the other side is gone. */
static int hear(int fd, const char *program, int timeout_ms, void *buffer,
                size_t length, struct error *err)
{
    size_t got = 0;

    while (got < length) {
        ssize_t n;

        switch (stop_wait(fd, timeout_ms)) {
        case STOP_NOW:
            return stop_check(err);
        case STOP_TIMEOUT:
            return error_set(err, ERR_TIMEOUT, "%s does not answer within %d s",
                             program, timeout_ms / 1000);
        case STOP_READY:
            break;
        }
        n = recv(fd, (char *)buffer + got, length - got, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return 0;
        got += (size_t)n;
    }
    return 1;
}

/* Hear the greeting, and say that we want nothing. */
static int talk(int fd, const char *program, int timeout_ms, struct error *err)
{
    static const char expected[16] = {'N', 'B', 'D', 'M', 'A', 'G', 'I', 'C',
                                      'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T'};
    /* client flags; then magic, NBD_OPT_ABORT and no data */
    static const char abort_option[20] = {0,   0,   0,   1,   'I', 'H', 'A',
                                          'V', 'E', 'O', 'P', 'T', 0,   0,
                                          0,   2,   0,   0,   0,   0};
    char greeting[18];
    char reply[20];
    int r = hear(fd, program, timeout_ms, greeting, sizeof(greeting), err);

    if (r <= 0)
        return r;
    if (memcmp(greeting, expected, sizeof(expected)) != 0)
        return error_set(err, ERR_CHILD, "%s does not speak NBD", program);
    if (send(fd, abort_option, sizeof(abort_option), MSG_NOSIGNAL) < 0)
        return 0;
    r = hear(fd, program, timeout_ms, reply, sizeof(reply), err);
    return r < 0 ? -1 : 1;
}

int listen_greet(const struct listen_address *address, const char *program,
                 int timeout_ms, struct error *err)
{
    _cleanup_close_ int fd = -1;

    fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, errno, "make a socket");
    /* Does not wait: the connection is made by the kernel's queue.  If it is
     * refused, the server has ended already.
     */
    if (connect(fd, generic_address(address), address->length) == 0)
        return talk(fd, program, timeout_ms, err);
    if (errno == ECONNREFUSED)
        return 0;
    return error_errno(err, errno, "connect to '%s'", name_of(address));
}
