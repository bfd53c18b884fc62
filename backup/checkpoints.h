/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoints.h - the descriptions of checkpoints beside the data
 *
 * XML files, by default in `checkpoints/` of the set, which libvirt takes back
 * when it has forgotten a checkpoint (a transient domain, another host).
 */
#ifndef BACKUP_CHECKPOINTS_H
#define BACKUP_CHECKPOINTS_H

#include "base/error.h"
#include "point.h"

/* Open, and make if need be, the directory.  Sets run->checkpointfd. */
must_check int checkpoints_open(struct run *run, struct error *err);

/* Read the description of the point's checkpoint, and compare it with what the
 * manifest says.  `*ret` is the caller's.  Outcome 0: it is not there, or not
 * what it was.
 */
must_check int checkpoints_load(const struct run *run,
                                const struct chain_point *point, char **ret,
                                struct error *err);

/* Is libvirt's checkpoint `c` that of the point?  By its description; for a
 * point that was adopted from upstream, by the time it was created.  Outcomes
 * 1 and 0.
 */
must_check int checkpoints_is_own(const struct run *run,
                                  const struct chain_point *point,
                                  const struct checkpoint *c,
                                  struct error *err);

/* Get the description of the new checkpoint from libvirt, which may go away
 * while the disks are read; what it does not say now is asked for later.
 */
void checkpoints_ask(struct run *run);

/* Save the description of the new checkpoint and list it in the manifest. */
must_check int checkpoints_save(struct run *run, struct manifest *m,
                                struct error *err);

/* Its name below the set, for the intent; NULL: not kept there.  Owned. */
must_check int checkpoints_name(const struct run *run, char **ret,
                                struct error *err);

#endif
