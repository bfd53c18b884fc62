/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* child.c - see spawn.h; what becomes of a child after its start */
#include "base/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/stop.h"

#define KILL_GRACE_MS 2000

/* Even SIGKILL does not end a process whose file server is gone. */
#define KILL_WAIT_MS 5000

struct child *child_new(const char *name, struct error *err)
{
    struct child *c = calloc(1, sizeof(*c));

    if (c)
        c->name = strdup(name);
    if (!c || !c->name) {
        free(c);
        error_memory(err);
        return NULL;
    }
    c->pid_fd = c->in_fd = c->out_fd = c->err_fd = -1;
    return c;
}

void child_reap(struct child *c, bool hang)
{
    pid_t r;

    if (c->reaped || c->pid <= 0)
        return;
    do
        r = waitpid(c->pid, &c->status, hang ? 0 : WNOHANG);
    while (r < 0 && errno == EINTR);
    if (r < 0) { /* somebody else collected it: we shall never know */
        c->status = 0xff00;
        c->reaped = true;
    }
    if (r > 0)
        c->reaped = true;
}

char *child_stderr_tail(const struct child *c, size_t max)
{
    struct stat st;
    uint64_t size = 0;
    uint64_t from;
    char *text;
    ssize_t n;

    if (fstat(c->err_fd, &st) == 0 && st.st_size > 0)
        size = (uint64_t)st.st_size;
    from = size > max ? size - max : 0;
    text = malloc((size_t)(size - from) + 1);
    if (!text)
        return NULL;
    n = file_pread_full(c->err_fd, text, (size_t)(size - from), from);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

char *child_last_line(const struct child *c)
{
    _cleanup_free_ char *tail = child_stderr_tail(c, 4 * KIB);
    size_t length;
    char *begin;

    if (!tail)
        return NULL;
    length = strlen(tail);
    while (length > 0 && strchr("\r\n \t", tail[length - 1]))
        tail[--length] = '\0';
    begin = strrchr(tail, '\n');
    return strdup(begin ? begin + 1 : tail);
}

int child_verdict(const struct child *c, struct error *err)
{
    _cleanup_free_ char *line = NULL;
    bool said;

    if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0)
        return 0;
    line = child_last_line(c);
    said = line && line[0];
    if (WIFSIGNALED(c->status)) {
        int signo = WTERMSIG(c->status);
        const char *name = sigabbrev_np(signo);

        return error_set_code(
            err, ERR_CHILD, 128 + signo, "'%s' was killed by SIG%s%s%s",
            c->name, name ? name : "?", said ? ": " : "", said ? line : "");
    }
    return error_set_code(err, ERR_CHILD, WEXITSTATUS(c->status),
                          "'%s' failed with status %d%s%s", c->name,
                          WEXITSTATUS(c->status), said ? ": " : "",
                          said ? line : "");
}

int64_t deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
}

int deadline_rest(int64_t deadline)
{
    int64_t rest;

    if (deadline < 0)
        return -1;
    rest = deadline - clock_ms();
    return rest > 0 ? (int)MIN_OF(rest, INT32_MAX) : 0;
}

pid_t child_pid(const struct child *c)
{
    return c->pid;
}

int child_fd(const struct child *c)
{
    return c->pid_fd;
}

bool child_running(struct child *c)
{
    child_reap(c, false);
    return !c->reaped;
}

int child_wait(struct child *c, int timeout_ms, struct error *err)
{
    if (child_running(c)) {
        switch (stop_wait(c->pid_fd, timeout_ms)) {
        case STOP_NOW:
            if (stop_check(err) < 0)
                return error_prefix(err, "waiting for '%s'", c->name);
            break;
        case STOP_TIMEOUT:
            return error_set(err, ERR_TIMEOUT, "'%s' did not end within %d ms",
                             c->name, timeout_ms);
        case STOP_READY:
            break;
        }
        child_reap(c, true);
    }
    return child_verdict(c, err);
}

/* Signal it and what it started. */
static void signal_group(const struct child *c, int signo)
{
    if (kill(-c->pid, signo) < 0)
        kill(c->pid, signo);
}

/* Wait for its end whatever the user wants.  Did it come? */
static bool wait_end(struct child *c, int timeout_ms)
{
    int64_t deadline = deadline_after(timeout_ms);
    struct pollfd p = {c->pid_fd, POLLIN, 0};
    int n;

    do
        n = poll(&p, 1, deadline_rest(deadline));
    while (n < 0 && errno == EINTR);
    if (n > 0)
        child_reap(c, true);
    return n > 0;
}

int child_stop(struct child *c, int grace_ms, struct error *err)
{
    if (!child_running(c))
        return child_verdict(c, err);
    signal_group(c, SIGTERM);
    if (!wait_end(c, grace_ms)) {
        signal_group(c, SIGKILL);
        wait_end(c, KILL_WAIT_MS);
        return error_set(err, ERR_TIMEOUT,
                         "'%s' did not end within %d ms and was killed",
                         c->name, grace_ms);
    }
    if (WIFSIGNALED(c->status) && WTERMSIG(c->status) == SIGTERM)
        return 0;
    return child_verdict(c, err);
}

void child_kill(struct child *c)
{
    int r;

    if (c->pid <= 0 || !child_running(c))
        return;
    r = child_stop(c, KILL_GRACE_MS, NULL);
    (void)r;
}

void child_free(struct child *c)
{
    if (!c)
        return;
    if (c->pid_fd >= 0)
        child_kill(c);
    else if (c->pid > 0) { /* started, but never watched */
        kill(c->pid, SIGKILL);
        child_reap(c, true);
    }
    closep(&c->pid_fd);
    closep(&c->in_fd);
    closep(&c->out_fd);
    closep(&c->err_fd);
    free(c->name);
    free(c);
}
