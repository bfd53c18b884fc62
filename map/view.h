/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* view.h - a disk, readable at any place by any number of threads
 *
 * What set/source.h has put together, byte by byte: zeroes are zeroes without
 * reading; a plain record without a hash is read as far as it is asked for; one
 * with a hash is checked as a whole before its first byte is given, and read
 * straight after that; a compressed one is decoded and checked into the cache.
 * Of one that was checked before, and has left the cache, little reads here and
 * there decode the block they need, so that they do not drive out what others
 * use.  Bytes that fail are an error, never given.
 *
 * Knows records; must not know who asks.
 */
#ifndef MAP_VIEW_H
#define MAP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "cache.h"
#include "readers.h"
#include "set/source.h"

struct view;

/* All three are borrowed, cache and readers may be shared by many views. */
must_check int view_new(const struct source *source, struct cache *cache,
                        struct readers *readers, struct view **ret,
                        struct error *err);
void view_free(struct view *v); /* before the cache */
void view_freep(struct view **v);

uint64_t view_size(const struct view *v); /* bytes of the disk */

/* Read [offset, offset + length) of the disk, all of it within view_size().
 * ERR_DAMAGED or ERR_SYSTEM, with the name of the file and the offset in it; a
 * part of `buf` may then be written.
 */
must_check int view_read(struct view *v, void *buf, size_t length,
                         uint64_t offset, struct error *err);

/* Have what is compressed of [offset, end) in the cache.  What cannot be read
 * is passed over: who wants it will be told.
 */
void view_load(struct view *v, uint64_t offset, uint64_t end);

/* The longest part of [offset, end), not empty and within the disk, that begins
 * at `offset` and is of one kind: `*ret_zero`, all of it zero and not stored,
 * or data.  Returns its length.
 */
uint64_t view_extent(const struct view *v, uint64_t offset, uint64_t end,
                     bool *ret_zero);

#endif
