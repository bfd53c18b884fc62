/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outfile.h - a file that several threads write, in order all the same
 *
 * A disk thread fills segments (pieces of the file, aligned for O_DIRECT) in
 * the order of the file and submits them; writer threads compute each one's
 * adler32 and write it at its place; the disk thread collects what is done
 * and joins the sums in order.  What lies between two segments is a hole.
 *
 * A fixed number of segments exists, so memory is constant and a slow target
 * slows the reader.  All functions are for the disk thread that owns the
 * file; only the jobs inside run elsewhere.
 */
#ifndef BACKUP_OUTFILE_H
#define BACKUP_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/segment.h"
#include "base/workers.h"
#include "sink/sink.h"

/* Bytes of a segment; a multiple of OUT_BLOCK. */
#define OUT_SEGMENT_SIZE (2 * 1024 * 1024)
#define OUT_BLOCK 4096
#define OUT_BLOCKS (OUT_SEGMENT_SIZE / OUT_BLOCK)

struct outfile;

struct out_segment {
    struct job job;
    struct outfile *file;
    struct segment *memory;
    unsigned char *data; /* OUT_SEGMENT_SIZE bytes */
    uint64_t offset;     /* in the file; a multiple of OUT_BLOCK */
    size_t used;         /* bytes of the file in it */
    unsigned pending;    /* for the filler: reads under way */
    bool full;           /* for the filler: nothing more will be put in */
    unsigned char holes[OUT_BLOCKS / 8]; /* blocks that need no writing */
    /* Below: the file's own. */
    bool submitted;
    bool written;
    uint32_t adler;
    struct error error;
};

/* Begin file `name` of `sink` (which makes `<name>.partial`).
 *
 * count     number of segments, at least 2
 * writers   the threads that write; borrowed
 * progress  told about bytes written; may be NULL
 * wake_fd   an eventfd that is signalled when a segment was written; borrowed
 */
must_check int outfile_open(struct sink *sink, const char *name, unsigned count,
                            struct workers *writers,
                            struct progress_disk *progress, int wake_fd,
                            struct outfile **ret, struct error *err);

/* A free segment that begins at file offset `offset` (ascending from call to
 * call, a multiple of OUT_BLOCK); NULL when all are under way.
 */
struct out_segment *outfile_segment(struct outfile *o, uint64_t offset);

/* Say that [begin, end) of the segment's bytes are zeroes nobody has to write;
 * they are set to zero here.
 */
void out_segment_hole(struct out_segment *s, size_t begin, size_t end);

/* Hand a filled segment to the writers.  Its successors may be filled
 * already; segments are submitted in any order.
 */
void outfile_submit(struct outfile *o, struct out_segment *s);

/* Take back what was written.  Outcome 1: something was; 0: nothing new. */
must_check int outfile_collect(struct outfile *o, struct error *err);

/* The number of segments there are. */
unsigned outfile_count(const struct outfile *o);

/* True when no segment is under way. */
bool outfile_idle(const struct outfile *o);

/* All segments are collected: give the file its exact size in bytes (what
 * lies behind the last segment is a hole), make it durable and close it.  It
 * keeps its temporary name.  `*ret_adler` is the adler32 of all its bytes.
 */
must_check int outfile_finish(struct outfile *o, uint64_t size,
                              uint32_t *ret_adler, struct error *err);

/* Wait for the writers, then free; an unfinished file is removed. */
void outfile_free(struct outfile *o);

#endif
