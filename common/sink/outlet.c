/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outlet.c - see outlet.h */
#include "sink/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/stop.h"

/* A file takes so much at a time; then base/stop is looked at. */
#define STORAGE_PART (1 * MIB)

/* How often to look whether the reader has taken the rest: nothing tells. */
#define SETTLE_MS 5

static enum outlet_kind kind_of(mode_t mode)
{
    if (S_ISFIFO(mode))
        return OUTLET_PIPE;
    if (S_ISSOCK(mode))
        return OUTLET_SOCKET;
    return S_ISREG(mode) || S_ISBLK(mode) ? OUTLET_STORAGE : OUTLET_OTHER;
}

int outlet_open(int fd, struct outlet *ret, struct error *err)
{
    struct stat st = {0};
    int flags = fcntl(fd, F_GETFL);
    int copy = -1;

    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return error_set(err, ERR_USAGE,
                         "stdout is not open for writing: redirect it into a "
                         "file or a pipe");
    if (isatty(fd))
        return error_set(err, ERR_USAGE,
                         "stdout is a terminal, which cannot take an archive: "
                         "redirect it into a file or a pipe");
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "cannot look at stdout");
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return error_errno(err, errno, "cannot duplicate stdout");
    *ret = (struct outlet){copy, kind_of(st.st_mode)};
    return 0;
}

void outlet_close(struct outlet *outlet)
{
    closep(&outlet->fd);
}

static int gone(struct error *err)
{
    return error_set_code(err, ERR_SYSTEM, EPIPE,
                          "cannot write the archive: the reader of the archive "
                          "has gone");
}

static int write_error(struct error *err, int errnum)
{
    if (errnum == EPIPE || errnum == ECONNRESET)
        return gone(err);
    error_errno(err, errnum, "cannot write the archive");
    switch (errnum) {
    case ENOSPC:
        return error_append(err, "; free some space where it is written to");
    case EDQUOT:
        return error_append(err, "; the quota of this user is used up");
    case EFBIG:
        return error_append(err, "; the file system or the limit for the size "
                                 "of files (ulimit -f) does not allow a file "
                                 "this large");
    default:
        return -1;
    }
}

/* Wait until the descriptor takes something. */
static int wait_for_room(const struct outlet *outlet, struct error *err)
{
    struct pollfd p[2] = {{stop_fd(), POLLIN, 0}, {outlet->fd, POLLOUT, 0}};

    while (poll(p, array_size(p), -1) < 0) {
        if (errno != EINTR)
            return error_errno(err, errno,
                               "cannot wait for the reader of the "
                               "archive");
        if (stop_check(err) < 0)
            return -1;
    }
    return stop_check(err);
}

/* One write that does not wait: a pipe with room has room for PIPE_BUF bytes.
 */
static ssize_t write_some(const struct outlet *outlet, const void *bytes,
                          size_t length)
{
    switch (outlet->kind) {
    case OUTLET_SOCKET:
        return send(outlet->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    case OUTLET_STORAGE:
        return write(outlet->fd, bytes, MIN_OF(length, STORAGE_PART));
    case OUTLET_PIPE:
    case OUTLET_OTHER:
        break;
    }
    return write(outlet->fd, bytes, MIN_OF(length, PIPE_BUF));
}

int outlet_write(struct outlet *outlet, const void *bytes, size_t length,
                 struct error *err)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t n;

        if (wait_for_room(outlet, err) < 0)
            return -1;
        n = write_some(outlet, at, length);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return write_error(err, n < 0 ? errno : ENOSPC);
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Bytes that the reader has not taken; 0 where nobody can tell. */
static int not_taken(const struct outlet *outlet)
{
    int bytes = 0;

    if (ioctl(outlet->fd, outlet->kind == OUTLET_PIPE ? FIONREAD : SIOCOUTQ,
              &bytes) < 0)
        return 0;
    return bytes;
}

static bool reader_is_gone(const struct outlet *outlet)
{
    struct pollfd p = {outlet->fd, 0, 0};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP));
}

/* A peer that closes drops what it has not read, and says so. */
static int check_socket(const struct outlet *outlet, struct error *err)
{
    int reason = 0;
    socklen_t size = sizeof(reason);

    if (getsockopt(outlet->fd, SOL_SOCKET, SO_ERROR, &reason, &size) < 0)
        reason = errno;
    return reason ? write_error(err, reason) : 0;
}

static int wait_for_reader(const struct outlet *outlet, struct error *err)
{
    while (not_taken(outlet) > 0) {
        if (reader_is_gone(outlet) && not_taken(outlet) > 0)
            return gone(err);
        if (stop_wait(-1, SETTLE_MS) == STOP_NOW)
            return stop_check(err);
    }
    return outlet->kind == OUTLET_SOCKET ? check_socket(outlet, err) : 0;
}

int outlet_settle(struct outlet *outlet, struct error *err)
{
    switch (outlet->kind) {
    case OUTLET_PIPE:
    case OUTLET_SOCKET:
        return wait_for_reader(outlet, err);
    case OUTLET_STORAGE:
        if (file_sync(outlet->fd, "stdout", err) < 0)
            return error_prefix(err, "cannot write the archive");
        return 0;
    case OUTLET_OTHER:
        break;
    }
    return 0;
}
