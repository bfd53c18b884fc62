/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extent.h - which parts of a disk hold what
 *
 * A list of half-open byte ranges [offset, offset + length) with a kind,
 * ascending, without overlap; gaps are allowed (nothing is said about them).
 * Arithmetic only: it must not know where the ranges come from, nor what is
 * made of them.
 *
 * Hides the growing of the array and the checked arithmetic.  Sixteen bytes
 * an extent, so that a disk with millions of them stays affordable.
 */
#ifndef BLOCK_EXTENT_H
#define BLOCK_EXTENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

/* The largest end of a range, hence the largest disk: 4 EiB less one byte. */
#define EXTENT_END_MAX ((UINT64_C(1) << 62) - 1)

/* More extents than this are refused (1 GiB of memory): a server may lie. */
#define EXTENT_COUNT_MAX ((size_t)1 << 26)

enum extent_kind {
    EXTENT_DATA = 0,           /* must be read */
    EXTENT_ZERO_ALLOCATED = 1, /* has space of its own, reads as zeroes */
    EXTENT_ZERO = 2,           /* a hole that reads as zeroes */
};

struct extent {
    uint64_t offset;
    uint64_t length : 62; /* never 0 in a list */
    uint64_t kind : 2;    /* enum extent_kind */
};

struct extent_list {
    struct extent *items;
    size_t count, cap;
};

/* An empty list; owns nothing. */
#define EXTENT_LIST_INIT                                                       \
    {                                                                          \
        NULL, 0, 0                                                             \
    }
#define _cleanup_extents_ _cleanup_(extent_list_free)

/* The first byte behind `e`. */
static inline uint64_t extent_end(const struct extent *e)
{
    return e->offset + e->length;
}

/* Append `length` bytes at `offset`.  A range that touches the last one and is
 * of its kind makes that one longer; length 0 does nothing.  ERR_INPUT if it
 * starts before the end of the last extent, passes EXTENT_END_MAX, or is one
 * too many; ERR_MEMORY.  The list is unchanged on failure.
 */
must_check int extent_append(struct extent_list *list, uint64_t offset,
                             uint64_t length, enum extent_kind kind,
                             struct error *err);

/* Bytes of one kind; bytes of all kinds. */
uint64_t extent_total(const struct extent_list *list, enum extent_kind kind);
uint64_t extent_total_all(const struct extent_list *list);

/* Check that the list covers exactly [0, size), without a gap.  ERR_INPUT
 * names the first offset where it does not.
 */
must_check int extent_tiles(const struct extent_list *list, uint64_t size,
                            struct error *err);

/* The index of the first extent that ends behind `offset`: the one that holds
 * it, or the next one, or list->count.  Binary search.
 */
size_t extent_find(const struct extent_list *list, uint64_t offset);

/* The parts of `a` that lie inside ranges of `b`, with the kinds of `a`;
 * neighbours of one kind that touch are merged.  Appended to an empty
 * `*ret`, which the caller frees, also after a failure.
 */
must_check int extent_intersect(const struct extent_list *a,
                                const struct extent_list *b,
                                struct extent_list *ret, struct error *err);

/* The ranges of `list`, whatever their kind, with ranges closer to each other
 * than `gap` bytes joined (the gap included) and both ends moved outwards to
 * multiples of `align` (a power of two), but not behind `size`.  All are
 * EXTENT_DATA.  Appended to an empty `*ret` like above.
 */
must_check int extent_widen(const struct extent_list *list, uint64_t gap,
                            uint64_t align, uint64_t size,
                            struct extent_list *ret, struct error *err);

/* Free what the list owns and make it empty.  Also the cleanup function. */
void extent_list_free(struct extent_list *list);

#endif
