/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bootfiles_copy.h - between the files of bootfiles.h: looking and copying */
#ifndef RESTORE_BOOTFILES_COPY_H
#define RESTORE_BOOTFILES_COPY_H

#include "base/error.h"
#include "base/macro.h"

/* Open a regular file for reading, without following a link or waiting on a
 * pipe: its descriptor, or -1.
 */
must_check int bootfile_open(int dirfd, const char *name, struct error *err);

/* Open the directory that a path is in. */
must_check int bootfile_open_parent(const char *path, struct error *err);

enum bootfile_comparison {
    BOOTFILE_ABSENT, /* the second is not there */
    BOOTFILE_SAME,   /* same bytes */
    BOOTFILE_OTHER,  /* other bytes, or no regular file */
};

/* Compare the file `name` with what `other` is: a bootfile_comparison, or -1.
 */
must_check int bootfile_compare(int dirfd, const char *name, int otherfd,
                                const char *other, struct error *err);

#endif
