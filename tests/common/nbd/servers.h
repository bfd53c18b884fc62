/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* servers.h - real NBD servers for the tests of this layer
 *
 * A server is a child on a unix socket in a directory of its own.  Nobody
 * waits for it to listen: connecting is patient, and that is tested by the
 * way.
 */
#ifndef TESTS_NBD_SERVERS_H
#define TESTS_NBD_SERVERS_H

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/macro.h"
#include "check.h"
#include "nbd/conn.h"

#define CONNECT_MS 20000
#define IO_MS 30000

/* Where images and sockets of this program live; removed at its end. */
static char work_dir[64];

struct server {
    pid_t pid;
    char socket[128];
};

#define SERVER_INIT                                                            \
    {                                                                          \
        -1, ""                                                                 \
    }
#define _cleanup_server_ __attribute__((cleanup(server_stop)))

/* Run a shell command in work_dir; true if it succeeded. */
static inline bool shell(const char *fmt, ...) printf_format(1, 2);
static inline bool shell(const char *fmt, ...)
{
    char command[4096], line[4200];
    va_list ap;
    int status = 0;

    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    snprintf(line, sizeof(line), "cd %s && { %s; } >>log 2>&1", work_dir,
             command);
    status = system(line);
    if (status != 0)
        printf("# status %d from: %s\n", status, command);
    return status == 0;
}

static inline void work_dir_remove(void)
{
    char line[128];

    snprintf(line, sizeof(line), "rm -rf '%s'", work_dir);
    if (work_dir[0] && system(line) != 0)
        printf("# cannot remove %s\n", work_dir);
}

static inline void work_dir_make(void)
{
    snprintf(work_dir, sizeof(work_dir), "/tmp/test-nbd-XXXXXX");
    if (!mkdtemp(work_dir)) {
        perror("mkdtemp");
        exit(1);
    }
    atexit(work_dir_remove);
}

/* Skip the program unless every one of the named tools is there. */
static inline void need(const char *tools)
{
    char line[512];

    snprintf(line, sizeof(line),
             "for t in %s; do command -v $t >/dev/null || exit 1; done", tools);
    if (system(line) != 0)
        check_skip_all(tools);
    if (access(HOSTILE_NBD, X_OK) < 0) {
        perror(HOSTILE_NBD);
        exit(1);
    }
}

/* Start `fmt`, in which $S stands for the socket, in work_dir. */
static inline void server_start(struct server *s, const char *fmt, ...)
    printf_format(2, 3);
static inline void server_start(struct server *s, const char *fmt, ...)
{
    static int number;
    char command[2048], line[2400];
    sigset_t term, before;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    snprintf(s->socket, sizeof(s->socket), "%s/s%d", work_dir, ++number);
    snprintf(line, sizeof(line), "cd %s; S=%s; exec %s >>log 2>&1", work_dir,
             s->socket, command);
    fflush(stdout);
    /* Whatever this program does at SIGTERM, the child has to die of it. */
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGTERM, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

#define nbdkit_start(s, ...) server_start(s, "nbdkit -f -U $S " __VA_ARGS__)
#define qemu_nbd_start(s, ...)                                                 \
    server_start(s, "qemu-nbd -t -e 8 -k $S " __VA_ARGS__)
#define hostile_start(s, ...) server_start(s, HOSTILE_NBD " $S " __VA_ARGS__)

/* End it and wait; true if it left cleanly. */
static inline bool server_end(struct server *s)
{
    int status = 0;

    if (s->pid <= 0)
        return false;
    kill(s->pid, SIGTERM);
    if (waitpid(s->pid, &status, 0) != s->pid)
        status = -1;
    s->pid = -1;
    return status == 0;
}

static inline void server_stop(struct server *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGCONT);
        server_end(s);
    }
}

/* Connect; NULL after a failed check. */
static inline struct nbd_conn *connect_to(const struct server *s,
                                          const char *context)
{
    const char *contexts[] = {context, NULL};
    struct nbd_target target = {.socket_path = s->socket};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_conn *conn = NULL;

    CHECK_OK(nbd_conn_open(&target, contexts, CONNECT_MS, &conn, &err), &err);
    return conn;
}

static inline long long clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* The seed of this run, from $SEED or the clock, printed. */
static inline void seed_random(void)
{
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0)
                          : (unsigned)time(NULL) ^ (unsigned)getpid();

    printf("# seed %u\n", seed);
    srandom(seed);
}

/* A byte of the hostile server's disk. */
static inline unsigned char hostile_byte(uint64_t o)
{
    return (unsigned char)(o ^ (o >> 8) ^ (o >> 16) ^ (o >> 24));
}

#endif
