/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zip.c - see zip.h; what becomes an entry, and when
 *
 * Every operation holds the mutex to its end, so entries never mix.  It is not
 * held for ever: writing ends when the end is asked for.
 */
#include "sink/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "sink/zipper.h"

#define READ_SIZE (256 * KIB)

struct zip_file {
    struct sink_file file;
    uint64_t end; /* bytes written so far */
};

struct zip_sink {
    struct sink sink;
    pthread_mutex_t mutex; /* protects the zipper */
    struct zipper zipper;
};

static struct zip_sink *to_sink(struct sink *sink)
{
    return container_of(sink, struct zip_sink, sink);
}

static struct zip_file *to_file(struct sink_file *file)
{
    return container_of(file, struct zip_file, file);
}

static int bad_name(const char *name, struct error *err)
{
    return error_set(err, ERR_INPUT, "'%s' cannot be the name of a file", name);
}

static int zip_begin(struct sink *sink, const char *name,
                     struct sink_file **ret, struct error *err)
{
    struct zip_sink *zip = to_sink(sink);
    _cleanup_free_ struct zip_file *file = calloc(1, sizeof(*file));

    if (!file)
        return error_memory(err);
    if (!name_is_leaf(name))
        return bad_name(name, err);
    LOCK_SCOPE(&zip->mutex);
    if (zipper_begin(&zip->zipper, name, NULL, err) < 0)
        return -1;
    file->file.sink = sink;
    *ret = &take(file)->file;
    return 0;
}

static int zip_write(struct sink_file *sink_file, uint64_t offset,
                     const void *data, size_t length, size_t room,
                     struct error *err)
{
    struct zip_sink *zip = to_sink(sink_file->sink);
    struct zip_file *file = to_file(sink_file);
    uint64_t end = 0;

    (void)room;
    LOCK_SCOPE(&zip->mutex);
    if (offset < file->end || __builtin_add_overflow(offset, length, &end) ||
        end > INT64_MAX) {
        _cleanup_error_ struct error why = ERROR_INIT;

        error_set(&why, ERR_INPUT,
                  "cannot put '%s' into the archive: %zu bytes at %llu do not "
                  "follow the first %llu",
                  zipper_name(&zip->zipper), length, (unsigned long long)offset,
                  (unsigned long long)file->end);
        return zipper_fail(&zip->zipper, &why, err);
    }
    if (zipper_append_zeroes(&zip->zipper, offset - file->end, err) < 0 ||
        zipper_append(&zip->zipper, data, length, err) < 0)
        return -1;
    file->end = end;
    return 0;
}

static int zip_finish(struct sink_file *sink_file, uint64_t size,
                      struct error *err)
{
    struct zip_sink *zip = to_sink(sink_file->sink);
    struct zip_file *file = to_file(sink_file);

    LOCK_SCOPE(&zip->mutex);
    if (size < file->end || size > INT64_MAX) {
        _cleanup_error_ struct error why = ERROR_INIT;

        error_set(&why, ERR_INPUT,
                  "cannot finish '%s' with %llu bytes: %llu were written",
                  zipper_name(&zip->zipper), (unsigned long long)size,
                  (unsigned long long)file->end);
        return zipper_fail(&zip->zipper, &why, err);
    }
    if (zipper_append_zeroes(&zip->zipper, size - file->end, err) < 0 ||
        zipper_end(&zip->zipper, err) < 0)
        return -1;
    free(file);
    return 0;
}

/* The entry has its name, and always will. */
static int zip_publish(struct sink *sink, const char *name, struct error *err)
{
    (void)sink, (void)name, (void)err;
    return 0;
}

static int zip_remove(struct sink *sink, const char *name, struct error *err)
{
    (void)sink, (void)name, (void)err;
    return 0;
}

static void zip_discard(struct sink_file *sink_file)
{
    struct zip_sink *zip = to_sink(sink_file->sink);
    struct zip_file *file = to_file(sink_file);
    _cleanup_error_ struct error why = ERROR_INIT;

    LOCK_SCOPE(&zip->mutex);
    if (!zip->zipper.failed)
        error_set(&why, ERR_INPUT, "the archive was given up inside of '%s'",
                  zipper_name(&zip->zipper));
    (void)zipper_fail(&zip->zipper, &why, NULL);
    free(file);
}

static void zip_free(struct sink *sink)
{
    struct zip_sink *zip = to_sink(sink);

    zipper_done(&zip->zipper);
    pthread_mutex_destroy(&zip->mutex);
    free(zip);
}

static const struct sink_ops zip_ops = {
    .begin = zip_begin,
    .write = zip_write,
    .finish = zip_finish,
    .publish = zip_publish,
    .remove = zip_remove,
    .discard = zip_discard,
    .free = zip_free,
};

int zip_sink_new(int fd, struct sink **ret, struct error *err)
{
    struct zip_sink *zip = calloc(1, sizeof(*zip));

    if (!zip)
        return error_memory(err);
    zip->sink.ops = &zip_ops;
    zip->zipper = (struct zipper)ZIPPER_INIT;
    pthread_mutex_init(&zip->mutex, NULL);
    if (zipper_open(fd, &zip->zipper, err) < 0) {
        zip_free(&zip->sink);
        return -1;
    }
    *ret = &zip->sink;
    return 0;
}

/* Open "leaf" or "directory/leaf" for reading. */
static int open_below(int dirfd, const char *name, int *ret_fd,
                      struct error *err)
{
    const char *slash = strchr(name, '/');
    _cleanup_free_ char *dir =
        slash ? strndup(name, (size_t)(slash - name)) : strdup(".");
    const char *leaf = slash ? slash + 1 : name;
    _cleanup_close_ int below = -1;

    if (!dir)
        return error_memory(err);
    if (!name_is_leaf(leaf) || (slash && !name_is_leaf(dir)))
        return bad_name(name, err);
    below = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0)
        return error_errno(err, errno, "cannot open '%s'", name);
    *ret_fd = openat(below, leaf,
                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*ret_fd < 0)
        return error_errno(err, errno, "cannot open '%s'", name);
    return 0;
}

static int size_of(int fd, const char *name, uint64_t *ret, struct error *err)
{
    struct stat st = {0};

    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "cannot look at '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT, "'%s' is not a regular file", name);
    *ret = (uint64_t)st.st_size;
    return 0;
}

/* Exactly `size` bytes of the file; a failure to read fails the archive. */
static int copy(struct zip_sink *zip, int fd, uint64_t size, struct error *err)
{
    _cleanup_free_ unsigned char *buffer = malloc(READ_SIZE);
    _cleanup_error_ struct error why = ERROR_INIT;

    if (!buffer) {
        error_memory(&why);
        return zipper_fail(&zip->zipper, &why, err);
    }
    while (size > 0) {
        size_t want = (size_t)MIN_OF(size, READ_SIZE);
        ssize_t got = file_read_full(fd, buffer, want);

        if (got < 0)
            error_errno(&why, errno, "cannot read '%s'",
                        zipper_name(&zip->zipper));
        else if ((size_t)got < want)
            error_set(&why, ERR_INPUT, "'%s' became shorter while it was read",
                      zipper_name(&zip->zipper));
        if (why.kind != ERR_NONE)
            return zipper_fail(&zip->zipper, &why, err);
        if (zipper_append(&zip->zipper, buffer, want, err) < 0)
            return -1;
        size -= want;
    }
    return 0;
}

int zip_sink_add_file(struct sink *sink, int dirfd, const char *name,
                      struct error *err)
{
    struct zip_sink *zip = to_sink(sink);
    _cleanup_close_ int fd = -1;
    uint64_t size = 0;

    LOCK_SCOPE(&zip->mutex);
    if (open_below(dirfd, name, &fd, err) < 0 ||
        size_of(fd, name, &size, err) < 0 ||
        zipper_begin(&zip->zipper, name, &size, err) < 0 ||
        copy(zip, fd, size, err) < 0)
        return -1;
    return zipper_end(&zip->zipper, err);
}

int zip_sink_add_bytes(struct sink *sink, const char *name, const void *bytes,
                       size_t length, struct error *err)
{
    struct zip_sink *zip = to_sink(sink);
    uint64_t size = length;

    LOCK_SCOPE(&zip->mutex);
    if (zipper_begin(&zip->zipper, name, &size, err) < 0 ||
        zipper_append(&zip->zipper, bytes, length, err) < 0)
        return -1;
    return zipper_end(&zip->zipper, err);
}

int zip_sink_close(struct sink *sink, struct error *err)
{
    struct zip_sink *zip = to_sink(sink);

    LOCK_SCOPE(&zip->mutex);
    return zipper_finish(&zip->zipper, err);
}
