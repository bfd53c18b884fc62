/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* track.h - which changes of each disk can be told, and since when
 *
 * An increment of a disk builds on the newest committed point of that disk
 * that owns a checkpoint, if libvirt still has that very checkpoint (its
 * description bears the point's UUID; a name is no identity), its bitmap is
 * sound, and the disk is the same image as then.  A checkpoint that libvirt
 * has forgotten is told to it again from the set.  Where any of this fails,
 * this disk is saved whole, within the same point; the others go on.
 */
#ifndef BACKUP_TRACK_H
#define BACKUP_TRACK_H

#include "base/error.h"
#include "point.h"

/* Set level, parent and checkpoint of every disk of the run.  ERR_INPUT with
 * --no-fallback, where a disk would have to be saved whole.
 */
must_check int track_disks(struct run *run, struct error *err);

/* Save the disk whole within this point, since `why`.  ERR_INPUT with
 * --no-fallback.
 */
must_check int track_give_up(struct run *run, struct run_disk *d,
                             const char *why, struct error *err);

/* What identifies the image behind a disk, as far as we can see it: a string
 * for the manifest, "" if it cannot be examined.
 */
must_check int track_source_id(const struct run *run,
                               const struct domain_disk *disk, char **ret,
                               struct error *err);

#endif
