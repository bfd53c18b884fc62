/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extent.c - see extent.h; knows arithmetic only */
#include "block/extent.h"

#include <inttypes.h>
#include <stdlib.h>

/* Doubling from a page on: few copies, at most half of it unused. */
#define FIRST_CAP 256

static int grow(struct extent_list *list, struct error *err)
{
    size_t cap = list->cap ? list->cap * 2 : FIRST_CAP;
    struct extent *items = NULL;

    if (list->count >= EXTENT_COUNT_MAX)
        return error_set(err, ERR_INPUT, "more than %zu extents on one disk",
                         EXTENT_COUNT_MAX);
    items = reallocarray(list->items, cap, sizeof(*items));
    if (!items)
        return error_memory(err);
    list->items = items;
    list->cap = cap;
    return 0;
}

int extent_append(struct extent_list *list, uint64_t offset, uint64_t length,
                  enum extent_kind kind, struct error *err)
{
    struct extent *last = NULL;
    uint64_t end = 0;

    if (length == 0)
        return 0;
    if (__builtin_add_overflow(offset, length, &end) || end > EXTENT_END_MAX)
        return error_set(err, ERR_INPUT,
                         "extent of %" PRIu64 " bytes at %" PRIu64
                         " passes the end of every disk",
                         length, offset);
    if (list->count > 0) {
        last = &list->items[list->count - 1];
        if (offset < extent_end(last))
            return error_set(err, ERR_INPUT,
                             "extent at %" PRIu64 " starts before %" PRIu64
                             ", the end of the one before it",
                             offset, extent_end(last));
        if (offset == extent_end(last) && last->kind == (unsigned)kind) {
            last->length = (end - last->offset) & EXTENT_END_MAX;
            return 0;
        }
    }
    if (list->count == list->cap && grow(list, err) < 0)
        return -1;
    last = &list->items[list->count++];
    last->offset = offset;
    last->length = length & EXTENT_END_MAX;
    last->kind = (unsigned)kind & 3;
    return 0;
}

uint64_t extent_total(const struct extent_list *list, enum extent_kind kind)
{
    uint64_t total = 0;

    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind == (unsigned)kind)
            total += list->items[i].length;
    return total;
}

uint64_t extent_total_all(const struct extent_list *list)
{
    uint64_t total = 0;

    for (size_t i = 0; i < list->count; i++)
        total += list->items[i].length;
    return total;
}

int extent_tiles(const struct extent_list *list, uint64_t size,
                 struct error *err)
{
    uint64_t end = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct extent *e = &list->items[i];

        if (e->offset != end)
            return error_set(err, ERR_INPUT,
                             "the extents say nothing about %" PRIu64
                             " bytes at %" PRIu64,
                             e->offset - end, end);
        end = extent_end(e);
    }
    if (end != size)
        return error_set(err, ERR_INPUT,
                         "the extents end at %" PRIu64 ", the disk at %" PRIu64,
                         end, size);
    return 0;
}

size_t extent_find(const struct extent_list *list, uint64_t offset)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (extent_end(&list->items[middle]) > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int extent_intersect(const struct extent_list *a, const struct extent_list *b,
                     struct extent_list *ret, struct error *err)
{
    size_t i = 0, j = 0;

    while (i < a->count && j < b->count) {
        const struct extent *x = &a->items[i], *y = &b->items[j];
        uint64_t start = MAX_OF(x->offset, y->offset);
        uint64_t end = MIN_OF(extent_end(x), extent_end(y));

        if (start < end && extent_append(ret, start, end - start,
                                         (enum extent_kind)x->kind, err) < 0)
            return -1;
        /* The one that ends first has nothing more to give. */
        if (extent_end(x) <= extent_end(y))
            i++;
        else
            j++;
    }
    return 0;
}

int extent_widen(const struct extent_list *list, uint64_t gap, uint64_t align,
                 uint64_t size, struct extent_list *ret, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct extent *e = &list->items[i];
        uint64_t start = e->offset & ~(align - 1);
        /* No overflow: both are far below 2^64. */
        uint64_t end = (extent_end(e) + align - 1) & ~(align - 1);

        if (extent_end(e) > size)
            return error_set(err, ERR_INPUT,
                             "extent of %" PRIu64 " bytes at %" PRIu64
                             " passes the end of the disk at %" PRIu64,
                             (uint64_t)e->length, e->offset, size);
        end = MIN_OF(end, size);
        if (ret->count > 0) {
            uint64_t before = extent_end(&ret->items[ret->count - 1]);

            if (start <= before || start - before < gap)
                start = before;
        }
        if (end > start &&
            extent_append(ret, start, end - start, EXTENT_DATA, err) < 0)
            return -1;
    }
    return 0;
}

void extent_list_free(struct extent_list *list)
{
    free(list->items);
    *list = (struct extent_list)EXTENT_LIST_INIT;
}
