/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scratch.h - a directory for one test, gone at its end
 *
 *     _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
 *
 *     REQUIRE(scratch_make(&s) == 0);
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

struct scratch {
    char path[64];
    int fd;
};

#define SCRATCH_INIT                                                           \
    {                                                                          \
        "", -1                                                                 \
    }

static inline int scratch_make(struct scratch *s)
{
    strcpy(s->path, "/tmp/test-XXXXXX");
    if (!mkdtemp(s->path))
        return -1;
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->fd < 0 ? -1 : 0;
}

static inline int scratch_remove(const char *path, const struct stat *st,
                                 int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void scratch_done(struct scratch *s)
{
    closep(&s->fd);
    if (s->path[0])
        nftw(s->path, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many entries the directory has. */
static inline int scratch_count(const struct scratch *s)
{
    _cleanup_(closedirp) DIR *d = opendir(s->path);
    int n = 0;

    while (d && readdir(d))
        n++;
    return n - 2;
}

/* Write a file there by plain means. */
static inline int scratch_put(const struct scratch *s, const char *name,
                              const char *text)
{
    _cleanup_close_ int fd = -1;

    fd = openat(s->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return -1;
    return 0;
}

/* The content of a file, or NULL; the caller's. */
static inline char *scratch_get(const struct scratch *s, const char *name)
{
    _cleanup_close_ int fd = -1;
    char *text = calloc(1, 1 << 20);
    ssize_t n;

    fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC);
    n = fd < 0 || !text ? -1 : file_read_full(fd, text, (1 << 20) - 1);
    if (n < 0) {
        free(text);
        return NULL;
    }
    return text;
}

#endif
