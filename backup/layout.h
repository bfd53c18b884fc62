/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layout.h - which byte of an uncompressed data file lies where
 *
 * The place of every byte of an uncompressed stream is known before the disk
 * is read: it follows from the metadata and from the plan.  This iterator
 * walks a file from front to back and says for each piece whether it is text
 * (headers, line ends), bytes of the disk, or zeroes nobody has to read.
 * Two walks over the same input give the same pieces, so that the one who
 * reads and the one who hashes need not talk to each other.
 *
 * A raw image is a file without any text.
 *
 * Pure: no I/O, no allocation, no knowledge of NBD or of files.
 */
#ifndef BACKUP_LAYOUT_H
#define BACKUP_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/extent.h"
#include "block/plan.h"
#include "stream/frame.h"

enum layout_kind {
    LAYOUT_TEXT, /* bytes to copy from `text` */
    LAYOUT_READ, /* bytes of the disk from `disk_offset` on */
    LAYOUT_HOLE, /* zeroes of a data frame: stored as a hole of the file */
};

struct layout_piece {
    enum layout_kind kind;
    uint64_t file_offset;
    uint64_t length;
    const char *text;     /* LAYOUT_TEXT; valid until the next call */
    uint64_t disk_offset; /* LAYOUT_READ, LAYOUT_HOLE */
    bool frame_starts;    /* READ, HOLE: the first byte of a data frame */
    bool frame_ends;      /* READ, HOLE: holds the last byte of its frame */
    /* LAYOUT_TEXT that is the header of a zero frame: the frame, otherwise
     * its length is 0. */
    struct plan_frame zero;
    struct plan_frame frame; /* READ, HOLE: the frame the piece is part of */
};

struct layout {
    struct plan plan;
    bool raw;
    uint64_t position;
    int state;
    struct plan_frame frame;
    uint64_t done; /* bytes of the frame that were given out */
    char text[FRAME_SIZE + 4];
    const char *rest; /* text not yet given out */
    size_t rest_length;
    struct plan_frame zero_pending;
};

/* Start at file offset 0.  `meta` (length bytes) is what stands in front of
 * the first frame; it, `extents` and `policy` stay valid and unchanged while
 * the layout is used.  policy->max_frame is 0.
 */
void layout_begin(struct layout *l, const char *meta, size_t length,
                  const struct extent_list *extents,
                  const struct plan_policy *policy);

/* The same for a raw image.  `extents` cover the disk without a gap and the
 * policy makes no zero frames.
 */
void layout_begin_raw(struct layout *l, const struct extent_list *extents,
                      const struct plan_policy *policy);

/* The next piece, which does not reach beyond file offset `limit`.
 * False at the end of the file, or when the position is at `limit`.
 */
bool layout_next(struct layout *l, uint64_t limit, struct layout_piece *piece);

/* Bytes of a hole that follow at the position; 0 if something else does. */
uint64_t layout_hole_ahead(struct layout *l);

/* True when the last piece was given out. */
bool layout_ended(const struct layout *l);

/* Where the next piece starts; after the last piece the size of the file. */
uint64_t layout_position(const struct layout *l);

#endif
