/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* segment.h - aligned buffers in which readers and writers meet
 *
 * A pool is a fixed number of equal buffers, allocated once: what bounds the
 * memory of a run.  A segment belongs to whoever took it until it is given
 * back, from any thread.  Nobody waits inside: a taker that gets none polls
 * segment_pool_fd().
 */
#ifndef BASE_SEGMENT_H
#define BASE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/workers.h"

#define SEGMENT_ALIGN 4096

struct segment {
    unsigned char *data; /* aligned to SEGMENT_ALIGN; content undefined */
    size_t size;         /* bytes there; a multiple of SEGMENT_ALIGN */
    size_t index;        /* 0 to count - 1: for the owner's own tables */

    /* The owner's, all zero after segment_take: */
    size_t used;     /* bytes filled */
    uint64_t offset; /* where they belong */
    void *owner;
    struct job job; /* to hand it to workers */

    struct segment *next; /* the owner's list; the pool's when it is back */
};

struct segment_pool;

/* `count` segments of `size` bytes (rounded up to SEGMENT_ALIGN). */
must_check struct segment_pool *segment_pool_new(size_t count, size_t size,
                                                 struct error *err);

/* A free segment, or NULL: none now. */
must_check struct segment *segment_take(struct segment_pool *pool);

/* Give it back. */
void segment_give(struct segment_pool *pool, struct segment *segment);

/* Readable after a segment_give, until segment_take returns NULL again; so:
 * take until NULL, then poll.  Only to be polled.
 */
int segment_pool_fd(const struct segment_pool *pool);

/* Are all segments back? */
bool segment_pool_idle(struct segment_pool *pool);

/* Free the pool; all segments must be back.  Accepts NULL. */
void segment_pool_free(struct segment_pool *pool);
DEFINE_CLEANUP(struct segment_pool *, segment_pool_free);

#endif
