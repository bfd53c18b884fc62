/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guardian.c - see guardian.h; our side: start, tell, goodbye
 *
 * The guardian is a child without being one of base/spawn's, whose children
 * die with us.
 */
#include "host/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "host/guardian_wire.h"

extern char **environ;

/* Answers take microseconds; a machine that is swapping hard needs longer. */
#define ANSWER_TIMEOUT_MS 20000
#define END_TIMEOUT_MS 5000

struct guardian {
    pid_t pid;
    int pid_fd;
    int fd;              /* our end of the socket */
    pthread_mutex_t one; /* one question and its answer at a time */
    bool lost;           /* an answer is missing: never ask again */
};

/* Poll until `fd` is readable, whatever signals come.  false: timeout. */
static bool wait_readable(int fd, int timeout_ms)
{
    int64_t deadline = clock_ms() + timeout_ms;
    struct pollfd p = {fd, POLLIN, 0};

    for (;;) {
        int64_t rest = deadline - clock_ms();
        int n = poll(&p, 1, rest > 0 ? (int)rest : 0);

        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

/* By its descriptor: where SIGCHLD is ignored, its number may be another's. */
static void end_it(struct guardian *g)
{
    int r = pidfd_send_signal(g->pid_fd, SIGKILL, NULL, 0);

    (void)r; /* it had ended */
}

/* Close our end and collect it; kill it if it does not end by itself. */
static void collect(struct guardian *g)
{
    closep(&g->fd);
    if (g->pid_fd >= 0 && !wait_readable(g->pid_fd, END_TIMEOUT_MS))
        end_it(g);
    while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static void guardian_free(struct guardian *g)
{
    if (g->pid > 0)
        collect(g);
    closep(&g->pid_fd);
    closep(&g->fd);
    pthread_mutex_destroy(&g->one);
    free(g);
}
DEFINE_CLEANUP(struct guardian *, guardian_free);

static struct guardian *guardian_new(void)
{
    struct guardian *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->fd = g->pid_fd = -1;
    pthread_mutex_init(&g->one, NULL);
    return g;
}

/* What posix_spawn wants to know. */
struct launch {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    VEC(char *) argv;
};

static void launch_done(struct launch *l)
{
    posix_spawn_file_actions_destroy(&l->files);
    posix_spawnattr_destroy(&l->attributes);
    vec_free(&l->argv);
}

static int build_argv(struct launch *l, const char *const *extra)
{
    static char option[] = GUARDIAN_OPTION;
    int r = 0;

    r |= vec_push(&l->argv, program_invocation_name);
    r |= vec_push(&l->argv, option);
    for (; extra && *extra; extra++)
        r |= vec_push(&l->argv, (char *)*extra);
    r |= vec_push(&l->argv, NULL);
    return r;
}

/* A session of its own; all signals blocked until it ignores those that it
 * should; the socket, /dev/null and our stderr, nothing else.
 */
static int prepare(struct launch *l, int socket_fd)
{
    sigset_t all;
    int r;

    sigfillset(&all);
    r = posix_spawnattr_setsigmask(&l->attributes, &all);
    if (r == 0)
        r = posix_spawnattr_setflags(
            &l->attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&l->files, socket_fd,
                                             STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_addopen(&l->files, STDOUT_FILENO,
                                             "/dev/null", O_WRONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(&l->files,
                                                     STDERR_FILENO + 1);
    return r;
}

/* Returns an errno. */
static int launch(struct guardian *g, int socket_fd, const char *const *extra)
{
    _cleanup_(launch_done) struct launch l = {.argv = {0}};
    int r;

    posix_spawn_file_actions_init(&l.files);
    posix_spawnattr_init(&l.attributes);
    if (build_argv(&l, extra) < 0)
        return ENOMEM;
    r = prepare(&l, socket_fd);
    if (r == 0)
        r = posix_spawn(&g->pid, "/proc/self/exe", &l.files, &l.attributes,
                        l.argv.items, environ);
    if (r != 0)
        g->pid = 0;
    return r;
}

static int gone(struct error *err)
{
    return error_set(err, ERR_CHILD,
                     "the guardian process has ended (was it killed?), so "
                     "nothing would clean up after us");
}

/* Wait for one answer. */
static int hear(struct guardian *g, char *ret_answer, struct error *err)
{
    ssize_t n;

    if (!wait_readable(g->fd, ANSWER_TIMEOUT_MS))
        return error_set(err, ERR_TIMEOUT,
                         "the guardian process has not answered within %d ms",
                         ANSWER_TIMEOUT_MS);
    do
        n = recv(g->fd, ret_answer, 1, 0);
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : gone(err);
}

int guardian_start(const char *const *extra_args, struct guardian **ret,
                   struct error *err)
{
    _cleanup_(guardian_freep) struct guardian *g = guardian_new();
    _cleanup_close_ int their_fd = -1;
    char answer = WIRE_NO;
    int fds[2];
    int r;

    if (!g)
        return error_memory(err);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, errno, "start the guardian: make a socket");
    g->fd = fds[0];
    their_fd = fds[1];
    r = launch(g, their_fd, extra_args);
    if (r != 0)
        return error_errno(err, r, "start the guardian ('/proc/self/exe')");
    closep(&their_fd);
    g->pid_fd = pidfd_open(g->pid, 0);
    if (g->pid_fd < 0)
        return error_errno(err, errno, "start the guardian: watch it");
    if (hear(g, &answer, err) < 0)
        return error_prefix(err, "start the guardian");
    if (answer != WIRE_YES)
        return error_set(err, ERR_CHILD,
                         "start the guardian: it says it is not ready");
    *ret = take(g);
    return 0;
}

/* Send one packet and hear the answer. */
static int ask(struct guardian *g, const char *packet, size_t length,
               char *ret_answer, struct error *err)
{
    ssize_t n;

    LOCK_SCOPE(&g->one);
    if (g->lost)
        return gone(err);
    /* Lost unless all goes well: an answer that comes late must not be taken
     * for that to the next question.
     */
    g->lost = true;
    do
        n = send(g->fd, packet, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return gone(err);
    if (hear(g, ret_answer, err) < 0)
        return -1;
    g->lost = false;
    return 0;
}

int guardian_tell(struct guardian *g, const char *key, const char *value,
                  struct error *err)
{
    char packet[WIRE_MAX];
    size_t key_size = strlen(key) + 1;
    size_t value_size = value ? strlen(value) + 1 : 0;
    char answer = WIRE_NO;

    if (key_size < 2 || key_size > GUARDIAN_KEY_MAX ||
        value_size > GUARDIAN_VALUE_MAX)
        return error_set(err, ERR_INPUT, "tell the guardian '%.64s': too long",
                         key);
    packet[0] = value ? WIRE_SET : WIRE_UNSET;
    memcpy(packet + 1, key, key_size);
    if (value)
        memcpy(packet + 1 + key_size, value, value_size);
    if (ask(g, packet, 1 + key_size + value_size, &answer, err) < 0)
        return error_prefix(err, "tell the guardian '%s'", key);
    if (answer != WIRE_YES)
        return error_set(err, ERR_INPUT,
                         "tell the guardian '%s': it has too many facts", key);
    return 0;
}

void guardian_bye(struct guardian *g)
{
    const char packet[1] = {WIRE_BYE};
    char answer;
    int r;

    if (!g)
        return;
    r = ask(g, packet, sizeof(packet), &answer, NULL);
    if (r < 0)
        end_it(g); /* it must not take our end for a crash */
    guardian_free(g);
}

void guardian_hand_over(struct guardian *g)
{
    if (!g)
        return;
    /* Our end of the socket stays open until this process ends: that is what
     * the guardian waits for.
     */
    g->fd = -1;
    g->pid = 0; /* nor is it waited for */
    guardian_free(g);
}

pid_t guardian_pid(const struct guardian *g)
{
    return g->pid;
}
