/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sum.c - see sum.h */
#include "sum.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "set/marks.h"

#define SUM_SIZE ((size_t)(1 * MIB))

/* Add `length` bytes at `offset` to the sum. */
static int sum_bytes(int fd, const char *name, unsigned char *buffer,
                     uint64_t offset, uint64_t length, uint32_t *sum,
                     struct error *err)
{
    while (length > 0) {
        size_t n = (size_t)MIN_OF(length, SUM_SIZE);
        ssize_t got = file_pread_full(fd, buffer, n, offset);

        if (got < 0)
            return error_errno(err, errno, "read '%s' at %llu", name,
                               (unsigned long long)offset);
        if ((size_t)got < n)
            return error_set(err, ERR_DAMAGED, "'%s' ends at %llu", name,
                             (unsigned long long)offset + (size_t)got);
        *sum = (uint32_t)adler32(*sum, buffer, (uInt)n);
        offset += n;
        length -= n;
        if (stop_check(err) < 0)
            return -1;
    }
    return 0;
}

static uint32_t sum_hole(uint32_t sum, uint64_t length)
{
    return (uint32_t)adler32_combine(sum, adler_zeroes(length),
                                     (z_off_t)length);
}

/* The adler32 of the whole file; holes cost nothing. */
static int sum_file(int fd, const struct chain_file *f, uint32_t *ret,
                    struct error *err)
{
    _cleanup_free_ unsigned char *buffer = malloc(SUM_SIZE);
    uint64_t size = f->file_size, at = 0;
    uint32_t sum = 1;

    if (!buffer)
        return error_memory(err);
    while (at < size) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        uint64_t begin = data >= 0 ? (uint64_t)data : size;
        uint64_t end = hole >= 0 ? (uint64_t)hole : size;

        if (data < 0 && errno != ENXIO) {
            begin = at; /* a file system that does not know holes */
            end = size;
        }
        begin = MIN_OF(begin, size);
        end = MIN_OF(MAX_OF(end, begin), size);
        if (begin > at)
            sum = sum_hole(sum, begin - at);
        if (sum_bytes(fd, f->file, buffer, begin, end - begin, &sum, err) < 0)
            return -1;
        at = end;
    }
    *ret = sum;
    return 0;
}

int sum_check(const struct backup_set *set, const struct chain_file *file,
              int fd, struct error *err)
{
    uint32_t expected = 0, sum = 0;
    int r = chksum_read(set->dirfd, file->file, &expected, err);

    if (r < 0)
        return -1;
    if (r == 0 && file->entry)
        return error_set(err, ERR_DAMAGED, "'%s.chksum' is missing",
                         file->file);
    if (r == 0) {
        log_warning("'%s' has no checksum: only its structure was checked",
                    file->file);
        return 0;
    }
    if (sum_file(fd, file, &sum, err) < 0)
        return -1;
    if (sum == expected)
        return 0;
    return error_set(err, ERR_DAMAGED,
                     "'%s' is damaged: its adler32 is %u, '%s.chksum' says %u",
                     file->file, sum, file->file, expected);
}
