/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plain.c - the engine for uncompressed streams and raw images, see engine.h
 *
 * Two walks over the same layout: the filler puts headers into segments and
 * starts reads that land at their final place; the hasher follows in the order
 * of the file, read by read as they are done, because what has just come is in
 * the processor's cache yet.  It adds the records of the index, and hands
 * complete segments to the writers.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "layout.h"

/* A read under way, or done and not yet hashed. */
struct plain_read {
    struct out_segment *segment;
    uint64_t end; /* in the file */
    bool done;
};

struct plain {
    struct engine *e;
    struct layout fill;
    struct out_segment *segment; /* being filled; NULL: none */
    struct layout_piece piece;   /* being filled in */
    uint64_t piece_done;
    bool finished;              /* everything is in segments or was skipped */
    struct out_segment **queue; /* filled or being filled, not yet hashed */
    unsigned queue_size;
    uint64_t head, tail;
    struct plain_read *reads; /* a ring in the order of the file */
    size_t read_size;
    uint64_t read_head, read_tail;
    struct layout hash;
    struct index_hasher *hasher;
    struct index_record record; /* the chunk being hashed */
    bool zero;                  /* it is all zeroes; known in images only */
};

/* Step over whole segments of a hole, which nobody needs to see. */
static void skip_hole(struct plain *p)
{
    uint64_t ahead = layout_hole_ahead(&p->fill);
    uint64_t end = layout_position(&p->fill) + ahead / OUT_BLOCK * OUT_BLOCK;
    struct layout_piece piece;

    if (ahead < OUT_SEGMENT_SIZE)
        return;
    while (layout_next(&p->fill, end, &piece))
        continue;
}

static bool open_segment(struct plain *p)
{
    if (p->finished)
        return false;
    skip_hole(p);
    p->segment = outfile_segment(p->e->out, layout_position(&p->fill));
    if (!p->segment)
        return false;
    p->queue[p->tail++ % p->queue_size] = p->segment;
    return true;
}

static void close_segment(struct plain *p)
{
    p->segment->used = (size_t)(layout_position(&p->fill) - p->segment->offset);
    p->segment->full = true;
    p->segment = NULL;
}

/* Start reading `n` bytes of the current piece. */
static int start_read(struct plain *p, size_t n, struct error *err)
{
    const struct layout_piece *piece = &p->piece;
    uint64_t at = piece->file_offset + p->piece_done;
    struct out_segment *s = p->segment;
    struct plain_read *r = &p->reads[p->read_tail % p->read_size];

    *r = (struct plain_read){.segment = s, .end = at + n};
    if (pull_read(p->e->pull, piece->disk_offset + p->piece_done, n,
                  s->data + (at - s->offset), r, err) < 0)
        return -1;
    p->read_tail++;
    s->pending++;
    p->piece_done += n;
    return 0;
}

/* Start reads of the current piece while that is possible.  Outcome 1: the
 * piece is done.
 */
static int fill_reads(struct plain *p, struct error *err)
{
    const struct layout_piece *piece = &p->piece;

    while (p->piece_done < piece->length) {
        size_t n;

        if (p->read_tail - p->read_head == p->read_size)
            return 0;
        n = engine_may_read(p->e, piece->length - p->piece_done);
        if (n == 0)
            return 0;
        if (start_read(p, n, err) < 0)
            return -1;
    }
    return 1;
}

/* Put the current piece into the segment.  Outcome 1: it is done. */
static int fill_piece(struct plain *p, struct error *err)
{
    const struct layout_piece *piece = &p->piece;
    size_t base = (size_t)(piece->file_offset - p->segment->offset);

    switch (piece->kind) {
    case LAYOUT_TEXT:
        memcpy(p->segment->data + base, piece->text, (size_t)piece->length);
        return 1;
    case LAYOUT_HOLE:
        out_segment_hole(p->segment, base, base + (size_t)piece->length);
        return 1;
    case LAYOUT_READ:
    default:
        return fill_reads(p, err);
    }
}

/* Take the layout's next piece into the segment, or close it. */
static bool next_piece(struct plain *p)
{
    uint64_t limit = p->segment->offset + OUT_SEGMENT_SIZE;

    if (layout_next(&p->fill, limit, &p->piece)) {
        p->piece_done = 0;
        return true;
    }
    p->finished = layout_ended(&p->fill);
    close_segment(p);
    return false;
}

/* Fill segments until something has to be waited for. */
static int fill(struct plain *p, struct error *err)
{
    for (;;) {
        int done;

        if (!p->segment && (!open_segment(p) || !next_piece(p)))
            return 0;
        done = fill_piece(p, err);
        if (done <= 0)
            return done;
        if (!next_piece(p) && p->finished)
            return 0;
    }
}

static bool is_zero(const unsigned char *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* Zeroes that were read take no space in an image: not every server tells where
 * they are.  A stream keeps them as data, as its frames say.
 */
static bool drop_zeroes(struct plain *p, struct out_segment *s, size_t begin,
                        size_t length)
{
    if (!p->e->raw || !is_zero(s->data + begin, length))
        return false;
    out_segment_hole(s, begin, begin + length);
    return true;
}

static void begin_chunk(struct plain *p, uint64_t offset, uint64_t file_offset)
{
    p->record = (struct index_record){
        .kind = INDEX_DATA, .offset = offset, .file_offset = file_offset};
    p->zero = true;
    index_hasher_reset(p->hasher);
}

static int end_chunk(struct plain *p, struct error *err)
{
    if (p->zero) {
        p->record.kind = INDEX_ZERO;
    } else {
        index_hasher_get(p->hasher, p->record.hash);
        p->record.hashed = true;
    }
    if (index_writer_add(p->e->index, &p->record, err) < 0)
        return -1;
    p->record.length = 0;
    return 0;
}

/* Hash a piece that was read, chunk by chunk from the frame's start on. */
static int hash_read(struct plain *p, const struct layout_piece *piece,
                     struct out_segment *s, struct error *err)
{
    size_t base = 0;
    uint64_t done = 0;

    /* What lies in front of a segment was skipped: nothing of it is read. */
    if (!s)
        return error_set(err, ERR_NBD, "bytes that no segment holds were read");
    base = (size_t)(piece->file_offset - s->offset);
    progress_read(p->e->progress, piece->length);
    while (done < piece->length) {
        struct index_record *r = &p->record;
        uint64_t n;

        if (r->length == 0)
            begin_chunk(p, piece->disk_offset + done,
                        piece->file_offset + done);
        n = MIN_OF(piece->length - done, PLAN_CHUNK_SIZE - r->length);
        index_hasher_add(p->hasher, s->data + base + done, (size_t)n);
        p->zero &= drop_zeroes(p, s, base + (size_t)done, (size_t)n);
        done += n;
        r->length += n;
        r->stored_length = r->length;
        if ((r->length == PLAN_CHUNK_SIZE ||
             (piece->frame_ends && done == piece->length)) &&
            end_chunk(p, err) < 0)
            return -1;
    }
    return 0;
}

/* Zeroes need no hash: one record tells the whole frame. */
static int add_zero(struct plain *p, const struct plan_frame *frame,
                    uint64_t file_offset, uint64_t stored, struct error *err)
{
    struct index_record record = {
        .kind = INDEX_ZERO,
        .offset = frame->offset,
        .length = frame->length,
        .file_offset = file_offset,
        .stored_length = stored,
    };

    return index_writer_add(p->e->index, &record, err);
}

/* Walk the layout up to `limit`; `s` holds the bytes, NULL in skipped holes. */
static int hash_until(struct plain *p, uint64_t limit, struct out_segment *s,
                      struct error *err)
{
    struct layout_piece piece;

    while (layout_next(&p->hash, limit, &piece)) {
        int r = 0;

        if (piece.kind == LAYOUT_TEXT && piece.zero.length > 0)
            r = add_zero(p, &piece.zero, 0, 0, err);
        else if (piece.kind == LAYOUT_HOLE && piece.frame_starts)
            r = add_zero(p, &piece.frame, piece.file_offset, piece.frame.length,
                         err);
        else if (piece.kind == LAYOUT_READ)
            r = hash_read(p, &piece, s, err);
        if (r < 0)
            return -1;
    }
    return 0;
}

/* Hash the reads that are done and have nothing unfinished in front. */
static int hash_reads(struct plain *p, struct error *err)
{
    while (p->read_head < p->read_tail) {
        struct plain_read *r = &p->reads[p->read_head % p->read_size];

        if (!r->done)
            break;
        if (hash_until(p, r->segment->offset, NULL, err) < 0 ||
            hash_until(p, r->end, r->segment, err) < 0)
            return -1;
        p->read_head++;
    }
    return 0;
}

/* Submit the segments that are complete.  Outcome 1: some. */
static int submit_ready(struct plain *p, struct error *err)
{
    int some = 0;

    while (p->head < p->tail) {
        struct out_segment *s = p->queue[p->head % p->queue_size];

        if (!s->full || s->pending > 0)
            break;
        if (hash_until(p, s->offset, NULL, err) < 0 ||
            hash_until(p, s->offset + s->used, s, err) < 0)
            return -1;
        p->head++;
        outfile_submit(p->e->out, s);
        some = 1;
    }
    return some;
}

static int take_reads(struct plain *p, struct error *err)
{
    struct plain_read *r;

    while ((r = pull_done(p->e->pull))) {
        r->done = true;
        r->segment->pending--;
    }
    return hash_reads(p, err);
}

static int run(struct plain *p, struct error *err)
{
    while (!p->finished || p->head < p->tail || !outfile_idle(p->e->out)) {
        int submitted, collected;

        if (take_reads(p, err) < 0 || fill(p, err) < 0)
            return -1;
        submitted = submit_ready(p, err);
        if (submitted < 0)
            return -1;
        collected = outfile_collect(p->e->out, err);
        if (collected < 0)
            return -1;
        if (submitted + collected == 0 && engine_wait(p->e, err) < 0)
            return -1;
    }
    return 0;
}

/* Room for the queue and the hasher; plain_done frees them in any case. */
static int plain_begin(struct plain *p, struct error *err)
{
    /* Room for those that overtake. */
    p->read_size = 2 * pull_room(p->e->pull);
    p->queue = calloc(p->queue_size, sizeof(*p->queue));
    p->reads = calloc(p->read_size, sizeof(*p->reads));
    if (!p->queue || !p->reads)
        return error_memory(err);
    return index_hasher_new(&p->hasher, err);
}

static void plain_done(struct plain *p)
{
    index_hasher_free(p->hasher);
    free(p->queue);
    free(p->reads);
}

static void begin_layout(const struct engine *e, struct layout *l)
{
    if (e->raw)
        layout_begin_raw(l, e->extents, &e->policy);
    else
        layout_begin(l, e->head, e->head_length, e->extents, &e->policy);
}

int engine_plain(struct engine *e, uint64_t *ret_size, struct error *err)
{
    _cleanup_(plain_done) struct plain p = {
        .e = e, .queue_size = outfile_count(e->out)};
    int r = plain_begin(&p, err);

    begin_layout(e, &p.fill);
    begin_layout(e, &p.hash);
    if (r == 0)
        r = run(&p, err);
    /* Reads under way would still land in the segments. */
    pull_free(take(e->pull));
    if (r < 0)
        return -1;
    *ret_size = layout_position(&p.fill);
    return 0;
}
