/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sum.c - see sum.h */
#include "sum.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "set/adler.h"
#include "set/marks.h"

#define SUM_SIZE ((size_t)(1 * MIB))

/* Add [begin, end), whatever is there. */
static int sum_bytes(struct window *w, int fd, const char *name, uint64_t begin,
                     uint64_t end, uint32_t *sum, struct error *err)
{
    while (begin < end) {
        size_t n = (size_t)MIN_OF(end - begin, SUM_SIZE);
        const unsigned char *bytes = NULL;

        if (window_read(w, fd, name, begin, n, &bytes, err) < 0 ||
            stop_check(err) < 0)
            return -1;
        *sum = adler_add(*sum, bytes, n);
        begin += n;
    }
    return 0;
}

int sum_range(struct window *w, int fd, const char *name, uint64_t begin,
              uint64_t end, uint32_t *sum, struct error *err)
{
    for (uint64_t at = begin; at < end;) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        uint64_t from = data >= 0 ? (uint64_t)data : end;
        uint64_t to = hole >= 0 ? (uint64_t)hole : end;

        if (data < 0 && errno != ENXIO) {
            from = at; /* a file system that does not know holes */
            to = end;
        }
        from = MIN_OF(from, end);
        to = MIN_OF(MAX_OF(to, from), end);
        if (from > at)
            *sum = adler_add_zeroes(*sum, from - at);
        if (sum_bytes(w, fd, name, from, to, sum, err) < 0)
            return -1;
        at = to;
    }
    return 0;
}

/* What the checksum says: 1; 0: there is none, which was said. */
static int expected_sum(const struct backup_set *set,
                        const struct chain_file *file, uint32_t *ret,
                        struct error *err)
{
    int r = chksum_read(set->dirfd, file->file, ret, err);

    if (r != 0)
        return r;
    if (file->entry)
        return error_set(err, ERR_DAMAGED, "'%s.chksum' is missing",
                         file->file);
    log_warning("'%s' has no checksum: only its structure was checked",
                file->file);
    return 0;
}

static int judge(const struct chain_file *file, uint32_t sum, uint32_t expected,
                 struct error *err)
{
    if (sum == expected)
        return 0;
    return error_set(err, ERR_DAMAGED,
                     "'%s' is damaged: its adler32 is %u, '%s.chksum' says %u",
                     file->file, sum, file->file, expected);
}

int sum_compare(const struct backup_set *set, const struct chain_file *file,
                uint32_t sum, struct error *err)
{
    uint32_t expected = 0;
    int r = expected_sum(set, file, &expected, err);

    return r > 0 ? judge(file, sum, expected, err) : r;
}

int sum_check(const struct backup_set *set, const struct chain_file *file,
              int fd, struct error *err)
{
    _cleanup_(window_freep) struct window *w = NULL;
    uint32_t expected = 0, sum = ADLER_NOTHING;
    int r = expected_sum(set, file, &expected, err);

    if (r <= 0)
        return r;
    window_past_cache(fd);
    if (window_new(SUM_SIZE, &w, err) < 0 ||
        sum_range(w, fd, file->file, 0, file->file_size, &sum, err) < 0)
        return -1;
    return judge(file, sum, expected, err);
}
