/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* blockmap.c - see blockmap.h; arithmetic only */
#include "set/blockmap.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/vec.h"

struct ranges {
    struct blockmap_range *items;
    size_t count, cap;
};

static void ranges_done(struct ranges *r)
{
    vec_free(r);
}

void blockmap_done(struct blockmap *map)
{
    free(map->ranges);
    *map = (struct blockmap)BLOCKMAP_INIT;
}

static uint64_t range_end(const struct blockmap_range *r)
{
    return r->offset + r->length;
}

/* Two sorted inputs, one sorted output. */
struct merge {
    const struct blockmap_builder *newer;
    size_t next; /* the first of `newer` that is not in `out` yet */
    uint32_t source;
    uint64_t limit;
    struct ranges *out;
};

/* Append what `newer` has in front of `offset`. */
static int merge_newer(struct merge *m, uint64_t offset, struct error *err)
{
    for (; m->next < m->newer->count; m->next++) {
        const struct blockmap_range *r = &m->newer->ranges[m->next];

        if (range_end(r) > offset)
            break;
        if (vec_push(m->out, *r) < 0)
            return error_memory(err);
    }
    return 0;
}

/* Append the parts of one older record that nothing newer hides. */
static int merge_record(struct merge *m, const struct index_record *record,
                        uint32_t number, struct error *err)
{
    uint64_t at = record->offset;
    uint64_t end = MIN_OF(record->offset + record->length, m->limit);

    while (at < end) {
        const struct blockmap_range *hides = NULL;
        uint64_t stop = end;

        if (merge_newer(m, at, err) < 0)
            return -1;
        if (m->next < m->newer->count)
            hides = &m->newer->ranges[m->next];
        if (hides && hides->offset <= at) {
            at = MIN_OF(end, range_end(hides));
            continue;
        }
        if (hides)
            stop = MIN_OF(end, hides->offset);
        if (vec_push(m->out, (struct blockmap_range){
                                 .offset = at,
                                 .length = stop - at,
                                 .source = m->source,
                                 .record = number,
                                 .delta = at - record->offset,
                             }) < 0)
            return error_memory(err);
        at = stop;
    }
    return 0;
}

void blockmap_builder_done(struct blockmap_builder *b)
{
    free(b->ranges);
    *b = (struct blockmap_builder)BLOCKMAP_BUILDER_INIT(0);
}

/* Put `own_ranges`, emptied, in the place of those before. */
static void replace(struct blockmap_builder *b, struct ranges *own_ranges)
{
    free(b->ranges);
    b->ranges = own_ranges->items;
    b->count = own_ranges->count;
    b->cap = own_ranges->cap;
    *own_ranges = (struct ranges){0};
}

int blockmap_put_below(struct blockmap_builder *b, const struct index *idx,
                       uint32_t source, struct error *err)
{
    _cleanup_(ranges_done) struct ranges out = {0};
    struct merge m = {.newer = b, .source = source, .out = &out};

    /* A disk that was smaller once has nothing of before behind that. */
    b->limit = MIN_OF(b->limit, index_virtual_size(idx));
    m.limit = b->limit;
    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record record = index_get(idx, i);

        if (merge_record(&m, &record, (uint32_t)i, err) < 0)
            return -1;
    }
    if (merge_newer(&m, UINT64_MAX, err) < 0)
        return -1;
    replace(b, &out);
    return 0;
}

int blockmap_finish(struct blockmap_builder *b, struct blockmap *ret,
                    struct error *err)
{
    _cleanup_(ranges_done) struct ranges out = {0};
    uint64_t at = 0;

    /* Call what no file holds zero: the disk has grown over it. */
    for (size_t i = 0; i <= b->count; i++) {
        const struct blockmap_range *r = i < b->count ? &b->ranges[i] : NULL;
        uint64_t start = r ? r->offset : b->size;

        if (start > at && vec_push(&out, (struct blockmap_range){
                                             .offset = at,
                                             .length = start - at,
                                             .source = BLOCKMAP_NONE,
                                         }) < 0)
            return error_memory(err);
        if (!r)
            break;
        if (vec_push(&out, *r) < 0)
            return error_memory(err);
        at = range_end(r);
    }
    ret->ranges = out.items;
    ret->count = out.count;
    ret->size = b->size;
    out = (struct ranges){0};
    blockmap_builder_done(b);
    return 0;
}

int blockmap_build(const struct index *const *indexes, size_t count,
                   uint64_t size, struct blockmap *ret, struct error *err)
{
    _cleanup_(blockmap_builder_done) struct blockmap_builder b =
        BLOCKMAP_BUILDER_INIT(size);

    if (count == 0 || count >= BLOCKMAP_NONE)
        return error_set(err, ERR_INPUT,
                         "a disk of %zu files cannot be put "
                         "together",
                         count);
    if (!index_covers(indexes[0]))
        return error_set(err, ERR_DAMAGED,
                         "the first file of the chain does not hold the whole "
                         "disk");
    for (size_t i = count; i-- > 0;)
        if (blockmap_put_below(&b, indexes[i], (uint32_t)i, err) < 0)
            return -1;
    return blockmap_finish(&b, ret, err);
}

size_t blockmap_find(const struct blockmap *map, uint64_t offset)
{
    size_t low = 0, high = map->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (range_end(&map->ranges[middle]) > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct blockmap_pieces blockmap_pieces(const struct blockmap *map,
                                       uint32_t source, uint32_t number,
                                       const struct index_record *record)
{
    return (struct blockmap_pieces){
        .map = map,
        .next = blockmap_find(map, record->offset),
        .end = record->offset + record->length,
        .source = source,
        .record = number,
    };
}

int blockmap_piece_next(struct blockmap_pieces *it, struct blockmap_range *ret)
{
    const struct blockmap *map = it->map;

    while (it->next < map->count && map->ranges[it->next].offset < it->end) {
        const struct blockmap_range *r = &map->ranges[it->next++];

        if (r->source == it->source && r->record == it->record) {
            *ret = *r;
            return 1;
        }
    }
    return 0;
}
