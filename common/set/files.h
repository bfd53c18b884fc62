/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* files.h - opening what a backup directory holds, believing nothing
 *
 * Everything of a set is opened here: by a safe name (name.h) relative to the
 * directory, never through a symbolic link, never waiting on a pipe, regular
 * files only.  Knows names, not what is inside.
 */
#ifndef SET_FILES_H
#define SET_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/name.h"
#include "set/sealed.h"

#define FILES_MAX_NAMES 100000 /* names in a directory */

/* Names of a directory, sorted by name_compare. */
struct file_names {
    char **names; /* owned */
    size_t count;
};

#define FILE_NAMES_INIT                                                        \
    {                                                                          \
        NULL, 0                                                                \
    }

void file_names_done(struct file_names *names);
#define _cleanup_file_names_ __attribute__((cleanup(file_names_done)))

/* The safe names in the directory `dirfd`; other ones are left out, but count
 * towards `max`, beyond which the directory is refused (ERR_DAMAGED).
 */
must_check int files_list(int dirfd, size_t max, struct file_names *ret,
                          struct error *err);

/* Open `name` for reading; `*ret_size` is its size in bytes.  A missing file:
 * ERR_SYSTEM, code ENOENT; a name that is not safe, or no regular file:
 * ERR_DAMAGED.
 */
must_check int files_open(int dirfd, const char *name, int *ret_fd,
                          uint64_t *ret_size, struct error *err);

/* Read it whole, at most `max` bytes; NUL-terminated. */
must_check int files_read(int dirfd, const char *name, size_t max,
                          char **ret_text, size_t *ret_len, struct error *err);

/* Its size and the xxh3-128 of its bytes. */
must_check int files_hash(int dirfd, const char *name, uint64_t *ret_size,
                          char ret_hash[HASH_TEXT_SIZE], struct error *err);

/* Open the directory "checkpoints" in the set; `*ret_fd` is -1 if there is
 * none.
 */
must_check int files_open_checkpoints(int dirfd, int *ret_fd,
                                      struct error *err);

/* 1 if there is anything of this safe name, 0 if not. */
must_check int files_exists(int dirfd, const char *name, struct error *err);

/* Remove the file: 1, or 0 if there was none.  Nothing is synced. */
must_check int files_remove(int dirfd, const char *name, struct error *err);

#endif
