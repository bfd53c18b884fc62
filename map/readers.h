/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* readers.h - a few readers of records for many threads
 *
 * A reader takes some 2 MiB; clients may have hundreds of requests under way.
 * So there are only as many as can be of use, made when they are needed, and
 * who finds none waits.
 */
#ifndef MAP_READERS_H
#define MAP_READERS_H

#include "base/error.h"
#include "base/macro.h"
#include "set/record.h"
#include "stream/codec_block.h"

/* At most so many records are read and decoded at once. */
#define READERS_MAX 6

struct readers;

/* For whole records, and for blocks of them. */
struct reader {
    struct record_reader *records;
    struct codec_block *blocks;
    unsigned char *stored; /* room for a block as it is stored */
    unsigned char *plain;  /* and decoded */
};

must_check int readers_new(struct readers **ret, struct error *err);

/* Nobody may be using one. */
void readers_free(struct readers *r);
void readers_freep(struct readers **r);

/* A reader for the calling thread, to be given back soon.  Whoever has one must
 * not wait for another thread.
 */
must_check int readers_take(struct readers *r, struct reader **ret,
                            struct error *err);
void readers_return(struct readers *r, struct reader *reader);

#endif
