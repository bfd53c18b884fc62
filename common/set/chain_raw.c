/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain_raw.c - plain image or damaged stream? see chain_private.h
 *
 * What does not begin as a stream is a plain image.  A stream that has lost its
 * beginning must not pass for one: its first header, or its last, is still to
 * be seen.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "set/chain_private.h"
#include "stream/frame.h"

#define IMAGE_MIN 512 /* disks have sectors */

/* The first header of a stream, whatever its kind has become. */
static bool is_first_header(const char head[FRAME_SIZE])
{
    static const char start[] = " 0000000000000000 ";

    return memcmp(head + 4, start, sizeof(start) - 1) == 0 ||
           (head[FRAME_SIZE - 2] == '\r' && head[FRAME_SIZE - 1] == '\n' &&
            memcmp(head + 5, start + 1, 16) == 0);
}

/* The last header of a stream, or of its trailer. */
static bool is_last_header(const char tail[FRAME_SIZE])
{
    struct frame frame = {0};

    return frame_decode(tail, &frame, NULL) == 0 &&
           (frame.kind == FRAME_STOP || frame.kind == FRAME_COMP);
}

int chain_check_raw(int dirfd, const char *file, struct error *err)
{
    _cleanup_close_ int fd = -1;
    char head[FRAME_SIZE] = "", tail[FRAME_SIZE] = "";
    uint64_t size = 0;

    if (files_open(dirfd, file, &fd, &size, err) < 0)
        return -1;
    if (size == 0)
        return error_set(err, ERR_DAMAGED, "'%s' is empty", file);
    if (size < IMAGE_MIN)
        return error_set(err, ERR_DAMAGED,
                         "'%s' is no backup stream, and too short to be an "
                         "image",
                         file);
    if (file_pread_full(fd, head, sizeof(head), 0) != FRAME_SIZE ||
        file_pread_full(fd, tail, sizeof(tail), size - FRAME_SIZE) !=
            FRAME_SIZE)
        return error_errno(err, errno, "cannot read '%s'", file);
    if (is_first_header(head) || is_last_header(tail))
        return error_set(err, ERR_DAMAGED,
                         "'%s' is a backup stream whose beginning is damaged",
                         file);
    return 0;
}
