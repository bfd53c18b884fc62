/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* progress.h - how far each disk is
 *
 * Any thread counts, one thread (the main one) calls progress_tick five times
 * a second.  On a terminal there is one bar a disk below the log, redrawn in
 * place; elsewhere a log line every ten seconds.  Either way a disk's end is
 * one log line:
 *
 *     vda: 42% (2.1 GiB of 5.0 GiB) in 12s, read 512 MiB/s, write 240 MiB/s
 *
 * The service manager that started us, if one did, is told once a second how
 * far all of it is ("vda 42%, vdb 7%", base/notify).
 *
 * Nothing here can fail: without memory there is no progress to be seen.  All
 * functions accept NULL.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

struct progress;
struct progress_disk;

/* `enabled`: bars if `out` is a terminal, a line now and then if not; else
 * only the line at a disk's end.  `out` is borrowed.  May return NULL.
 */
struct progress *progress_new(bool enabled, FILE *out);

/* A new disk; `total` bytes of it are to be read.  May return NULL.  Belongs
 * to `p`.  From any thread, as all below but progress_tick.
 */
struct progress_disk *progress_add(struct progress *p, const char *name,
                                   uint64_t total);

/* The total is known better now. */
void progress_total(struct progress_disk *d, uint64_t total);

/* `bytes` more of the disk were read from the source (plain bytes, whatever
 * their form there): this is what the percentage and the time left are about.
 */
void progress_read(struct progress_disk *d, uint64_t bytes);

/* `bytes` more were put on the target, in the form they have there. */
void progress_write(struct progress_disk *d, uint64_t bytes);

/* The disk is complete: 100 %, its bar makes way for its last line. */
void progress_done(struct progress_disk *d);

/* Draw what has changed.  From one thread only. */
void progress_tick(struct progress *p);

/* The same at the time `now_ms` of a clock that never goes back. */
void progress_tick_at(struct progress *p, uint64_t now_ms);

/* The last tick; then take the bars away, also of disks that are not done.
 * From the ticking thread, when no other counts any more.
 */
void progress_free(struct progress *p);
DEFINE_CLEANUP(struct progress *, progress_free);

#endif
