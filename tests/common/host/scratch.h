/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scratch.h - a directory of the test's own, and files in it */
#ifndef TESTS_HOST_SCRATCH_H
#define TESTS_HOST_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static int scratch_remove_one(const char *path, const struct stat *st, int kind,
                              struct FTW *ftw)
{
    return remove(path);
}

/* The process that made it removes it at its end. */
static pid_t scratch_owner;

static void scratch_end(void)
{
    if (getpid() == scratch_owner)
        nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static inline void scratch_begin(void)
{
    snprintf(scratch, sizeof(scratch), "/tmp/test-host.XXXXXX");
    if (!mkdtemp(scratch)) {
        perror("mkdtemp");
        exit(1);
    }
    scratch_owner = getpid();
    atexit(scratch_end);
}

/* "<scratch>/<name>", good until the eighth call after it. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
    return path;
}

static inline bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static inline void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

/* Its first bytes in a static buffer; "" if it is not there. */
static inline const char *file_text(const char *path)
{
    static char text[4096];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}

#endif
