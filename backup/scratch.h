/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scratch.h - the guest must not suffer from a scratch space that runs full
 *
 * While a job runs, QEMU keeps in scratch files what the guest overwrites.
 * Where they find no room the guest's own writes fail.  So there has to be room
 * before the job begins, and somebody who looks after it while it runs.
 */
#ifndef BACKUP_SCRATCH_H
#define BACKUP_SCRATCH_H

#include <stdint.h>

#include "base/error.h"
#include "point.h"

/* How often scratch_watch wants to be called.  A guest that writes 1 GB/s takes
 * 50 MB of the reserve meanwhile, and as much until the job has ended.
 */
#define SCRATCH_TICK_MS 50

/* Bytes that have to stay free by default, on a file system of so many. */
uint64_t scratch_reserve_default(uint64_t size);

/* Is there room to begin?  ERR_INPUT says how much is missing and where.  Fine
 * where the disks are read without a job.
 */
must_check int scratch_check(const struct run *run, struct error *err);

/* Is there still?  ERR_SYSTEM, code ENOSPC: no, the job has to end now.  Where
 * nobody can tell (no shell is at the other end) it is 0.  Another host is
 * asked once a second, whatever the ticks.
 */
must_check int scratch_watch(struct run *run, struct error *err);

#endif
