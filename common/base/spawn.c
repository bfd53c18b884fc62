/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spawn.c - see spawn.h; what goes in and out of a child
 *
 * stderr goes to an unnamed file in memory: it never blocks the child, needs
 * nobody who reads along, and is all there when the child has ended.  stdin and
 * stdout are pipes, moved by spawn_run while it waits.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/child.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/vec.h"

#define STDERR_KEEP (64 * KIB)
#define PIPE_ROOM (64 * KIB)

static int make_pipe(int *ret_read, int *ret_write, struct error *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "creating a pipe");
    *ret_read = fds[0];
    *ret_write = fds[1];
    return 0;
}

static int open_null(int flags, struct error *err)
{
    int fd = open("/dev/null", flags | O_CLOEXEC);

    return fd < 0 ? error_errno(err, errno, "opening '/dev/null'") : fd;
}

/* The file for its stderr.  Append, so that our reading moves nothing. */
static int open_stderr_file(struct error *err)
{
    _cleanup_close_ int fd = -1;

    fd = memfd_create("stderr", MFD_CLOEXEC);
    if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0)
        return error_errno(err, errno, "creating a file in memory");
    return take_fd(fd);
}

static int copy_fd(int fd, struct error *err)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return copy < 0 ? error_errno(err, errno, "copying a descriptor") : copy;
}

/* Its stdin: what was asked for, a pipe for the input, or nothing. */
static int open_stdin(const struct spawn_request *req, struct child *c,
                      int *ret, struct error *err)
{
    if (req->input)
        return make_pipe(ret, &c->in_fd, err);
    *ret = req->stdin_fd > 0 ? copy_fd(req->stdin_fd, err)
                             : open_null(O_RDONLY, err);
    return *ret < 0 ? -1 : 0;
}

static int open_stdout(const struct spawn_request *req, bool capture,
                       struct child *c, int *ret, struct error *err)
{
    if (capture)
        return make_pipe(&c->out_fd, ret, err);
    *ret = req->stdout_fd > 0 ? copy_fd(req->stdout_fd, err)
                              : open_null(O_WRONLY, err);
    return *ret < 0 ? -1 : 0;
}

/* Start it; with `capture` its stdout is a pipe. */
static struct child *start(const struct spawn_request *req, bool capture,
                           struct error *err)
{
    _cleanup_(child_freep) struct child *c = child_new(req->argv[0], err);
    _cleanup_close_ int in_fd = -1;
    _cleanup_close_ int out_fd = -1;

    if (!c)
        return NULL;
    if (open_stdin(req, c, &in_fd, err) < 0 ||
        open_stdout(req, capture, c, &out_fd, err) < 0)
        return NULL;
    c->err_fd = req->stderr_fd > 0 ? copy_fd(req->stderr_fd, err)
                                   : open_stderr_file(err);
    if (c->err_fd < 0)
        return NULL;
    if (child_launch(c, req, in_fd, out_fd, err) < 0)
        return NULL;
    return take(c);
}

/* What spawn_run moves through the pipes. */
struct pump {
    const char *input;
    size_t input_len;
    size_t output_max;
    VEC(char) out;
};

static void pump_done(struct pump *p)
{
    vec_free(&p->out);
}

/* Give the child more of its input; close it when all is there or the child
 * does not want it.
 */
static void pump_in(struct child *c, struct pump *p)
{
    ssize_t n = 0;

    if (p->input_len > 0)
        n = write(c->in_fd, p->input, p->input_len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        p->input += n;
        p->input_len -= (size_t)n;
    }
    if (n < 0 || p->input_len == 0)
        closep(&c->in_fd);
}

/* Take what there is of its output. */
static int pump_out(struct child *c, struct pump *p, struct error *err)
{
    for (;;) {
        ssize_t n;

        if (vec_reserve(&p->out, PIPE_ROOM) < 0)
            return error_memory(err);
        n = read(c->out_fd, p->out.items + p->out.count, PIPE_ROOM);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0)
            return error_errno(err, errno, "reading the output of '%s'",
                               c->name);
        if (n == 0) {
            closep(&c->out_fd);
            return 0;
        }
        p->out.count += (size_t)n;
        if (p->out.count > p->output_max)
            return error_set(err, ERR_CHILD,
                             "'%s' wrote more than %llu MiB of output", c->name,
                             p->output_max / MIB);
    }
}

/* Move data until it has ended.  What it wrote is then in the pipe, and is
 * taken without waiting for others that still hold the pipe open.
 */
static int pump_run(struct child *c, struct pump *p, int timeout_ms,
                    struct error *err)
{
    int64_t deadline = deadline_after(timeout_ms);

    for (;;) {
        struct pollfd fds[4] = {{c->pid_fd, POLLIN, 0},
                                {c->in_fd, POLLOUT, 0},
                                {c->out_fd, POLLIN, 0},
                                {stop_fd(), POLLIN, 0}};
        int n = poll(fds, array_size(fds), deadline_rest(deadline));

        if (stop_check(err) < 0)
            return error_prefix(err, "running '%s'", c->name);
        if (n < 0)
            continue;
        if (n == 0 && timeout_ms >= 0)
            return error_set(err, ERR_TIMEOUT, "'%s' did not end within %d ms",
                             c->name, timeout_ms);
        if (c->in_fd >= 0 && fds[1].revents)
            pump_in(c, p);
        if (c->out_fd >= 0 && (fds[2].revents || fds[0].revents) &&
            pump_out(c, p, err) < 0)
            return -1;
        if (fds[0].revents)
            break;
    }
    child_reap(c, true);
    return 0;
}

static void no_wait(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
}

int spawn_run(const struct spawn_request *req, int timeout_ms, char **ret_out,
              char **ret_err, struct error *err)
{
    _cleanup_(child_freep) struct child *c = NULL;
    _cleanup_(pump_done) struct pump p = {
        .input = req->input,
        .input_len = req->input_len,
        .output_max = req->output_max ? req->output_max : SPAWN_OUTPUT_MAX,
    };
    _cleanup_free_ char *tail = NULL;

    c = start(req, ret_out != NULL, err);
    if (!c)
        return -1;
    no_wait(c->in_fd);
    no_wait(c->out_fd);
    if (pump_run(c, &p, timeout_ms, err) < 0) {
        child_kill(c);
        return -1;
    }
    if (child_verdict(c, err) < 0)
        return -1;
    if (ret_out && vec_push(&p.out, '\0') < 0)
        return error_memory(err);
    if (ret_err) {
        tail = child_stderr_tail(c, STDERR_KEEP);
        if (!tail)
            return error_memory(err);
        *ret_err = take(tail);
    }
    if (ret_out)
        *ret_out = take(p.out.items);
    return 0;
}

int spawn_start(const struct spawn_request *req, struct child **ret,
                struct error *err)
{
    _cleanup_(child_freep) struct child *c = NULL;

    if (req->input && req->input_len > PIPE_ROOM)
        return error_set(err, ERR_INPUT, "starting '%s': too much input",
                         req->argv[0]);
    c = start(req, false, err);
    if (!c)
        return -1;
    if (c->in_fd >= 0) {
        /* It fits, so this does not wait; that it is not wanted is fine. */
        no_wait(c->in_fd);
        if (file_write_full(c->in_fd, req->input, req->input_len) < 0 &&
            errno != EPIPE)
            return error_errno(err, errno, "writing to '%s'", c->name);
        closep(&c->in_fd);
    }
    *ret = take(c);
    return 0;
}
