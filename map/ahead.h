/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ahead.h - have what a client will want next decoded before it asks
 *
 * A client that reads in order, one request after the other, would wait for
 * every frame while other cores have nothing to do.  So reads that go on where
 * others ended are noticed, and what lies behind them is loaded into the cache.
 * Plain data needs none of this: the kernel reads ahead.
 *
 * Knows where clients read; must not know what they read.
 */
#ifndef MAP_AHEAD_H
#define MAP_AHEAD_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "view.h"

struct ahead;

/* Starts threads. */
must_check int ahead_new(struct ahead **ret, struct error *err);

/* Nobody may be calling ahead_note; waits for what is under way.  Before the
 * views are freed.
 */
void ahead_free(struct ahead *a);
DEFINE_CLEANUP(struct ahead *, ahead_free);

/* Somebody wants [offset, offset + length) of the view.  Never waits. */
void ahead_note(struct ahead *a, struct view *view, uint64_t offset,
                uint64_t length);

#endif
