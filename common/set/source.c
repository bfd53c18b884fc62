/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source.c - see source.h */
#include "set/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/plan.h"

static struct index_record record_of(const struct source *s,
                                     const struct blockmap_range *range)
{
    return index_get(s->files[range->source].index, range->record);
}

static bool is_data(const struct source *s, const struct blockmap_range *range)
{
    return range->source != BLOCKMAP_NONE &&
           record_of(s, range).kind == INDEX_DATA;
}

/* Keep the records of file `number` that are visible, and give them the numbers
 * that they have among those.
 */
static int keep_visible(struct source_file *f, uint32_t number,
                        struct blockmap_builder *b, struct error *err)
{
    _cleanup_(index_freep) struct index *whole = take(f->index);
    _cleanup_free_ uint32_t *numbers =
        malloc((index_count(whole) + 1) * sizeof(*numbers));
    size_t count = 0;

    if (!numbers)
        return error_memory(err);
    for (size_t i = 0; i < b->count; i++) {
        struct blockmap_range *r = &b->ranges[i];

        if (r->source != number)
            continue;
        if (count == 0 || numbers[count - 1] != r->record)
            numbers[count++] = r->record;
        r->record = (uint32_t)(count - 1);
    }
    return index_pick(whole, numbers, count, &f->index, err);
}

/* The newest first: what is behind it then is not in the way. */
static int open_files(struct source *s, source_opener open, void *opaque,
                      struct error *err)
{
    _cleanup_(blockmap_builder_done) struct blockmap_builder b =
        BLOCKMAP_BUILDER_INIT(s->size);

    for (size_t i = s->count; i-- > 0;) {
        struct source_file *f = &s->files[i];

        if (open(opaque, i, &f->fd, &f->index, err) < 0)
            return -1;
        if (i == 0 && !index_covers(f->index))
            return error_set(err, ERR_DAMAGED,
                             "'%s', the first file of the chain, does not hold "
                             "the whole disk",
                             f->file->file);
        if (blockmap_put_below(&b, f->index, (uint32_t)i, err) < 0 ||
            keep_visible(f, (uint32_t)i, &b, err) < 0)
            return -1;
    }
    return blockmap_finish(&b, &s->map, err);
}

int source_open_files(const struct chain_file *const *files, size_t count,
                      source_opener open, void *opaque, struct source *ret,
                      struct error *err)
{
    struct source s = {.files = calloc(count + 1, sizeof(*s.files))};

    if (!s.files)
        return error_memory(err);
    if (count == 0 || count >= BLOCKMAP_NONE) {
        free(s.files);
        return error_set(err, ERR_INPUT,
                         "a disk of %zu files cannot be put together", count);
    }
    s.count = count;
    s.size = files[count - 1]->virtual_size;
    for (size_t i = 0; i < count; i++)
        s.files[i] = (struct source_file){.file = files[i], .fd = -1};
    if (open_files(&s, open, opaque, err) < 0) {
        source_done(&s);
        return -1;
    }
    for (size_t i = 0; i < s.map.count; i++)
        if (is_data(&s, &s.map.ranges[i]))
            s.data_size += s.map.ranges[i].length;
    *ret = s;
    return 0;
}

struct from_chain {
    const struct chain *chain;
    const struct chain_file *const *files;
};

static int open_from_chain(void *opaque, size_t number, int *ret_fd,
                           struct index **ret_index, struct error *err)
{
    const struct from_chain *from = opaque;
    _cleanup_close_ int fd = -1;

    if (chain_file_open(from->chain, from->files[number], &fd, err) < 0 ||
        chain_file_index(from->chain, from->files[number], ret_index, err) < 0)
        return -1;
    *ret_fd = take_fd(fd);
    return 0;
}

int source_open(const struct chain *chain, const struct selection_disk *disk,
                struct source *ret, struct error *err)
{
    struct from_chain from = {chain, disk->files};

    return source_open_files(disk->files, disk->file_count, open_from_chain,
                             &from, ret, err);
}

void source_done(struct source *s)
{
    for (size_t i = 0; i < s->count; i++) {
        index_free(s->files[i].index);
        closep(&s->files[i].fd);
    }
    free(s->files);
    blockmap_done(&s->map);
    memset(s, 0, sizeof(*s));
}

/* Can a part of the record be used without the rest?  Not if it has a hash
 * over all of it, or is compressed.
 */
static bool is_divisible(const struct index_record *r)
{
    return !r->hashed && !r->compressed;
}

/* Is this range the first visible part of its record? */
static bool is_first(const struct source *s, const struct blockmap_range *range,
                     const struct index_record *record)
{
    struct blockmap_pieces it =
        blockmap_pieces(&s->map, range->source, range->record, record);
    struct blockmap_range piece;

    return blockmap_piece_next(&it, &piece) && piece.offset == range->offset;
}

static int give_part(struct source_cursor *c,
                     const struct blockmap_range *range,
                     struct source_work *ret)
{
    ret->offset = range->offset + c->done;
    ret->length = MIN_OF(range->length - c->done, PLAN_CHUNK_SIZE);
    c->done += ret->length;
    if (c->done == range->length) {
        c->done = 0;
        c->range++;
    }
    return 1;
}

int source_next(const struct source *s, struct source_cursor *cursor,
                struct source_work *ret)
{
    while (cursor->range < s->map.count) {
        const struct blockmap_range *range = &s->map.ranges[cursor->range];
        struct index_record record;

        if (is_data(s, range)) {
            record = record_of(s, range);
            *ret = (struct source_work){
                .file = range->source,
                .record = range->record,
                .what = record,
            };
            if (is_divisible(&record))
                return give_part(cursor, range, ret);
            if (is_first(s, range, &record)) {
                ret->offset = record.offset;
                ret->length = record.length;
                cursor->range++;
                return 1;
            }
        }
        cursor->range++;
    }
    return 0;
}
