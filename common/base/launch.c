/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* launch.c - from us to another program: fork, descriptors, signals, exec
 *
 * See spawn.h for what a child gets.  Between fork and exec only calls that are
 * async-signal-safe, since other threads may hold any lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/vec.h"

extern char **environ;

/* What the new process needs to become the program.  Everything that takes
 * memory is done before the fork, since other threads may hold malloc's lock.
 */
struct launch {
    const struct spawn_request *req;
    VEC(char *) env;
    char listen_pid[32]; /* "LISTEN_PID=", then digits put in by the child */
    pid_t parent;
    int in_fd;
    int out_fd;
    int err_fd;
    int sandbox_fd; /* -1: none */
    int status_fd;  /* gets the errno of a failed exec; closed by a good one */
};

static void launch_done(struct launch *l)
{
    vec_free(&l->env);
    closep(&l->sandbox_fd);
}

/* Have `a` and `b` ("NAME=value") the same name? */
static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

static bool replaced(const char *variable, const char *const *add)
{
    if (same_name(variable, "LC_ALL") || same_name(variable, "LISTEN_PID") ||
        same_name(variable, "LISTEN_FDS") ||
        same_name(variable, "LISTEN_FDNAMES"))
        return true;
    for (; add && *add; add++) {
        if (same_name(variable, *add))
            return true;
    }
    return false;
}

static int build_env(struct launch *l, struct error *err)
{
    static char lc_all[] = "LC_ALL=C";
    static char listen_fds[] = "LISTEN_FDS=1";
    int r = 0;

    for (char **e = environ; e && *e; e++) {
        if (!replaced(*e, l->req->env_add))
            r |= vec_push(&l->env, *e);
    }
    r |= vec_push(&l->env, lc_all);
    for (const char *const *e = l->req->env_add; e && *e; e++)
        r |= vec_push(&l->env, (char *)*e);
    if (l->req->pass_fd > 0) {
        strcpy(l->listen_pid, "LISTEN_PID=");
        r |= vec_push(&l->env, listen_fds);
        r |= vec_push(&l->env, l->listen_pid);
    }
    r |= vec_push(&l->env, NULL);
    return r < 0 ? error_memory(err) : 0;
}

/* In the child, only async-signal-safe calls. */

static void put_decimal(char *out, pid_t value)
{
    char digits[16];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0)
        *out++ = digits[--n];
    *out = '\0';
}

static void default_signals(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        sigaction(s, &act, NULL); /* fails for SIGKILL and such: fine */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Put the descriptors to 0 to 3 and mark all others close-on-exec. */
static int place_descriptors(struct launch *l)
{
    int from[4] = {l->in_fd, l->out_fd, l->err_fd, l->req->pass_fd};
    int count = l->req->pass_fd > 0 ? 4 : 3;

    /* First out of the way, since a source may be another one's place. */
    for (int i = 0; i < count; i++) {
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
        if (from[i] < 0)
            return -1;
    }
    l->status_fd = fcntl(l->status_fd, F_DUPFD_CLOEXEC, 10);
    if (l->status_fd < 0)
        return -1;
    for (int i = 0; i < count; i++) {
        if (dup2(from[i], i) < 0)
            return -1;
    }
    return close_range((unsigned)count, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int become(struct launch *l)
{
    if (setpgid(0, 0) < 0)
        return -1;
    if (l->sandbox_fd >= 0)
        (void)!sandbox_restrict(l->sandbox_fd);
    if (l->req->die_with_us) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
            return -1;
        if (getppid() != l->parent) /* too late to be told */
            _exit(127);
    }
    if (place_descriptors(l) < 0)
        return -1;
    if (l->req->pass_fd > 0)
        put_decimal(l->listen_pid + strlen("LISTEN_PID="), getpid());
    default_signals();
    return execvpe(l->req->argv[0], (char *const *)l->req->argv, l->env.items);
}

static void run_child(struct launch *l)
{
    int status_fd = l->status_fd;

    if (become(l) < 0) {
        int reason = errno;
        ssize_t n = write(l->status_fd >= 0 ? l->status_fd : status_fd, &reason,
                          sizeof(reason));

        (void)n;
    }
    _exit(127);
}

/* In the parent again. */

/* Fork with all signals blocked, so that no handler of ours runs in the child.
 */
static pid_t fork_quietly(struct launch *l)
{
    sigset_t all;
    sigset_t old;
    pid_t pid;
    int saved;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid = fork();
    saved = errno;
    if (pid == 0)
        run_child(l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return pid;
}

/* A program that is not confined is better than none: it is one that we trust,
 * for who made what it reads.
 */
static void prepare_sandbox(struct launch *l)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (l->req->writes && sandbox_prepare(SANDBOX_WRITER, l->req->writes,
                                          &l->sandbox_fd, &err) < 0)
        log_debug("'%s' is not confined: %s", l->req->argv[0],
                  error_text(&err));
}

/* Fork; wait until the program runs, or why it does not. */
int child_launch(struct child *c, const struct spawn_request *req, int in_fd,
                 int out_fd, struct error *err)
{
    _cleanup_(launch_done) struct launch l = {
        .req = req,
        .in_fd = in_fd,
        .out_fd = out_fd,
        .err_fd = c->err_fd,
        .sandbox_fd = -1,
    };
    _cleanup_close_ int status_read = -1;
    _cleanup_close_ int status_write = -1;
    int reason = 0;
    ssize_t n;
    int fds[2];

    if (build_env(&l, err) < 0)
        return -1;
    prepare_sandbox(&l);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "creating a pipe");
    status_read = fds[0];
    status_write = fds[1];
    l.status_fd = status_write;
    l.parent = getpid();
    c->pid = fork_quietly(&l);
    if (c->pid < 0)
        return error_errno(err, errno, "starting '%s'", c->name);
    c->pid_fd = pidfd_open(c->pid, 0);
    if (c->pid_fd < 0)
        return error_errno(err, errno, "watching '%s'", c->name);
    closep(&status_write);
    n = file_read_full(status_read, &reason, sizeof(reason));
    if (n == 0)
        return 0;
    child_reap(c, true);
    return error_errno(err, n == (ssize_t)sizeof(reason) ? reason : EIO,
                       "running '%s'", c->name);
}
