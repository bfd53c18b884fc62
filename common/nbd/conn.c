/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conn.c - see conn.h */
#include "nbd/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/stop.h"
#include "base/text.h"
#include "block/extent.h"
#include "nbd/handle.h"

#define CONTEXTS_MAX 8
#define REQUEST_MAX ((uint32_t)(32 * MIB)) /* what the protocol grants */
#define BLOCK_MIN_MAX ((uint32_t)(64 * KIB))
#define RETRY_FIRST_MS 1
#define RETRY_MAX_MS 20

DEFINE_CLEANUP(struct nbd_handle *, nbd_close);

/* Outcome of an attempt that may be made again: nobody is there yet. */
#define NOT_YET 1

bool nbd_uri_is(const char *text)
{
    static const char *const schemes[] = {"nbd://", "nbds://", "nbd+unix://",
                                          "nbds+unix://"};

    for (size_t i = 0; i < array_size(schemes); i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static int target_check(const struct nbd_target *t, struct error *err)
{
    struct sockaddr_un address;

    if (t->uri)
        return nbd_uri_is(t->uri)
                   ? 0
                   : error_set(err, ERR_INPUT, "'%s' is no NBD URI", t->uri);
    if (!t->socket_path == !t->host)
        return error_set(err, ERR_INPUT,
                         "an NBD server is named by a socket or by a host");
    if (t->socket_path && strlen(t->socket_path) >= sizeof(address.sun_path))
        return error_set(err, ERR_INPUT,
                         "the socket path '%s' is longer than %zu bytes",
                         t->socket_path, sizeof(address.sun_path) - 1);
    if (t->host && (t->port < 1 || t->port > 65535))
        return error_set(err, ERR_INPUT, "%d is no TCP port", t->port);
    return 0;
}

static char *target_name(const struct nbd_target *t)
{
    char *name = NULL;
    bool v6 = t->host && strchr(t->host, ':');

    if (t->uri)
        return text_dup_printf("'%s'", t->uri);
    if (t->socket_path
            ? asprintf(&name, "'%s'", t->socket_path) < 0
            : asprintf(&name, v6 ? "[%s]:%d" : "%s:%d", t->host, t->port) < 0)
        return NULL;
    return name;
}

/* Wait on the way in: for `fd`, at most until `deadline_ms` (monotonic). */
static int wait_for(int fd, short events, int64_t wait_ms, struct error *err)
{
    struct pollfd fds[] = {
        {.fd = fd, .events = events},
        {.fd = stop_fd(), .events = POLLIN},
    };

    if (stop_check(err) < 0)
        return -1;
    if (poll(fds, array_size(fds), (int)MAX_OF(wait_ms, 0)) < 0 &&
        errno != EINTR)
        return error_errno(err, errno, "poll");
    if (stop_check(err) < 0)
        return -1;
    return fds[0].revents;
}

/* Who listens behind `fd`?  Only a user that may read our disks. */
static int peer_check(const struct nbd_target *t, int fd, struct error *err)
{
    struct ucred who = {0};
    socklen_t len = sizeof(who);

    if (!t->check_peer)
        return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return error_errno(err, errno, "asking who listens on '%s'",
                           t->socket_path);
    if (who.uid == 0 || who.uid == t->peer_uid || who.uid == geteuid())
        return 0;
    return error_set(err, ERR_NBD,
                     "the server on '%s' belongs to user %u, not to %u",
                     t->socket_path, who.uid, t->peer_uid);
}

/* One attempt to reach a unix socket; `*ret` is the connected descriptor.
 * NOT_YET leaves the reason in errno.
 */
static int unix_connect(const struct nbd_target *t, int *ret, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -1;

    memcpy(address.sun_path, t->socket_path, strlen(t->socket_path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, errno, "socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int reason = errno;
        struct stat st;

        if (stat(t->socket_path, &st) == 0 && !S_ISSOCK(st.st_mode))
            return error_set(err, ERR_INPUT, "'%s' is no socket",
                             t->socket_path);
        errno = reason;
        /* EAGAIN: its queue is full. */
        if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN ||
            errno == EINTR)
            return NOT_YET;
        return error_errno(err, errno, "connecting to '%s'", t->socket_path);
    }
    if (peer_check(t, fd, err) < 0)
        return -1;
    *ret = take_fd(fd);
    return 0;
}

static int handle_configure(struct nbd_handle *h, const struct nbd_target *t,
                            const char *const *contexts)
{
    unsigned strict = nbd_get_strict_mode(h);
    int failed = 0;

    /* We see to alignment ourselves; only the end of a disk of odd size is
     * asked for unaligned, and that is for the server to decide.
     */
    failed |= nbd_set_strict_mode(h, strict & ~LIBNBD_STRICT_ALIGN);
    if (t->uri) /* what it names is the user's business */
        failed |= nbd_set_uri_allow_local_file(h, true);
    else
        failed |= nbd_set_export_name(h, t->export_name ? t->export_name : "");
    /* Bytes of a read that failed are never used. */
    failed |= nbd_set_pread_initialize(h, false);
    if (t->tls != NBD_TLS_OFF) {
        failed |= nbd_set_tls(h, LIBNBD_TLS_REQUIRE);
        if (t->tls_dir)
            failed |= nbd_set_tls_certificates(h, t->tls_dir);
    }
    for (size_t i = 0; contexts && contexts[i] && i < CONTEXTS_MAX; i++)
        failed |= nbd_add_meta_context(h, contexts[i]);
    return failed;
}

/* Handshakes with TLS, see nbd_tls_stop. */
static pthread_mutex_t tls_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t tls_done = PTHREAD_COND_INITIALIZER;
static unsigned tls_running; /* under the mutex */
static bool tls_stopped;     /* under the mutex */

static bool tls_enter(void)
{
    LOCK_SCOPE(&tls_mutex);
    tls_running += !tls_stopped;
    return !tls_stopped;
}

static void tls_leave(void)
{
    LOCK_SCOPE(&tls_mutex);
    tls_running--;
    pthread_cond_broadcast(&tls_done);
}

void nbd_tls_stop(void)
{
    LOCK_SCOPE(&tls_mutex);
    tls_stopped = true;
    while (tls_running > 0)
        pthread_cond_wait(&tls_done, &tls_mutex);
}

/* Drive the handshake to its end. */
static int handshake(struct nbd_handle *h, const char *name,
                     int64_t deadline_ms, struct error *err)
{
    while (nbd_aio_is_connecting(h)) {
        int64_t left = deadline_ms - clock_ms();
        int revents = 0;

        if (left <= 0)
            return error_set(err, ERR_TIMEOUT,
                             "connecting to %s: the server does not answer",
                             name);
        revents = wait_for(nbd_aio_get_fd(h), handle_events(h), left, err);
        if (revents < 0)
            return -1;
        if (handle_notify(h, (short)revents) < 0)
            return handle_error(err, "connecting to %s", name);
    }
    if (!nbd_aio_is_ready(h))
        return handle_error(err, "connecting to %s", name);
    return 0;
}

/* What libnbd's reasons mean for those who set up certificates.  Returns -1. */
static int tls_hint(const struct nbd_target *t, struct error *err)
{
    static const struct {
        const char *reason, *hint;
    } hints[] = {
        {"certificate verification",
         "its certificate has expired, is for another name, or is signed by "
         "another authority than ours"},
        {"The TLS connection was non-properly terminated",
         "it does not take our certificate, if there is one: that has "
         "expired, or is signed by another authority than its own"},
        {"server refused TLS", "it does not encrypt, so nothing is sent"},
        {"server requires TLS", "it takes encrypted connections only"},
    };
    bool tls = t->tls != NBD_TLS_OFF || t->uri;

    for (size_t i = 0; i < array_size(hints); i++)
        if (err->kind == ERR_NBD && strstr(error_text(err), hints[i].reason) &&
            (tls || i == array_size(hints) - 1))
            return error_append(err, "; %s", hints[i].hint);
    return -1;
}

/* One attempt.  NOT_YET leaves the reason in errno. */
static int attempt(const struct nbd_target *t, const char *name,
                   const char *const *contexts, int64_t deadline_ms,
                   struct nbd_handle **ret, struct error *err)
{
    _cleanup_(nbd_closep) struct nbd_handle *h = nbd_create();
    _cleanup_close_ int fd = -1;
    int failed = 0;

    if (!h || handle_configure(h, t, contexts) != 0)
        return handle_error(err, "preparing a connection to %s", name);
    if (t->uri) {
        failed = nbd_aio_connect_uri(h, t->uri);
    } else if (t->socket_path) {
        int outcome = unix_connect(t, &fd, err);

        if (outcome != 0)
            return outcome;
        failed = nbd_aio_connect_socket(h, take_fd(fd));
    } else {
        char port[16];

        snprintf(port, sizeof(port), "%d", t->port);
        failed = nbd_aio_connect_tcp(h, t->host, port);
    }
    if (failed)
        handle_error(err, "connecting to %s", name);
    else
        failed = handshake(h, name, deadline_ms, err);
    if (failed && t->host && err && err->kind == ERR_NBD &&
        err->code == ECONNREFUSED) {
        errno = ECONNREFUSED;
        return NOT_YET;
    }
    if (failed)
        return tls_hint(t, err);
    *ret = take(h);
    return 0;
}

/* The same; with TLS, unless nbd_tls_stop was called. */
static int attempt_if_allowed(const struct nbd_target *t, const char *name,
                              const char *const *contexts, int64_t deadline_ms,
                              struct nbd_handle **ret, struct error *err)
{
    int r;

    if (t->tls == NBD_TLS_OFF)
        return attempt(t, name, contexts, deadline_ms, ret, err);
    if (!tls_enter())
        return error_set(err, ERR_NBD, "connecting to %s: the server is ending",
                         name);
    r = attempt(t, name, contexts, deadline_ms, ret, err);
    tls_leave();
    return r;
}

/* Attempts until somebody is there or the deadline has passed. */
static int connect_patiently(const struct nbd_target *t, const char *name,
                             const char *const *contexts, int timeout_ms,
                             struct nbd_handle **ret, struct error *err)
{
    int64_t deadline = clock_ms() + timeout_ms;
    int64_t pause = RETRY_FIRST_MS;

    for (;;) {
        _cleanup_error_ struct error why = ERROR_INIT;
        int outcome =
            attempt_if_allowed(t, name, contexts, deadline, ret, &why);
        int reason = errno;

        if (outcome == 0)
            return 0;
        if (outcome < 0) {
            error_move(err, &why);
            return -1;
        }
        if (clock_ms() >= deadline)
            return error_set_code(
                err, ERR_TIMEOUT, reason, "connecting to %s: %s for %d ms",
                name, reason == ENOENT ? "no such socket" : "nobody listened",
                timeout_ms);
        if (wait_for(-1, 0, pause, err) < 0)
            return -1;
        pause = MIN_OF(pause * 2, RETRY_MAX_MS);
    }
}

/* What the server says about a limit; 0: nothing, or nothing sensible. */
static uint32_t limit_of(struct nbd_handle *h, int which)
{
    int64_t limit = nbd_get_block_size(h, which);

    return limit > 0 && limit <= UINT32_MAX ? (uint32_t)limit : 0;
}

static int learn(struct nbd_conn *conn, struct error *err)
{
    struct nbd_handle *h = conn->handle;
    uint32_t min = conn->ours ? 1 : limit_of(h, LIBNBD_SIZE_MINIMUM);
    uint32_t max = limit_of(h, LIBNBD_SIZE_MAXIMUM);
    int64_t size = nbd_get_size(h);

    if (size < 0)
        return handle_error(err, "asking %s for its size", conn->name);
    if ((uint64_t)size > EXTENT_END_MAX)
        return error_set(err, ERR_NBD,
                         "%s: an export of %" PRId64 " bytes is too large",
                         conn->name, size);
    if (min == 0)
        min = 1;
    if (min > BLOCK_MIN_MAX || (min & (min - 1)))
        return error_set(err, ERR_NBD,
                         "%s: the server's smallest block, %u bytes, is not "
                         "a power of two up to 65536",
                         conn->name, min);
    if (max == 0 || max > REQUEST_MAX)
        max = REQUEST_MAX;
    max -= max % min;
    if (max == 0)
        return error_set(err, ERR_NBD,
                         "%s: the server's longest request is shorter than "
                         "its smallest block, %u bytes",
                         conn->name, min);
    conn->size = (uint64_t)size;
    conn->block_min = min;
    conn->request_max = max;
    conn->can_df = nbd_can_df(h) == 1;
    return 0;
}

int nbd_conn_open(const struct nbd_target *target, const char *const *contexts,
                  int timeout_ms, struct nbd_conn **ret, struct error *err)
{
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;

    if (target_check(target, err) < 0)
        return -1;
    conn = calloc(1, sizeof(*conn));
    if (!conn)
        return error_memory(err);
    conn->ours = target->ours;
    conn->name = target_name(target);
    if (!conn->name)
        return error_memory(err);
    if (connect_patiently(target, conn->name, contexts, timeout_ms,
                          &conn->handle, err) < 0)
        return -1;
    if (learn(conn, err) < 0)
        return -1;
    *ret = take(conn);
    return 0;
}

uint64_t nbd_conn_size(const struct nbd_conn *conn)
{
    return conn->size;
}

bool nbd_conn_has_context(const struct nbd_conn *conn, const char *name)
{
    return conn->handle && nbd_can_meta_context(conn->handle, name) == 1;
}

bool nbd_conn_can_multi(const struct nbd_conn *conn)
{
    return conn->handle &&
           (conn->ours || nbd_can_multi_conn(conn->handle) == 1);
}

bool nbd_conn_is_read_only(const struct nbd_conn *conn)
{
    return !conn->handle || nbd_is_read_only(conn->handle) != 0;
}

bool nbd_conn_can_flush(const struct nbd_conn *conn)
{
    return conn->handle && nbd_can_flush(conn->handle) == 1;
}

uint32_t nbd_conn_block_min(const struct nbd_conn *conn)
{
    return conn->block_min;
}

uint32_t nbd_conn_request_max(const struct nbd_conn *conn)
{
    return conn->request_max;
}

void nbd_conn_close(struct nbd_conn *conn)
{
    if (!conn)
        return;
    /* A goodbye is one small packet: sent at once or not at all. */
    if (conn->handle && conn->owed == 0 && nbd_aio_is_ready(conn->handle) == 1)
        (void)!nbd_aio_disconnect(conn->handle, 0);
    handle_break(conn);
    free(conn->name);
    free(conn);
}
