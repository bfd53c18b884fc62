/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cache.h - decoded records, as many as a fixed amount of memory holds
 *
 * Who wants a record asks for it.  Either it is there; or another thread is at
 * it, and one waits; or it is the caller's to load, and the others wait for
 * him: nothing is decoded twice at once.  What was not used for the longest
 * time makes room.  A record for which there is none (it is longer than the
 * cache, or all of it is in use) is loaded for the caller alone.
 *
 * The memory is cut into pages once, so that it neither grows nor is in shreds.
 * Knows bytes; must not know where they come from, nor whether they are right.
 */
#ifndef MAP_CACHE_H
#define MAP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

struct cache;

/* A record in the cache, or on its way there.  Its place is a pointer of the
 * user's, NULL at first, which from then on is the cache's.
 */
struct cache_item;

/* At most `size` bytes of decoded data; 0: nothing is kept.  The memory is
 * taken as it is needed.
 */
must_check int cache_new(uint64_t size, struct cache **ret, struct error *err);

/* Nobody may be using it; all places are dead. */
void cache_free(struct cache *c);
void cache_freep(struct cache **c);

enum cache_outcome {
    CACHE_MISS = 0, /* the caller loads it */
    CACHE_HIT = 1,
};

/* Ask for the record at `place`, of `length` bytes (0: nothing is to be kept,
 * the call only makes others wait).  Waits while another thread loads it.
 *
 * CACHE_HIT: cache_read as often as wanted, then cache_release.
 * CACHE_MISS: cache_write all of it, in any parts, then cache_loaded.
 */
must_check int cache_ask(struct cache *c, struct cache_item **place,
                         size_t length, struct cache_item **ret,
                         struct error *err);

/* The same without waiting: CACHE_MISS only says that it is not there. */
int cache_peek(struct cache *c, struct cache_item *const *place,
               struct cache_item **ret);

void cache_read(const struct cache *c, const struct cache_item *item,
                size_t offset, void *buf, size_t length);
void cache_release(struct cache *c, struct cache_item *item);

void cache_write(struct cache *c, const struct cache_item *item, size_t offset,
                 const void *bytes, size_t length);

/* The load is over.  `good`: what was written is the record, and is kept if
 * there was room; otherwise the next one who asks has to load it.
 */
void cache_loaded(struct cache *c, struct cache_item *item, bool good);

#endif
