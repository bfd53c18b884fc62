/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bootfiles_copy.c - see bootfiles.h and bootfiles_copy.h */
#include "bootfiles_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/patience.h"
#include "base/stop.h"
#include "base/text.h"
#include "bootfiles.h"
#include "set/files.h"

#define PIECE (256 * KIB)
#define RANDOM_DIGITS 16

int bootfile_open(int dirfd, const char *name, struct error *err)
{
    PATIENCE_SCOPE("opening a file");
    _cleanup_close_ int fd = openat(
        dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return error_errno(err, errno, "open '%s'", name);
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "examine '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_DAMAGED, "'%s' is no regular file", name);
    return take_fd(fd);
}

int bootfile_open_parent(const char *path, struct error *err)
{
    _cleanup_free_ char *parent = strdup(path);
    char *slash = parent ? strrchr(parent, '/') : NULL;

    if (!slash)
        return error_memory(err);
    slash[slash == parent] = '\0';
    return dir_open(parent, err);
}

/* ---- comparing ---- */

static int compare_bytes(int a, int b, struct error *err)
{
    _cleanup_free_ char *x = malloc(PIECE);
    _cleanup_free_ char *y = malloc(PIECE);

    if (!x || !y)
        return error_memory(err);
    for (;;) {
        ssize_t m = file_read_full(a, x, PIECE);
        ssize_t n = m < 0 ? -1 : file_read_full(b, y, PIECE);

        if (m < 0 || n < 0)
            return error_errno(err, errno, "compare two files");
        if (m != n || memcmp(x, y, (size_t)m) != 0)
            return BOOTFILE_OTHER;
        if (m == 0)
            return BOOTFILE_SAME;
    }
}

int bootfile_compare(int dirfd, const char *name, int otherfd,
                     const char *other, struct error *err)
{
    PATIENCE_SCOPE("looking at a file");
    _cleanup_close_ int a = -1;
    _cleanup_close_ int b = -1;
    struct stat st;

    if (fstatat(otherfd, other, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT
                   ? BOOTFILE_ABSENT
                   : error_errno(err, errno, "look for '%s'", other);
    if (!S_ISREG(st.st_mode))
        return BOOTFILE_OTHER;
    a = bootfile_open(dirfd, name, err);
    if (a < 0)
        return -1;
    b = bootfile_open(otherfd, other, err);
    return b < 0 ? -1 : compare_bytes(a, b, err);
}

/* ---- copying ---- */

static int copy_bytes(int from, int to, struct error *err)
{
    _cleanup_free_ char *buffer = malloc(PIECE);

    if (!buffer)
        return error_memory(err);
    for (;;) {
        ssize_t got = file_read_full(from, buffer, PIECE);

        if (got == 0)
            return 0;
        if (got < 0 || file_write_full(to, buffer, (size_t)got) < 0)
            return error_errno(err, errno, "copy a file");
        if (stop_check(err) < 0)
            return -1;
    }
}

/* Nobody but its owner reads it.  A loader is no secret, and libvirt does not
 * give it to the user that QEMU runs as.
 */
static int set_mode(int fd, enum file_role role, struct error *err)
{
    if (fchmod(fd, role == FILE_LOADER ? 0644 : 0600) < 0)
        return error_errno(err, errno, "set the mode of a file");
    return 0;
}

static int copy(int fromfd, const char *from, enum file_role role, int tofd,
                const char *to, struct error *err)
{
    _cleanup_(file_discard) struct new_file nf = NEW_FILE_INIT;
    _cleanup_close_ int fd = bootfile_open(fromfd, from, err);

    if (fd < 0 || file_create(tofd, to, 0600, &nf, err) < 0 ||
        copy_bytes(fd, nf.fd, err) < 0 || set_mode(nf.fd, role, err) < 0)
        return -1;
    return file_publish(&nf, FILE_NOREPLACE, err);
}

/* Copy to a file that has no name until it is complete: whatever ends us,
 * nothing is left in a directory that is not ours.
 */
static int copy_unseen(int fromfd, const char *from, enum file_role role,
                       int tofd, const char *to, struct error *err)
{
    char path[sizeof("/proc/self/fd/") + 12];
    _cleanup_close_ int fd = -1;
    _cleanup_close_ int new =
        openat(tofd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (new < 0) /* not every file system can do that */
        return copy(fromfd, from, role, tofd, to, err);
    fd = bootfile_open(fromfd, from, err);
    if (fd < 0 || copy_bytes(fd, new, err) < 0 ||
        set_mode(new, role, err) < 0 || file_sync(new, to, err) < 0)
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", new);
    if (linkat(AT_FDCWD, path, tofd, to, AT_SYMLINK_FOLLOW) < 0)
        return errno == EEXIST ? error_set(err, ERR_EXISTS,
                                           "it exists, and is not replaced")
                               : error_errno(err, errno, "give it its name");
    if (file_sync_dir(tofd, err) == 0)
        return 0;
    unlinkat(tofd, to, 0);
    return -1;
}

/* What was copied is what was saved. */
static int check_copy(const struct bootfile *f, const struct backup_set *set,
                      int stagingfd, struct error *err)
{
    char hash[HASH_TEXT_SIZE] = "";
    uint64_t size = 0;

    if (!f->entry)
        return 0;
    if (files_hash(stagingfd, f->staged, &size, hash, err) < 0)
        return -1;
    if (size != f->entry->size || strcmp(hash, f->entry->hash) != 0)
        return error_set(err, ERR_DAMAGED, "'%s/%s' is not as it was written",
                         set->path, f->file);
    return 0;
}

static int stage(struct bootfile *f, const struct backup_set *set,
                 int stagingfd, struct error *err)
{
    char random[RANDOM_DIGITS + 1];

    if (text_random(random, RANDOM_DIGITS, err) < 0)
        return -1;
    /* A name that nothing else there has, and that needs no quoting. */
    f->staged = text_dup_printf("boot.%s", random);
    if (!f->staged)
        return error_memory(err);
    if (copy(set->dirfd, f->file, f->role, stagingfd, f->staged, err) < 0 ||
        check_copy(f, set, stagingfd, err) < 0)
        return -1;
    if (f->in_place)
        return 0;
    return file_rename_noreplace(stagingfd, f->staged, f->name, err);
}

int bootfiles_stage(struct bootfiles *files, const struct backup_set *set,
                    int stagingfd, struct error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        struct bootfile *f = &files->items[i];

        if (f->is_there || f->stays)
            continue;
        if (stage(f, set, stagingfd, err) < 0)
            return error_prefix(err, "restore the %s of the guest",
                                file_role_text(f->role));
    }
    return 0;
}

int bootfiles_place(struct bootfiles *files, int stagingfd, struct error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        struct bootfile *f = &files->items[i];
        _cleanup_close_ int dirfd = -1;

        if (!f->in_place || f->stays)
            continue;
        dirfd = bootfile_open_parent(f->original, err);
        if (dirfd < 0 || copy_unseen(stagingfd, f->staged, f->role, dirfd,
                                     strrchr(f->original, '/') + 1, err) < 0)
            return error_prefix(err, "restore '%s'", f->original);
        f->placed = true;
        log_info("the %s of the guest is restored to '%s'",
                 file_role_text(f->role), f->original);
    }
    return 0;
}

void bootfiles_take_back(struct bootfiles *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct bootfile *f = &files->items[i];
        _cleanup_error_ struct error err = ERROR_INIT;

        if (f->placed && unlink(f->original) < 0) {
            error_errno(&err, errno, "remove '%s' again", f->original);
            log_warning("%s", error_text(&err));
        }
        f->placed = false;
    }
}
