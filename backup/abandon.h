/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* abandon.h - the end of a run whose target does not answer any more
 *
 * Threads that hang in the target's file system cannot be ended, and nothing in
 * the directory can be cleaned up.  What can be done is to end the guest's job,
 * to say so, and to go: the guardian thaws and resumes the guest at once, and
 * cleans up when the target answers again.
 */
#ifndef BACKUP_ABANDON_H
#define BACKUP_ABANDON_H

#include "base/error.h"
#include "base/patience.h"
#include "point.h"

/* From now on, exit with status 1 if the target hangs.  Nothing is watched with
 * --io-timeout 0: `*ret` is then NULL.
 */
must_check int abandon_watch(struct run *run, struct patience_watch **ret,
                             struct error *err);

#endif
