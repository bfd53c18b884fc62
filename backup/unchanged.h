/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unchanged.h - does what the bitmap calls unchanged still hold what was saved?
 *
 * A bitmap knows what the guest has written.  It knows nothing of an image that
 * was rolled back to a snapshot while the guest was off, or written to by other
 * programs: an increment would miss that, and be wrong for ever.  So blocks
 * that should not have changed are read and compared with the checksums of the
 * chain.
 *
 * What was saved last is looked at first: whatever was rolled back, the latest
 * changes are what is gone.
 *
 * Knows the chain's indexes and an export; reads no data file.
 */
#ifndef BACKUP_UNCHANGED_H
#define BACKUP_UNCHANGED_H

#include "block/extent.h"
#include "disk.h"
#include "nbd/conn.h"

/* Blocks of at most 1 MiB that are compared, unless all are. */
#define UNCHANGED_SAMPLE 16

/* Compare blocks of the disk of `task`, outside of `dirty`, with point
 * `task->parent` of `task->chain`: UNCHANGED_SAMPLE of them, drawn at random,
 * or with `task->check_source` all whose checksum is still valid on its own.
 * Without a chain there is nothing to compare.
 *
 * Outcome 1: they are the same, 0: one is not, and `*ret_offset` is where.
 */
must_check int unchanged_check(const struct disk_task *task,
                               struct nbd_conn *conn,
                               const struct extent_list *dirty,
                               uint64_t *ret_offset, struct error *err);

#endif
