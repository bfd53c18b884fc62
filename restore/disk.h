/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.h - one disk from its data files into an NBD export
 *
 * Several threads with a connection each: read a record, check its hash,
 * decompress, write what is visible of it.  Nothing is written that was not
 * checked, where there is something to check it against; each byte is read
 * and written once.  The target reads as zeroes before, so zeroes are left
 * alone.
 *
 * Knows neither how the target came to be nor what happens to it afterwards.
 */
#ifndef RESTORE_DISK_H
#define RESTORE_DISK_H

#include "base/error.h"
#include "base/progress.h"
#include "nbd/conn.h"
#include "set/source.h"

/* Write the disk and flush the target. */
must_check int disk_restore(const struct source *source,
                            const struct nbd_target *target,
                            struct progress_disk *progress, struct error *err);

#endif
