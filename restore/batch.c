/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batch.c - see batch.h */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "block/plan.h"

/* Between records that are wanted so much may be read for nothing. */
#define GAP_MAX ((uint64_t)(16 * KIB))

/* A batch of plain records and the headers between them is one read. */
#define READ_MAX (BATCH_SIZE + 256 * KIB)

struct batch {
    unsigned char *bytes; /* BATCH_SIZE */
    uint64_t base;        /* where on the disk they begin */
    uint64_t stored;
    VEC(struct source_work) works;
    VEC(struct batch_part) parts;
};

int batch_tools_init(struct batch_tools *tools, struct error *err)
{
    if (record_reader_new(&tools->reader, err) < 0)
        return -1;
    return window_new(READ_MAX, &tools->window, err);
}

void batch_tools_done(struct batch_tools *tools)
{
    record_reader_free(tools->reader);
    window_free(tools->window);
    *tools = (struct batch_tools){0};
}

int batch_new(struct batch **ret, struct error *err)
{
    _cleanup_(batch_freep) struct batch *b = calloc(1, sizeof(*b));

    if (!b)
        return error_memory(err);
    b->bytes = malloc(BATCH_SIZE);
    if (!b->bytes)
        return error_memory(err);
    *ret = take(b);
    return 0;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    vec_free(&b->works);
    vec_free(&b->parts);
    free(b->bytes);
    free(b);
}

static void reset(struct batch *b, uint64_t base)
{
    b->base = base;
    b->stored = 0;
    b->works.count = 0;
    b->parts.count = 0;
}

/* A part of a record that is neither hashed nor compressed? */
static bool is_part(const struct source_work *w)
{
    return !w->what.hashed && !w->what.compressed;
}

/* Where its bytes are in the file. */
static uint64_t file_begin(const struct source_work *w)
{
    return w->what.file_offset + (is_part(w) ? w->offset - w->what.offset : 0);
}

static uint64_t file_length(const struct source_work *w)
{
    return is_part(w) ? w->length : w->what.stored_length;
}

/* The first byte of the disk that it gives. */
static uint64_t first_visible(const struct source *s,
                              const struct source_work *w)
{
    struct blockmap_pieces it =
        blockmap_pieces(&s->map, w->file, w->record, &w->what);
    struct blockmap_range piece;

    if (is_part(w) || !blockmap_piece_next(&it, &piece))
        return w->offset;
    return piece.offset;
}

int batch_gather(struct batch *b, const struct source *s,
                 struct source_cursor *cursor, struct source_work *ret_long,
                 struct error *err)
{
    reset(b, 0);
    for (;;) {
        const struct source_cursor before = *cursor;
        struct source_work work;
        bool fits = false;

        if (!source_next(s, cursor, &work))
            break;
        if (b->works.count == 0)
            reset(b, first_visible(s, &work));
        fits = (is_part(&work) || record_is_short(&work.what)) &&
               work.offset + work.length <= b->base + BATCH_SIZE;
        if (!fits && b->works.count == 0) {
            *ret_long = work;
            return BATCH_LONG;
        }
        if (!fits) {
            *cursor = before;
            break;
        }
        if (vec_push(&b->works, work) < 0)
            return error_memory(err);
        b->stored += file_length(&work);
    }
    return b->works.count > 0;
}

static int by_place(const void *one, const void *other)
{
    const struct source_work *a = one, *b = other;

    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (file_begin(a) != file_begin(b))
        return file_begin(a) < file_begin(b) ? -1 : 1;
    return 0;
}

static int add_part(struct batch *b, uint64_t offset, uint64_t length,
                    struct error *err)
{
    const struct batch_part part = {offset, length};

    return vec_push(&b->parts, part) < 0 ? error_memory(err) : 0;
}

/* Lay the visible parts of a record, whose plain bytes these are, where they
 * belong.
 */
static int lay(struct batch *b, const struct source *s,
               const struct source_work *w, const unsigned char *plain,
               struct error *err)
{
    struct blockmap_pieces it =
        blockmap_pieces(&s->map, w->file, w->record, &w->what);
    struct blockmap_range piece;

    while (blockmap_piece_next(&it, &piece)) {
        unsigned char *to = b->bytes + (piece.offset - b->base);
        const unsigned char *from = plain + (piece.offset - w->what.offset);

        if (to != from)
            memcpy(to, from, (size_t)piece.length);
        if (add_part(b, piece.offset, piece.length, err) < 0)
            return -1;
    }
    return 0;
}

/* Is nothing newer than the record on its part of the disk? */
static bool is_whole(const struct source *s, const struct source_work *w)
{
    struct blockmap_pieces it =
        blockmap_pieces(&s->map, w->file, w->record, &w->what);
    struct blockmap_range piece;

    return blockmap_piece_next(&it, &piece) && piece.length == w->what.length;
}

static int take_stored(struct batch *b, const struct source *s,
                       const struct source_work *w, const unsigned char *stored,
                       const struct batch_tools *tools, struct error *err)
{
    const char *name = s->files[w->file].file->file;
    const unsigned char *plain = NULL;
    unsigned char *room = NULL;

    if (is_part(w)) {
        memcpy(b->bytes + (w->offset - b->base), stored, (size_t)w->length);
        return add_part(b, w->offset, w->length, err);
    }
    if (is_whole(s, w))
        room = b->bytes + (w->what.offset - b->base);
    if (record_unpack(tools->reader, name, &w->what, stored, room, &plain,
                      err) < 0)
        return -1;
    return lay(b, s, w, plain, err);
}

/* The number of works from `first` on that one read can get, and its length. */
static size_t plan_read(const struct batch *b, size_t first, size_t *ret_length)
{
    const struct source_work *w = &b->works.items[first];
    uint64_t begin = file_begin(w), end = begin + file_length(w);
    size_t n = 1;

    for (; first + n < b->works.count; n++) {
        const struct source_work *next = &b->works.items[first + n];
        uint64_t next_end = file_begin(next) + file_length(next);

        if (next->file != w->file || file_begin(next) > end + GAP_MAX ||
            next_end > begin + READ_MAX)
            break;
        end = MAX_OF(end, next_end);
    }
    *ret_length = (size_t)(end - begin);
    return n;
}

static int by_offset(const void *one, const void *other)
{
    const struct batch_part *a = one, *b = other;

    return (a->offset > b->offset) - (a->offset < b->offset);
}

static void join_parts(struct batch *b)
{
    size_t n = 0;

    qsort(b->parts.items, b->parts.count, sizeof(*b->parts.items), by_offset);
    vec_foreach (part, &b->parts) {
        struct batch_part *last = n > 0 ? &b->parts.items[n - 1] : NULL;

        if (last && last->offset + last->length == part->offset)
            last->length += part->length;
        else
            b->parts.items[n++] = *part;
    }
    b->parts.count = n;
}

/* Read works from `first` on at once: their number; -1: failed. */
static int read_some(struct batch *b, size_t first, const struct source *s,
                     const struct batch_tools *tools, struct error *err)
{
    const struct source_work *w = &b->works.items[first];
    const struct source_file *f = &s->files[w->file];
    const unsigned char *bytes = NULL;
    size_t length = 0, n = plan_read(b, first, &length);

    if (window_read(tools->window, f->fd, f->file->file, file_begin(w), length,
                    &bytes, err) < 0) {
        if (n == 1)
            return -1;
        /* What cannot be read may be of no record that is wanted. */
        error_clear(err);
        n = 1;
        if (window_read(tools->window, f->fd, f->file->file, file_begin(w),
                        (size_t)file_length(w), &bytes, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < n; i++)
        if (take_stored(b, s, &w[i],
                        bytes + (file_begin(&w[i]) - file_begin(w)), tools,
                        err) < 0)
            return -1;
    return (int)n;
}

int batch_read(struct batch *b, const struct source *s,
               const struct batch_tools *tools, struct error *err)
{
    int n = 0;

    qsort(b->works.items, b->works.count, sizeof(*b->works.items), by_place);
    for (size_t i = 0; i < b->works.count; i += (size_t)n) {
        n = read_some(b, i, s, tools, err);
        if (n < 0)
            return -1;
    }
    join_parts(b);
    return 0;
}

void batch_set(struct batch *b, uint64_t offset, const void *bytes,
               size_t length)
{
    reset(b, offset);
    memcpy(b->bytes, bytes, length);
}

const unsigned char *batch_bytes(const struct batch *b, uint64_t offset)
{
    return b->bytes + (offset - b->base);
}

const struct batch_part *batch_parts(const struct batch *b, size_t *ret_count)
{
    *ret_count = b->parts.count;
    return b->parts.items;
}

size_t batch_records(const struct batch *b)
{
    return b->works.count;
}

uint64_t batch_stored(const struct batch *b)
{
    return b->stored;
}
