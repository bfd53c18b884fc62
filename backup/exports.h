/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exports.h - the NBD servers that show the disks as they are at one moment
 *
 * A running guest's QEMU does it, from the begin of the backup job to its end
 * (online.c); a powered-off domain's images are shown by a qemu-nbd each, which
 * keeps the domain from starting meanwhile (offline.c).  Whoever reads the
 * disks need not know which.
 */
#ifndef BACKUP_EXPORTS_H
#define BACKUP_EXPORTS_H

#include "base/error.h"
#include "point.h"

/* Where libvirt makes the checkpoint of the point, this is the moment of it.
 * Sets target and bitmap of every disk.
 */
must_check int exports_open(struct run *run, struct error *err);

/* All disks are read.  What cannot be ended is named, and run->left_over set.
 */
void exports_close(struct run *run);

/* A disk failed, and the others would go on for hours for nothing: their
 * connections break.
 */
void exports_break(struct run *run);

/* A connection that broke has a reason that people can do something about:
 * put it in front of `err`.  Returns -1.
 */
int exports_explain(struct run *run, struct error *err);

/* Of the two ways: in online.c and offline.c. */
must_check int online_open(struct run *run, struct error *err);
void online_close(struct run *run);
void online_break(struct run *run);
int online_explain(struct run *run, struct error *err);
must_check int offline_open(struct run *run, struct error *err);
void offline_close(struct run *run);
void offline_break(struct run *run);

#endif
