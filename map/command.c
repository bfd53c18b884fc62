/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* command.c - see command.h */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

#define END_GRACE_MS 10000

extern char **environ;

/* The keyboard's. */
static const int keys[] = {SIGINT, SIGQUIT};

struct command {
    pid_t pid;
    int pid_fd;
    struct sigaction old[array_size(keys)];
};

/* Our environment, without what begins with `prefix`, and `variables`. */
static int build_env(const struct words *variables, const char *prefix,
                     struct words *ret, struct error *err)
{
    for (char **e = environ; e && *e; e++)
        if (strncmp(*e, prefix, strlen(prefix)) != 0)
            words_add(ret, "%s", *e);
    for (size_t i = 0; i < variables->count; i++)
        words_add(ret, "%s", variables->items[i]);
    return words_end(ret, err);
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

/* In the child: only async-signal-safe calls. */
static void become(char *const *argv, char *const *env, pid_t parent,
                   int status_fd)
{
    int reason;
    ssize_t n;

    default_signals();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execvpe(argv[0], argv, env);
    reason = errno;
    n = write(status_fd, &reason, sizeof(reason));
    (void)n;
    _exit(127);
}

/* With all signals blocked, so that no handler of ours runs in the child. */
static pid_t fork_quietly(char *const *argv, char *const *env, int status_fd)
{
    pid_t parent = getpid();
    sigset_t all;
    sigset_t old;
    pid_t pid;
    int saved;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid = fork();
    saved = errno;
    if (pid == 0)
        become(argv, env, parent, status_fd);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return pid;
}

static void leave_keys(struct command *c)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    for (size_t i = 0; i < array_size(keys); i++)
        sigaction(keys[i], &ignore, &c->old[i]);
}

static void take_keys(const struct command *c)
{
    for (size_t i = 0; i < array_size(keys); i++)
        sigaction(keys[i], &c->old[i], NULL);
}

/* Returns 0 when the program runs, or the errno that tells why it does not. */
static int launch(struct command *c, char *const *argv, char *const *env)
{
    _cleanup_close_ int status_read = -1;
    _cleanup_close_ int status_write = -1;
    int reason = 0;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return errno;
    status_read = fds[0];
    status_write = fds[1];
    c->pid = fork_quietly(argv, env, status_write);
    if (c->pid < 0)
        return errno;
    closep(&status_write);
    c->pid_fd = pidfd_open(c->pid, 0);
    if (c->pid_fd < 0)
        return errno;
    if (file_read_full(status_read, &reason, sizeof(reason)) == 0)
        return 0;
    return reason ? reason : EIO;
}

int command_start(char *const *argv, const struct words *variables,
                  const char *prefix, struct command **ret, struct error *err)
{
    _cleanup_words_ struct words env = WORDS_INIT;
    struct command *c = NULL;
    int reason;

    if (build_env(variables, prefix, &env, err) < 0)
        return -1;
    c = calloc(1, sizeof(*c));
    if (!c)
        return error_memory(err);
    c->pid_fd = -1;
    leave_keys(c);
    reason = launch(c, argv, env.items);
    if (reason != 0) {
        int status = command_finish(c);

        (void)status;
        return error_set(err, ERR_INPUT, "run '%s': %s", argv[0],
                         strerrordesc_np(reason));
    }
    *ret = c;
    return 0;
}

int command_fd(const struct command *c)
{
    return c->pid_fd;
}

/* Has it ended, at the latest in so many milliseconds? */
static bool wait_end(const struct command *c, int timeout_ms)
{
    struct pollfd p = {c->pid_fd, POLLIN, 0};
    int n;

    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

int command_finish(struct command *own_command)
{
    struct command *c = own_command;
    int status = 0;
    int result = 127;

    if (c->pid > 0) {
        if (c->pid_fd < 0) {
            kill(c->pid, SIGKILL);
        } else if (!wait_end(c, 0)) {
            kill(c->pid, SIGTERM);
            kill(c->pid, SIGCONT);
            if (!wait_end(c, END_GRACE_MS))
                kill(c->pid, SIGKILL);
        }
        while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
            continue;
        result =
            WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    take_keys(c);
    closep(&c->pid_fd);
    free(c);
    return result;
}
