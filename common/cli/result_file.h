/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* result_file.h - a file that the user named for the result of a run
 *
 * Looked at before the run, so that a wrong name is told at once and not after
 * hours; written after it, in one step: who reads it sees the old one or the
 * new one, whole.  Knows libc only.
 */
#ifndef CLI_RESULT_FILE_H
#define CLI_RESULT_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"

struct result_file {
    int dirfd;        /* of its directory; -1: stdout, or not open */
    const char *path; /* as the user wrote it, borrowed; NULL: not open */
    const char *name; /* in its directory: the end of `path` */
};

#define RESULT_FILE_INIT                                                       \
    {                                                                          \
        -1, NULL, NULL                                                         \
    }

/* A new string: the directory that `path` lies in, "." if it says none.  NULL:
 * no memory.
 */
must_check char *result_file_directory(const char *path);

/* Open the directory that `path` lies in ("-": stdout).  ERR_INPUT: there is no
 * such directory, it cannot be written to, or `path` is something else than a
 * regular file.  `path` must live as long as `*ret`.
 */
must_check int result_file_open(const char *path, struct result_file *ret,
                                struct error *err);

/* Make the file, or replace it, by `length` bytes of `text`: mode `mode`, under
 * the umask.  Durable.
 */
must_check int result_file_put(const struct result_file *file, const char *text,
                               size_t length, mode_t mode, struct error *err);

/* Nothing if it is not open. */
void result_file_close(struct result_file *file);

#endif
