/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* writer.h - everything of a backup stream but the payloads
 *
 * Metadata, frame headers, terminators, stop and trailer go through one put
 * callback in the order of the file.  Payloads do not pass here: the caller
 * puts them where writer_position() says, between writer_data_begin and
 * writer_data_end.  A stream that its own reader would refuse cannot be
 * written: order, bounds, coverage and the sum of the data are checked.
 */
#ifndef STREAM_WRITER_H
#define STREAM_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/meta.h"
#include "stream/put.h"
#include "stream/trailer.h"

/* Every compressed data frame must be shorter than this (32 MiB), so that the
 * trailer has integers only and every upstream reader takes its simple path.
 */
#define WRITER_COMPRESSED_FRAME_MAX (32 * MIB)

struct stream_writer {
    stream_put put;
    void *opaque;
    uint64_t position;     /* bytes of the file so far, payloads included */
    uint64_t virtual_size; /* from the metadata, like the next four */
    uint64_t data_size;
    bool incremental;
    bool compressed;
    uint64_t cursor;   /* end of the last frame on the disk */
    uint64_t data_sum; /* plain bytes in data frames so far */
    uint64_t open;     /* length of the data frame begun; 0: none */
    int state;
    struct trailer trailer;
};

/* Prepare to write through `put`; nothing is put yet. */
void writer_init(struct stream_writer *w, stream_put put, void *opaque);

/* Free what it holds.  Also the cleanup function. */
void writer_done(struct stream_writer *w);
#define _cleanup_writer_ _cleanup_(writer_done)

#define WRITER_INIT                                                            \
    {                                                                          \
        0                                                                      \
    }

/* The metadata, first of all; decides whether the stream is compressed and
 * must cover the whole disk.
 */
must_check int writer_meta(struct stream_writer *w, const struct meta *m,
                           struct error *err);

/* The header of the data frame for [start, start + length) of the disk.
 * Frames ascend without overlap; they must not leave a gap unless the stream
 * is incremental.  Now the caller stores the payload at writer_position().
 */
must_check int writer_data_begin(struct stream_writer *w, uint64_t start,
                                 uint64_t length, struct error *err);

/* The payload of `stored_length` bytes is there: the frame ends.  Not
 * compressed, that is the length given to writer_data_begin.
 */
must_check int writer_data_end(struct stream_writer *w, uint64_t stored_length,
                               struct error *err);

/* A frame of zeroes. */
must_check int writer_zero(struct stream_writer *w, uint64_t start,
                           uint64_t length, struct error *err);

/* The end of the frames.  The sum of the data must be data_size, and a stream
 * that is not incremental must have reached the end of the disk.
 */
must_check int writer_stop(struct stream_writer *w, struct error *err);

/* After writer_stop: the trailer of a compressed stream; nothing otherwise. */
must_check int writer_trailer(struct stream_writer *w, struct error *err);

/* The file offset of the byte that comes next; in the end the file's size. */
static inline uint64_t writer_position(const struct stream_writer *w)
{
    return w->position;
}

#endif
