/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dir.c - see dir.h; knows files through base and the kernel's calls */
#include "sink/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/text.h"

struct dir_sink {
    struct sink sink;
    int dirfd; /* owned */
    enum dir_mode mode;
};

/* Writes that make a file longer exclude each other (ext4, xfs: one at a time
 * holds the inode), others do not.  So it is made longer in steps of so many
 * bytes, ahead of the writes; it gets its exact size in the end.
 */
#define AHEAD ((uint64_t)(256 * MIB))

/* `direct`, `end`, `tail`, `failed` and `ahead` change under the mutex. */
struct dir_file {
    struct sink_file file;
    int dirfd;     /* borrowed from the sink */
    int fd;        /* owned */
    char *partial; /* owned */
    pthread_mutex_t mutex;
    bool direct;    /* the descriptor has O_DIRECT */
    bool failed;    /* a write failed: what is there is not to be trusted */
    uint64_t end;   /* behind the last byte written */
    uint64_t tail;  /* end of the part whose length is not aligned; 0: none */
    uint64_t ahead; /* size it was given ahead; UINT64_MAX: no more of that */
};

static struct dir_sink *to_sink(struct sink *sink)
{
    return container_of(sink, struct dir_sink, sink);
}

static struct dir_file *to_file(struct sink_file *file)
{
    return container_of(file, struct dir_file, file);
}

/* "<name>.partial", if it is one component and both names are short enough. */
static int partial_name(const char *name, char **ret, struct error *err)
{
    _cleanup_free_ char *partial = text_dup_printf("%s.partial", name);

    if (!partial)
        return error_memory(err);
    if (!name_is_leaf(name) || !name_is_leaf(partial))
        return error_set(err, ERR_INPUT, "'%s' cannot be the name of a file",
                         name);
    *ret = take(partial);
    return 0;
}

/* A failed write, with what a person can do about it. */
static int write_error(struct error *err, int errnum, const char *name)
{
    error_errno(err, errnum, "cannot write '%s'", name);
    switch (errnum) {
    case ENOSPC:
        return error_append(err, "; free some space in the target directory "
                                 "and run the same command again");
    case EDQUOT:
        return error_append(err, "; the quota of this user is used up: raise "
                                 "it or free some space, and run the same "
                                 "command again");
    case EFBIG:
        return error_append(err, "; the file system or the limit for the size "
                                 "of files (ulimit -f) does not allow files "
                                 "this large");
    default:
        return -1;
    }
}

/* Open the new file; O_DIRECT first, if wanted. */
static int open_new(struct dir_sink *sink, struct dir_file *file,
                    struct error *err)
{
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

    PATIENCE_SCOPE("creating a file");
    file->fd = openat(sink->dirfd, file->partial, flags, 0600);
    if (file->fd < 0 && errno == EEXIST)
        return error_set(err, ERR_EXISTS,
                         "'%s' is there already: another run writes it, or it "
                         "is the remains of one",
                         file->partial);
    if (file->fd < 0)
        return write_error(err, errno, file->partial);
    if (file_share(file->fd, file->partial, err) < 0) {
        unlinkat(sink->dirfd, file->partial, 0);
        return -1;
    }
    /* Set afterwards: an open that refuses O_DIRECT may leave the file. */
    if (sink->mode == DIR_AUTO) {
        int now = fcntl(file->fd, F_GETFL);

        file->direct =
            now >= 0 && fcntl(file->fd, F_SETFL, now | O_DIRECT) == 0;
    }
    return 0;
}

static void file_free(struct dir_file *file)
{
    closep(&file->fd);
    pthread_mutex_destroy(&file->mutex);
    free(file->partial);
    free(file);
}

static int dir_begin(struct sink *sink, const char *name,
                     struct sink_file **ret, struct error *err)
{
    struct dir_sink *dir = to_sink(sink);
    _cleanup_free_ char *partial = NULL;
    struct dir_file *file = NULL;

    if (partial_name(name, &partial, err) < 0)
        return -1;
    file = calloc(1, sizeof(*file));
    if (!file)
        return error_memory(err);
    file->file.sink = sink;
    file->dirfd = dir->dirfd;
    file->fd = -1;
    file->partial = take(partial);
    pthread_mutex_init(&file->mutex, NULL);
    if (open_new(dir, file, err) < 0) {
        file_free(file);
        return -1;
    }
    *ret = &file->file;
    return 0;
}

static bool is_direct(struct dir_file *file)
{
    LOCK_SCOPE(&file->mutex);
    return file->direct;
}

/* Go on through the page cache; some file systems accept O_DIRECT and refuse
 * the writes, or do only a part of one.  Fine if another thread did it first.
 */
static int leave_direct(struct dir_file *file, struct error *err)
{
    int now = 0;

    LOCK_SCOPE(&file->mutex);
    if (!file->direct)
        return 0;
    now = fcntl(file->fd, F_GETFL);
    if (now < 0 || fcntl(file->fd, F_SETFL, now & ~O_DIRECT) < 0)
        return error_errno(err, errno, "cannot write '%s'", file->partial);
    file->direct = false;
    return 0;
}

/* Write it all; direct or not is decided anew for each part. */
static int write_all(struct dir_file *file, uint64_t offset, const char *data,
                     size_t length, struct error *err)
{
    while (length > 0) {
        /* Asked before the write: who is refused knows why. */
        bool direct = is_direct(file);
        ssize_t n = pwrite(file->fd, data, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL && direct) {
            if (leave_direct(file, err) < 0)
                return -1;
            continue;
        }
        if (n < 0)
            return write_error(err, errno, file->partial);
        if (n == 0)
            return write_error(err, ENOSPC, file->partial);
        data += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

/* Have the kernel write it out now, rather than all at once in fsync.  What it
 * reports here fsync may not report again, so it counts.
 */
static int start_writeback(struct dir_file *file, uint64_t offset,
                           size_t length, struct error *err)
{
    if (sync_file_range(file->fd, (off_t)offset, (off_t)length,
                        SYNC_FILE_RANGE_WRITE) == 0)
        return 0;
    if (errno == EINVAL || errno == ENOSYS || errno == ESPIPE ||
        errno == ENOTSUP)
        return 0;
    return write_error(err, errno, file->partial);
}

/* Make the file longer before a direct write up to `end` would.  Only an aid:
 * where the file may not be so long, its writes tell whether they fit.
 */
static void grow_ahead(struct dir_file *file, uint64_t end)
{
    if (!file->direct || end <= file->ahead)
        return;
    if (end > INT64_MAX - AHEAD ||
        ftruncate(file->fd, (off_t)(end + AHEAD)) < 0)
        file->ahead = UINT64_MAX;
    else
        file->ahead = end + AHEAD;
}

/* Is this a write that the header allows?  Remembers where the file ends. */
static int check_write(struct dir_file *file, uint64_t offset, const void *data,
                       size_t length, size_t room, struct error *err)
{
    uint64_t end = 0;

    if (offset % SINK_ALIGN != 0 || (uintptr_t)data % SINK_ALIGN != 0 ||
        room < length || room - length < (size_t)(-length % SINK_ALIGN) ||
        __builtin_add_overflow(offset, length, &end) ||
        end > INT64_MAX - SINK_ALIGN)
        return error_set(err, ERR_INPUT,
                         "cannot write '%s': %zu bytes at %llu are not aligned",
                         file->partial, length, (unsigned long long)offset);
    LOCK_SCOPE(&file->mutex);
    if (file->failed)
        return error_set(err, ERR_INPUT,
                         "cannot write '%s': a write failed before",
                         file->partial);
    if ((length % SINK_ALIGN != 0 && file->tail != 0) ||
        (file->tail != 0 && end > file->tail) ||
        (length % SINK_ALIGN != 0 && end < file->end))
        return error_set(err, ERR_INPUT,
                         "cannot write '%s': %zu bytes at %llu are not the "
                         "last ones",
                         file->partial, length, (unsigned long long)offset);
    if (length % SINK_ALIGN != 0)
        file->tail = end;
    file->end = MAX_OF(file->end, end);
    grow_ahead(file, end + (uint64_t)(-length % SINK_ALIGN));
    return 0;
}

static int dir_write(struct sink_file *sink_file, uint64_t offset,
                     const void *data, size_t length, size_t room,
                     struct error *err)
{
    struct dir_file *file = to_file(sink_file);
    size_t padded = length + (size_t)(-length % SINK_ALIGN);

    PATIENCE_SCOPE("writing");
    if (length == 0)
        return 0;
    if (check_write(file, offset, data, length, room, err) < 0)
        return -1;
    if (write_all(file, offset, data, is_direct(file) ? padded : length, err) ==
            0 &&
        (is_direct(file) || start_writeback(file, offset, length, err) == 0))
        return 0;
    LOCK_SCOPE(&file->mutex);
    file->failed = true;
    return -1;
}

static int dir_finish(struct sink_file *sink_file, uint64_t size,
                      struct error *err)
{
    struct dir_file *file = to_file(sink_file);

    PATIENCE_SCOPE("syncing");
    if (file->failed)
        return error_set(err, ERR_INPUT,
                         "cannot finish '%s': a write failed before",
                         file->partial);
    if (size < file->end || size > INT64_MAX ||
        (file->tail != 0 && size != file->tail))
        return error_set(err, ERR_INPUT,
                         "cannot finish '%s' with %llu bytes: %llu were "
                         "written",
                         file->partial, (unsigned long long)size,
                         (unsigned long long)file->end);
    file->failed = true;
    if (ftruncate(file->fd, (off_t)size) < 0)
        return write_error(err, errno, file->partial);
    if (file_sync(file->fd, file->partial, err) < 0)
        return -1;
    /* Network file systems may report here what went wrong. */
    if (close(take_fd(file->fd)) < 0 && errno != EINTR)
        return write_error(err, errno, file->partial);
    file_free(file);
    return 0;
}

static void dir_discard(struct sink_file *sink_file)
{
    struct dir_file *file = to_file(sink_file);

    PATIENCE_SCOPE("removing a file");
    unlinkat(file->dirfd, file->partial, 0);
    file_free(file);
}

static int dir_publish(struct sink *sink, const char *name, struct error *err)
{
    struct dir_sink *dir = to_sink(sink);
    _cleanup_free_ char *partial = NULL;

    if (partial_name(name, &partial, err) < 0 ||
        file_rename_noreplace(dir->dirfd, partial, name, err) < 0)
        return -1;
    return file_sync_dir(dir->dirfd, err);
}

static int dir_remove(struct sink *sink, const char *name, struct error *err)
{
    struct dir_sink *dir = to_sink(sink);
    _cleanup_free_ char *partial = NULL;

    if (partial_name(name, &partial, err) < 0)
        return -1;
    if (unlinkat(dir->dirfd, partial, 0) < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot remove '%s'", partial);
    return 0;
}

static void dir_free(struct sink *sink)
{
    struct dir_sink *dir = to_sink(sink);

    closep(&dir->dirfd);
    free(dir);
}

static const struct sink_ops dir_ops = {
    .begin = dir_begin,
    .write = dir_write,
    .finish = dir_finish,
    .publish = dir_publish,
    .remove = dir_remove,
    .discard = dir_discard,
    .free = dir_free,
};

int dir_sink_new(int dirfd, enum dir_mode mode, struct sink **ret,
                 struct error *err)
{
    struct dir_sink *dir = calloc(1, sizeof(*dir));

    if (!dir)
        return error_memory(err);
    dir->sink.ops = &dir_ops;
    dir->mode = mode;
    dir->dirfd = dir_reopen(dirfd);
    if (dir->dirfd < 0) {
        free(dir);
        return error_errno(err, errno, "cannot open the target directory");
    }
    *ret = &dir->sink;
    return 0;
}

bool dir_file_is_direct(const struct sink_file *file)
{
    const struct dir_file *dir_file = (const struct dir_file *)file;

    return dir_file->direct;
}
