/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer.h - all disks of a run, several at a time
 *
 * One thread a disk at a time, shared writer and codec threads, one share of
 * the memory each.  The calling thread draws the progress and notices
 * failures.
 */
#ifndef BACKUP_TRANSFER_H
#define BACKUP_TRANSFER_H

#include "base/error.h"
#include "point.h"

/* Memory for the buffers of all disks together, bytes (see the man page). */
#define TRANSFER_MEMORY (80U * 1024 * 1024)

/* Disks that are read at the same time: where there are as many cores (else
 * half of it), and at the most (--worker).
 */
#define TRANSFER_DISKS 4
#define TRANSFER_DISKS_MAX ((size_t)8)

/* What there is to do for one disk, without what all disks share: enough to
 * examine it.
 */
struct disk_task transfer_task(const struct run *run, const struct run_disk *d);

/* Back up every disk of the run.  After the first failure the others are
 * ended, by ending the job that serves them.
 */
must_check int transfer_disks(struct run *run, struct error *err);

#endif
