/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trailer.h - the stored sizes at the end of a compressed stream
 *
 * A JSON array with one entry for each data frame: the size of its lz4 frame,
 * or for extents that upstream cut into pieces of 32 MiB an object
 * {"144720": [140312, 4408]} with the total and the size of each piece.
 *
 * As it may have millions of entries, it is parsed and written as a stream,
 * and kept in four bytes a piece.  Must not know where it lies in the file.
 */
#ifndef STREAM_TRAILER_H
#define STREAM_TRAILER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/put.h"

/* Stored size of one piece, in bytes: at least an empty lz4 frame, at most
 * what fits beside the flag bit.  Pieces hold at most 32 MiB of plain data.
 */
#define TRAILER_PIECE_MIN 11
#define TRAILER_PIECE_MAX 0x7fffffffU

struct trailer {
    uint32_t *pieces; /* owned; bit 31 marks the last piece of an entry */
    size_t count, cap;
    uint64_t entries; /* data frames */
    uint64_t total;   /* stored bytes of all pieces */
};

#define TRAILER_INIT                                                           \
    {                                                                          \
        NULL, 0, 0, 0, 0                                                       \
    }

/* Free the memory and empty `t`. */
void trailer_free(struct trailer *t);
#define _cleanup_trailer_ _cleanup_(trailer_free)

/* Append a piece of `stored_length` bytes; `last` ends its entry.  ERR_DAMAGED
 * for a size out of bounds.
 */
must_check int trailer_add(struct trailer *t, uint64_t stored_length, bool last,
                           struct error *err);

/* The stored size of piece `i` < count. */
static inline uint32_t trailer_piece_size(const struct trailer *t, size_t i)
{
    return t->pieces[i] & TRAILER_PIECE_MAX;
}

/* Whether piece `i` < count is the last one of its entry. */
static inline bool trailer_piece_last(const struct trailer *t, size_t i)
{
    return t->pieces[i] > TRAILER_PIECE_MAX;
}

/* Write the array, without anything around it, to `put` in parts of a few KiB.
 * Entries of one piece are written as integers.  `*ret_length` is the number
 * of bytes written.
 */
must_check int trailer_encode(const struct trailer *t, stream_put put,
                              void *opaque, uint64_t *ret_length,
                              struct error *err);

/* A parser to be fed with the array in parts of any size. */
struct trailer_parser {
    struct trailer *into;
    uint64_t total_max;
    uint64_t position; /* bytes eaten */
    uint64_t number;   /* the number being read */
    uint64_t key;      /* the total of an object, as its key says it */
    uint64_t sum;      /* the same, as its pieces say it */
    uint64_t held;     /* a piece not known to be the last one; 0: none */
    int state;
};

/* Start parsing into the empty trailer `into`, which the caller frees also
 * after an error.  More than `total_max` stored bytes in all are an error;
 * this also bounds the memory.
 */
void trailer_parse_begin(struct trailer_parser *p, struct trailer *into,
                         uint64_t total_max);

/* Parse the next `len` bytes. */
must_check int trailer_parse_feed(struct trailer_parser *p, const char *bytes,
                                  size_t len, struct error *err);

/* No more bytes: the array must be complete. */
must_check int trailer_parse_end(struct trailer_parser *p, struct error *err);

#endif
