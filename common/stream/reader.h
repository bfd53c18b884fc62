/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reader.h - walk through a backup stream, believing nothing
 *
 *     reader_open -> reader_meta
 *     while reader_next (frames)
 *         while reader_piece (parts of a frame that are stored as a whole)
 *             while reader_payload (stored bytes)   or skip
 *
 * Reads forwards only, but for the trailer of a compressed stream, which is
 * fetched first.  Memory: the metadata and four bytes a compressed piece.
 *
 * Whoever gets 0 from reader_next has seen a complete stream: canonical
 * headers, ascending frames inside the disk without overlap (without gap
 * unless incremental), data as long as announced, terminators, a trailer that
 * fits, and nothing behind.  What compressed bytes decode to is the codec's
 * part.  Does no I/O of its own; must not know files or restoring.
 */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/frame.h"
#include "stream/meta.h"

struct reader_source {
    /* Read exactly the `len` bytes at file offset `offset`, which lie within
     * `size`.  Offsets ascend, but for the trailer of a compressed stream.
     */
    int (*read)(void *opaque, uint64_t offset, void *buf, size_t len,
                struct error *err);
    void *opaque;
    uint64_t size;    /* of the file, in bytes */
    const char *name; /* for messages */
};

struct reader_frame {
    enum frame_kind kind;   /* FRAME_DATA or FRAME_ZERO */
    uint64_t start;         /* byte offset in the virtual disk */
    uint64_t length;        /* bytes of the virtual disk, > 0 */
    uint64_t file_offset;   /* of the payload; 0 for FRAME_ZERO */
    uint64_t stored_length; /* of the payload in the file; 0 for FRAME_ZERO */
    size_t piece_count;     /* 1 unless compressed in several; 0 for zero */
};

struct reader_piece {
    uint64_t start;         /* byte offset in the virtual disk */
    uint64_t length;        /* plain bytes, > 0; compressed: <= 32 MiB */
    uint64_t file_offset;   /* of its first stored byte */
    uint64_t stored_length; /* stored bytes; compressed: exactly one lz4 frame
                               of at most codec_bound(length) bytes */
};

struct stream_reader;

/* Does a file that begins with these bytes claim to be a stream?  (Raw images
 * of disks go by the same names.)
 */
bool reader_is_stream(const void *bytes, size_t len);

/* Read the metadata, and the trailer if there is one.  `source` is copied, its
 * name not.  NULL on error: ERR_INPUT if a newer version wrote the file,
 * ERR_DAMAGED if it is no good (both say the name and the file offset), or what
 * the read callback said.
 */
struct stream_reader *reader_open(const struct reader_source *source,
                                  struct error *err);
void reader_close(struct stream_reader *r);
DEFINE_CLEANUP(struct stream_reader *, reader_close);

/* The metadata; lives as long as the reader. */
const struct meta *reader_meta(const struct stream_reader *r);

/* The next frame: 1, or 0 after the last one, once everything that only the
 * end can show has been checked.  What is left of the frame before is skipped.
 * After -1 only reader_close may follow.
 */
must_check int reader_next(struct stream_reader *r,
                           struct reader_frame *ret_frame, struct error *err);

/* The next piece of the frame: 1, or 0 after the last one.  The payload of an
 * uncompressed frame is one piece of any length.
 */
must_check int reader_piece(struct stream_reader *r,
                            struct reader_piece *ret_piece, struct error *err);

/* The next stored bytes of the piece, at most `cap`, into `buf`: 1 with
 * `*ret_len` > 0, or 0 after the last one.
 */
must_check int reader_payload(struct stream_reader *r, void *buf, size_t cap,
                              size_t *ret_len, struct error *err);

#endif
