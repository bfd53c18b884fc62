/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source.h - the data files a disk is made of, as one table
 *
 * Opens the files that a point needs for one disk, and lays their indexes over
 * each other, so that everybody behind sees one disk: which range comes from
 * which record of which file.  Of the indexes only the records that are still
 * visible stay in memory, so that it is the disk that decides how much that is,
 * and not the length of the chain.
 */
#ifndef SET_SOURCE_H
#define SET_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "set/blockmap.h"
#include "set/chain.h"
#include "set/index.h"

struct source_file {
    const struct chain_file *file; /* borrowed */
    struct index *index;           /* only the records that are visible; the
                                      numbers in the map are those of here */
    int fd;
};

struct source {
    struct source_file *files; /* the oldest first */
    size_t count;
    struct blockmap map;
    uint64_t size;      /* bytes of the disk */
    uint64_t data_size; /* bytes of it that come from data records */
};

/* A piece of work: a record of a file, read and checked as a whole; or, where
 * a record is long and not hashed, a part of it.
 */
struct source_work {
    uint32_t file;
    uint32_t record;
    struct index_record what;
    uint64_t offset, length; /* the part of the disk it stands for */
};

/* Where to go on; starts as {0}. */
struct source_cursor {
    size_t range;
    uint64_t done; /* bytes of the range that were given out */
};

must_check int source_open(const struct chain *chain,
                           const struct selection_disk *disk,
                           struct source *ret, struct error *err);

/* The same for files that stand in no chain: `open` gives the descriptor and
 * the index of file `number`, which become the source's.
 */
typedef int (*source_opener)(void *opaque, size_t number, int *ret_fd,
                             struct index **ret_index, struct error *err);
must_check int source_open_files(const struct chain_file *const *files,
                                 size_t count, source_opener open, void *opaque,
                                 struct source *ret, struct error *err);
void source_done(struct source *s);

/* The next piece of work, in the order of the disk; 0 at the end.  Every byte
 * that is data is in exactly one, if only the visible parts of a record are
 * counted (blockmap_pieces); zeroes are in none.
 */
int source_next(const struct source *s, struct source_cursor *cursor,
                struct source_work *ret);

#endif
