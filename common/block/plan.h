/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan.h - what becomes of the extents: frames of the file, reads of the disk
 *
 * The only place that decides sizes.  Uncompressed, a data frame is one extent
 * and many reads; compressed, frames are at most `max_frame` long.  Arithmetic
 * only: it must not know how frames are written nor how reads are made.
 */
#ifndef BLOCK_PLAN_H
#define BLOCK_PLAN_H

#include <stdbool.h>

#include "block/extent.h"

/* Larger requests fall out of the processor's cache (measured). */
#define PLAN_READ_SIZE ((uint64_t)(256 * KIB))

/* The longest frame when compressing, and the unit of the index. */
#define PLAN_CHUNK_SIZE ((uint64_t)(1 * MIB))

/* Bytes of the file besides payload: a frame header, and the line end behind
 * the payload of a data frame.
 */
#define PLAN_HEADER_SIZE 40
#define PLAN_TERM_SIZE 2

enum plan_kind {
    PLAN_DATA, /* data frame, read from the disk */
    PLAN_HOLE, /* data frame of zeroes: never read, a hole of the file */
    PLAN_ZERO, /* zero frame */
};

struct plan_policy {
    uint64_t max_frame; /* longest data frame in bytes; 0: one an extent */
    bool zero_as_data;  /* EXTENT_ZERO: PLAN_HOLE instead of PLAN_ZERO */
    bool allocated_zero_as_data; /* the same for EXTENT_ZERO_ALLOCATED */
};

struct plan_frame {
    uint64_t offset; /* of the disk, bytes */
    uint64_t length; /* bytes, never 0 */
    enum plan_kind kind;
};

/* Walks the frames of a list, which it borrows and which must not change. */
struct plan {
    const struct extent_list *list;
    struct plan_policy policy;
    size_t next;   /* index of the extent at hand */
    uint64_t done; /* bytes of it that frames have covered */
};

void plan_begin(struct plan *it, const struct extent_list *list,
                const struct plan_policy *policy);

/* 1 = `*ret` is the next frame, in ascending order; 0 = the end.  Together
 * the frames cover exactly the list.  Zero frames are never cut.
 */
int plan_next(struct plan *it, struct plan_frame *ret);

/* How much one read at `frame_done` of `frame` fetches: at most
 * PLAN_READ_SIZE, to the end of the frame, and at most `room` bytes (what is
 * left of the memory it is for).  0 if the frame is read.
 */
uint64_t plan_read_length(const struct plan_frame *frame, uint64_t frame_done,
                          uint64_t room);

struct plan_totals {
    uint64_t data_size;   /* bytes of data frames, PLAN_HOLE included */
    uint64_t read_size;   /* bytes to be read: PLAN_DATA */
    uint64_t hole_size;   /* bytes of PLAN_HOLE */
    uint64_t zero_size;   /* bytes of zero frames */
    uint64_t data_frames; /* count, PLAN_HOLE included */
    uint64_t hole_frames; /* count of PLAN_HOLE */
    uint64_t zero_frames; /* count */
    /* What the frames take in an uncompressed file: headers, payload and line
     * ends; without the metadata in front and the stop frame behind.
     */
    uint64_t file_size;
};

/* Add up what the iterator would give. */
void plan_totals(const struct extent_list *list,
                 const struct plan_policy *policy, struct plan_totals *ret);

#endif
