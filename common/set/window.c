/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* window.c - see window.h; reads the aligned bytes around what is wanted */
#include "set/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/patience.h"

/* What O_DIRECT needs at most: of offsets, lengths and memory. */
#define ALIGN ((uint64_t)4096)

struct window {
    unsigned char *bytes; /* room + 2 * ALIGN */
    size_t room;
};

int window_new(size_t room, struct window **ret, struct error *err)
{
    _cleanup_(window_freep) struct window *w = calloc(1, sizeof(*w));
    void *bytes = NULL;

    if (!w)
        return error_memory(err);
    bytes = mmap(NULL, room + 2 * ALIGN, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return error_memory(err);
    w->bytes = bytes;
    w->room = room;
    *ret = take(w);
    return 0;
}

void window_free(struct window *w)
{
    if (!w)
        return;
    if (w->bytes)
        munmap(w->bytes, w->room + 2 * ALIGN);
    free(w);
}

void window_past_cache(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        (void)!fcntl(fd, F_SETFL, flags | O_DIRECT);
}

/* Some file systems accept O_DIRECT and refuse to read so, or to read what is
 * behind the last whole block.
 */
static bool read_otherwise(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

/* Read up to `length` bytes; fewer where the file ends. */
static ssize_t read_aligned(const struct window *w, int fd, size_t length,
                            uint64_t offset)
{
    bool refused = false;
    size_t done = 0;

    PATIENCE_SCOPE("reading");
    while (done < length) {
        ssize_t n =
            pread(fd, w->bytes + done, length - done, (off_t)(offset + done));

        if (n == 0)
            break;
        if (n > 0) {
            done += (size_t)n;
        } else if (errno == EINVAL && !refused) {
            refused = true;
            if (!read_otherwise(fd))
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ssize_t)done;
}

int window_read(struct window *w, int fd, const char *name, uint64_t offset,
                size_t length, const unsigned char **ret, struct error *err)
{
    size_t before = (size_t)(offset % ALIGN);
    uint64_t begin = offset - before;
    size_t whole = (before + length + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    ssize_t n = 0;

    if (length > w->room || offset > INT64_MAX - whole)
        return error_set(err, ERR_INPUT, "reading %zu bytes of '%s' at once",
                         length, name);
    n = read_aligned(w, fd, whole, begin);
    if (n < 0)
        return error_errno(err, errno, "read '%s' at %llu", name,
                           (unsigned long long)offset);
    if ((size_t)n < before + length)
        return error_set(err, ERR_DAMAGED,
                         "'%s' ends at %llu, in the middle of its data", name,
                         (unsigned long long)begin + (size_t)n);
    *ret = w->bytes + before;
    return 0;
}
