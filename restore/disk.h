/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.h - one disk from its data files into an NBD export
 *
 * Several threads with a connection each: read some MiB of the disk, wherever
 * they lie, check their hashes, decompress, write them.  Nothing is written
 * that was not checked, where there is something to check it against; each byte
 * is read and written once.  Zeroes are not read but made, unless the target
 * reads as zeroes before.
 *
 * Knows neither how the target came to be nor what happens to it afterwards.
 */
#ifndef RESTORE_DISK_H
#define RESTORE_DISK_H

#include "base/error.h"
#include "base/progress.h"
#include "nbd/conn.h"
#include "set/source.h"

struct disk_target {
    struct nbd_target server;
    struct nbd_conn *conn; /* the first connection to it; borrowed */
    int io_timeout_ms;     /* of silence; 0: for ever */
    bool blank;            /* reads as zeroes, all of it */
    bool *touched; /* set once something may be written; NULL: nobody asks */
};

/* Write the disk, and flush the target.  What the target has behind the end of
 * the disk stays as it is.  ERR_NBD: it is too small, or takes larger blocks
 * only than the disk is made of, and nothing was written; or it failed.
 */
must_check int disk_restore(const struct source *source,
                            const struct disk_target *target,
                            struct progress_disk *progress, struct error *err);

#endif
