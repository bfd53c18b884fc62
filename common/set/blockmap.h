/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* blockmap.h - one table of a disk from the indexes of a chain
 *
 * For every byte of the disk: which record of which file is the newest that
 * holds it.  Sorted, without gaps; restore and map find a place by binary
 * search and read each byte once, however long the chain.  Arithmetic only:
 * opens nothing.
 */
#ifndef SET_BLOCKMAP_H
#define SET_BLOCKMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/index.h"

/* Source of a range that no file holds: behind the end of a disk that has grown
 * since.  It reads as zeroes.
 */
#define BLOCKMAP_NONE UINT32_MAX

/* [offset, offset + length) of the disk. */
struct blockmap_range {
    uint64_t offset;
    uint64_t length;
    uint32_t source; /* number of the file in the chain, 0 = the oldest */
    uint32_t record; /* number of the record in its index */
    uint64_t delta;  /* where in the record the range begins: bytes of disk */
};

struct blockmap {
    struct blockmap_range *ranges;
    size_t count;
    uint64_t size; /* of the disk */
};

#define BLOCKMAP_INIT                                                          \
    {                                                                          \
        0                                                                      \
    }

void blockmap_done(struct blockmap *map);
#define _cleanup_blockmap_ __attribute__((cleanup(blockmap_done)))

/* Lay `count` indexes over each other, the oldest first, for a disk of `size`
 * bytes.  What a file holds behind the size of a newer one is cut off.
 * ERR_DAMAGED if the oldest does not cover the whole of its disk.  `*ret` must
 * be empty.
 */
must_check int blockmap_build(const struct index *const *indexes, size_t count,
                              uint64_t size, struct blockmap *ret,
                              struct error *err);

/* The same file by file, the newest first, for whoever does not want all
 * indexes in memory at once:
 *
 *     _cleanup_(blockmap_builder_done) struct blockmap_builder b =
 *         BLOCKMAP_BUILDER_INIT(size);
 *
 *     for each file: blockmap_put_below(&b, index, number, err)
 *     blockmap_finish(&b, &map, err)
 *
 * What blockmap_put_below has found visible of a file stays so: the ranges of
 * that source in `b.ranges` are all that will ever be needed of its index.
 */
struct blockmap_builder {
    struct blockmap_range *ranges; /* sorted, with gaps */
    size_t count, cap;
    uint64_t size;  /* of the disk */
    uint64_t limit; /* of the smallest file so far */
};

#define BLOCKMAP_BUILDER_INIT(bytes)                                           \
    {                                                                          \
        NULL, 0, 0, (bytes), (bytes)                                           \
    }

void blockmap_builder_done(struct blockmap_builder *b);
must_check int blockmap_put_below(struct blockmap_builder *b,
                                  const struct index *idx, uint32_t source,
                                  struct error *err);
/* What nothing holds is BLOCKMAP_NONE; `b` is then empty. */
must_check int blockmap_finish(struct blockmap_builder *b, struct blockmap *ret,
                               struct error *err);

/* The number of the range that contains `offset`, or map->count behind the
 * end.
 */
size_t blockmap_find(const struct blockmap *map, uint64_t offset);

/* The parts of one record that are still visible, in order:
 *
 *     struct blockmap_pieces it = blockmap_pieces(map, source, i, &record);
 *     while (blockmap_piece_next(&it, &range))
 */
struct blockmap_pieces {
    const struct blockmap *map;
    size_t next;
    uint64_t end;
    uint32_t source;
    uint32_t record;
};
struct blockmap_pieces blockmap_pieces(const struct blockmap *map,
                                       uint32_t source, uint32_t number,
                                       const struct index_record *record);
/* 1 and `*ret`, or 0 at the end. */
int blockmap_piece_next(struct blockmap_pieces *it, struct blockmap_range *ret);

#endif
