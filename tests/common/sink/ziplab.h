/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ziplab.h - archives in a temporary directory, and who reads them */
#ifndef TESTS_SINK_ZIPLAB_H
#define TESTS_SINK_ZIPLAB_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "sink/zip.h"

#include "check.h"

struct lab {
    char path[64];
    int dirfd;
};

static inline struct lab lab_new(void)
{
    struct lab lab = {"/tmp/vnb-zip-XXXXXX", -1};

    if (!mkdtemp(lab.path))
        abort();
    lab.dirfd = open(lab.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lab.dirfd < 0)
        abort();
    return lab;
}

/* Run a shell command in the lab; its exit status. */
printf_format(2, 3) static inline int run(const struct lab *lab,
                                          const char *fmt, ...)
{
    char command[4096] = "";
    char whole[4608] = "";
    va_list args;
    int status = 0;

    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    snprintf(whole, sizeof(whole), "cd '%s' || exit 99; %s", lab->path,
             command);
    status = system(whole);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static inline void lab_done(struct lab *lab)
{
    close(lab->dirfd);
    if (run(lab, "rm -rf '%s'", lab->path) != 0)
        abort();
}
#define _cleanup_lab_ __attribute__((cleanup(lab_done)))

static inline int create(const struct lab *lab, const char *name)
{
    int fd = openat(lab->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                    0600);

    if (fd < 0)
        abort();
    return fd;
}

static inline void put(const struct lab *lab, const char *name,
                       const void *bytes, size_t length)
{
    _cleanup_close_ int fd = create(lab, name);

    if (file_write_full(fd, bytes, length) < 0)
        abort();
}

/* Bytes that say where they belong. */
static inline unsigned char *pattern(size_t size, unsigned seed)
{
    unsigned char *bytes = malloc(size + 1);

    if (!bytes)
        abort();
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 4096 + seed);
    return bytes;
}

/* One whole file. */
static inline void add_stream(struct sink *sink, const char *name,
                              const void *bytes, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct sink_file *f = NULL;

    CHECK_OK(sink_begin(sink, name, &f, &err), &err);
    REQUIRE(f);
    for (size_t at = 0; at < size; at += MIB) {
        size_t part = MIN_OF(size - at, MIB);

        CHECK_OK(sink_write(f, at, (const char *)bytes + at, part, part, &err),
                 &err);
    }
    CHECK_OK(sink_finish(f, size, &err), &err);
    CHECK_OK(sink_publish(sink, name, &err), &err);
}

/* Start `command` in the lab with a pipe (or socket) as its stdin; our end. */
static inline int start_reader(const struct lab *lab, const char *command,
                               bool socket, pid_t *ret_pid)
{
    int fd[2] = {-1, -1};

    if (socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0
               : pipe2(fd, O_CLOEXEC) < 0)
        abort();
    *ret_pid = fork();
    if (*ret_pid < 0)
        abort();
    if (*ret_pid == 0) {
        if (fchdir(lab->dirfd) < 0 || dup2(fd[0], 0) < 0)
            _exit(99);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(99);
    }
    close(fd[0]);
    return fd[1];
}

static inline int end_of(pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) != pid)
        abort();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Wait until the pipe takes no more: whoever writes to it is waiting. */
static inline void wait_until_full(int fd)
{
    struct pollfd p = {fd, POLLOUT, 0};

    while (poll(&p, 1, 0) > 0)
        usleep(1000);
}

#endif
