/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source.c - see source.h */
#include "set/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/plan.h"

static int build_map(struct source *s, struct error *err)
{
    _cleanup_free_ const struct index **indexes =
        calloc(s->count + 1, sizeof(*indexes));

    if (!indexes)
        return error_memory(err);
    for (size_t i = 0; i < s->count; i++)
        indexes[i] = s->files[i].index;
    return blockmap_build(indexes, s->count, s->size, &s->map, err);
}

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

int source_open(const struct chain *chain, const struct selection_disk *disk,
                struct source *ret, struct error *err)
{
    struct source s = {.size = disk->virtual_size};
    int r = 0;

    s.files = calloc(disk->file_count, sizeof(*s.files));
    if (!s.files)
        return error_memory(err);
    for (size_t i = 0; i < disk->file_count && r == 0; i++) {
        struct source_file *f = &s.files[s.count++];

        f->file = disk->files[i];
        f->fd = -1;
        r = chain_file_open(chain, f->file, &f->fd, err);
        if (r == 0)
            r = chain_file_index(chain, f->file, &f->index, err);
    }
    if (r == 0)
        r = build_map(&s, err);
    if (r < 0) {
        source_done(&s);
        return -1;
    }
    for (size_t i = 0; i < s.map.count; i++)
        if (is_data(&s, &s.map.ranges[i]))
            s.data_size += s.map.ranges[i].length;
    *ret = s;
    return 0;
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
