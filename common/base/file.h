/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* file.h - reading and writing files whole, and making them exist at once
 *
 * Names are relative to a directory descriptor (AT_FDCWD works too).  Hides
 * short reads and writes, EINTR, temporary names, the three ways of renaming
 * without replacing, and what file systems do not offer.  Knows libc only.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"

/* Read until `length` bytes are there or the file ends.  Returns the bytes
 * read (less than `length` only at the end), or -1 with errno.
 */
must_check ssize_t file_read_full(int fd, void *buffer, size_t length);
must_check ssize_t file_pread_full(int fd, void *buffer, size_t length,
                                   uint64_t offset);

/* Write all `length` bytes: 0, or -1 with errno.  Waits where `fd` is
 * non-blocking.
 */
must_check int file_write_full(int fd, const void *buffer, size_t length);
must_check int file_pwrite_full(int fd, const void *buffer, size_t length,
                                uint64_t offset);

/* Open what is below `dirfd` and nothing else: no symbolic link, no "..", no
 * way out through /proc, wherever in `name` it may be.  Close-on-exec.  The
 * descriptor, or -1 with errno: ELOOP a link, EXDEV it leads out.  Where the
 * kernel cannot see to that (before 5.6) only a single component is taken.
 */
must_check int file_open_below(int dirfd, const char *name, int flags);

/* Read the regular file `name` (no symbolic link, never blocking on a pipe)
 * whole.  `*ret_text` is the caller's, with a NUL behind its `*ret_length`
 * bytes.  A missing file: ERR_SYSTEM, code ENOENT; not a regular file or more
 * than `max` bytes: ERR_INPUT.
 */
must_check int file_read_all(int dirfd, const char *name, size_t max,
                             char **ret_text, size_t *ret_length,
                             struct error *err);

/* A file in the making, under a temporary name in its directory:
 *
 *     _cleanup_(file_discard) struct new_file nf = NEW_FILE_INIT;
 *
 *     if (file_create(dirfd, "x.json", 0600, &nf, err) < 0 || ...)
 *         return -1;
 *     return file_publish(&nf, FILE_NOREPLACE, err);
 */
struct new_file {
    int fd;     /* for writing; owned */
    int dirfd;  /* borrowed: must stay open until published or discarded */
    char *name; /* what it will be called; owned */
    char *temp; /* what it is called now; owned; NULL: nothing to remove */
};

#define NEW_FILE_INIT                                                          \
    {                                                                          \
        -1, -1, NULL, NULL                                                     \
    }

enum file_publish_how {
    FILE_REPLACE,   /* whatever had the name is gone */
    FILE_NOREPLACE, /* ERR_EXISTS if the name is taken */
};

/* Create it, empty, as "<name>.new-<16 hex digits>", where <name> is cut off
 * in front of the first ".data" (so that no pattern for data files matches).
 * `mode` is subject to the umask.
 */
must_check int file_create(int dirfd, const char *name, mode_t mode,
                           struct new_file *ret, struct error *err);

/* Make it durable under its name: fsync, rename, fsync of the directory.  On
 * failure before the rename it is still the temporary file (discard it); if the
 * directory cannot be synced, FILE_NOREPLACE takes the name back.  `nf` is
 * empty after success.
 */
must_check int file_publish(struct new_file *nf, enum file_publish_how how,
                            struct error *err);

/* Close and remove what is not published; nothing if there is nothing. */
void file_discard(struct new_file *nf);

/* Is this the name of such a temporary file? */
bool file_name_is_temporary(const char *name);

/* Share what is made from now on with the members of a group: files can be read
 * by them (0640), directories entered and read (0750).  A setting of the
 * process like its umask, for the start of the program; whoever makes files
 * that others may get to see calls file_share.
 */
void file_share_with(gid_t group);

/* The new file or directory behind `fd` belongs to that group too, if one was
 * set; what is another user's stays as it is.  `name` is for the message.
 */
must_check int file_share(int fd, const char *name, struct error *err);

/* Create or replace `name` by `length` bytes of `text`, durably, atomically. */
must_check int file_replace(int dirfd, const char *name, const char *text,
                            size_t length, mode_t mode, struct error *err);

/* Rename inside a directory; ERR_EXISTS if `to` is taken.  Where the file
 * system cannot do that in one step the caller must hold the directory's lock.
 * Nothing is synced.
 */
must_check int file_rename_noreplace(int dirfd, const char *from,
                                     const char *to, struct error *err);

/* fsync a file; `name` is for the message.  That the file system has no fsync
 * is no failure.  A failed one is final: never try again, the data is gone.
 */
must_check int file_sync(int fd, const char *name, struct error *err);

/* The same for the directory behind a descriptor of any kind but O_PATH. */
must_check int file_sync_dir(int dirfd, struct error *err);

/* Make the directory `path` and its missing parents, with that mode whatever
 * the umask says; what is made is synced into its parent.  Fine if it exists;
 * ERR_INPUT if something else does.
 */
must_check int dir_make(const char *path, mode_t mode, struct error *err);

/* Open a directory: its descriptor (close-on-exec), or -1.  ERR_INPUT if it is
 * not there or no directory.
 */
must_check int dir_open(const char *path, struct error *err);

/* A descriptor of the directory `dirfd` with a position of its own, for reading
 * its entries; -1 with errno.  The caller closes it.
 */
must_check int dir_reopen(int dirfd);

/* Is `name` one component, fit to be used inside a directory: 1 to 255 bytes,
 * no slash, no control character, not "." or ".."?
 */
bool name_is_leaf(const char *name);

#endif
