/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* window.h - a part of a file in memory, read past the page cache
 *
 * Data files are read once and are larger than memory, so the page cache only
 * costs: with O_DIRECT their bytes come as fast as the disk gives them.  Hides
 * its alignment (what is asked for may begin anywhere) and the file systems
 * that do not offer it.  Knows files, nothing of what is in them.
 */
#ifndef SET_WINDOW_H
#define SET_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"

struct window;

/* For one thread at a time; at most `room` bytes are asked for.  Memory is
 * taken as it is needed.
 */
must_check int window_new(size_t room, struct window **ret, struct error *err);
void window_free(struct window *w);
DEFINE_CLEANUP(struct window *, window_free);

/* Have this open file read past the page cache, where that is possible.  From
 * then on it must be read by windows only.
 */
void window_past_cache(int fd);

/* The `length` bytes at `offset` of the file `name` (for messages): `*ret` is
 * valid until the next call.  ERR_SYSTEM; ERR_DAMAGED if the file ends before.
 */
must_check int window_read(struct window *w, int fd, const char *name,
                           uint64_t offset, size_t length,
                           const unsigned char **ret, struct error *err);

#endif
