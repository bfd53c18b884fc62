/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* short-io.c - preloaded: reads and writes of regular files that fall short
 *
 * Each moves at least one byte and, drawn at random from SHORT_IO, often fewer
 * than were asked for, or is interrupted before the first one (EINTR): what
 * POSIX allows and local file systems hardly ever do.  Pipes and sockets are
 * left alone, they fall short by themselves.
 */
/* So that pread and pread64 are two functions, as programs may call either. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define BLOCK 4096

static _Atomic uint64_t calls;

static uint64_t draw(void)
{
    static uint64_t seed;
    uint64_t z;

    if (!seed)
        seed =
            strtoull(getenv("SHORT_IO") ? getenv("SHORT_IO") : "1", NULL, 10) |
            1;
    /* splitmix64 */
    z = seed + atomic_fetch_add(&calls, 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* How much of `length` this call moves; 0: it is interrupted. */
static size_t cut(int fd, size_t length)
{
    struct stat st;
    uint64_t r;
    size_t n;

    if (length < 2 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return length;
    r = draw();
    if (r % 8 == 0)
        return 0;
    if (r % 2 == 0)
        return length;
    n = 1 + (size_t)((r >> 8) % (length - 1));
    if (fcntl(fd, F_GETFL) & O_DIRECT) /* whole blocks only */
        n = n / BLOCK * BLOCK;
    return n > 0 ? n : length;
}

#define SHORT(name, buffer_type)                                               \
    ssize_t name(int fd, buffer_type buffer, size_t length)                    \
    {                                                                          \
        ssize_t (*real)(int, buffer_type, size_t) = dlsym(RTLD_NEXT, #name);   \
        size_t n = cut(fd, length);                                            \
                                                                               \
        if (n == 0 && length > 0) {                                            \
            errno = EINTR;                                                     \
            return -1;                                                         \
        }                                                                      \
        return real(fd, buffer, n);                                            \
    }

#define SHORT_AT(name, buffer_type)                                            \
    ssize_t name(int fd, buffer_type buffer, size_t length, off_t offset)      \
    {                                                                          \
        ssize_t (*real)(int, buffer_type, size_t, off_t) =                     \
            dlsym(RTLD_NEXT, #name);                                           \
        size_t n = cut(fd, length);                                            \
                                                                               \
        if (n == 0 && length > 0) {                                            \
            errno = EINTR;                                                     \
            return -1;                                                         \
        }                                                                      \
        return real(fd, buffer, n, offset);                                    \
    }

SHORT(read, void *)
SHORT(write, const void *)
SHORT_AT(pread, void *)
SHORT_AT(pread64, void *)
SHORT_AT(pwrite, const void *)
SHORT_AT(pwrite64, const void *)
