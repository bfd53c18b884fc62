/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extras.h - the small files of a point besides the data
 *
 * The domain's configuration, what qemu-img says about each image (a restore
 * makes its images alike), the checkpoint's description, boot files (boot.h),
 * and what the guest agent told (guest.h).  All are named in the intent before
 * they are made.
 */
#ifndef BACKUP_EXTRAS_H
#define BACKUP_EXTRAS_H

#include "base/error.h"
#include "point.h"
#include "set/manifest.h"

/* Ask libvirt for the domain's configuration (run->xml) and for autostart,
 * before the job: it may be gone when the point is committed.
 */
must_check int extras_ask(struct run *run, struct error *err);

/* Write the files and list them in the manifest. */
must_check int extras_write(struct run *run, struct manifest *m,
                            struct error *err);

/* Names of the files, for the intent. */
must_check int extras_name(struct run *run, struct intent *in,
                           struct error *err);

/* Say what of the domain the point will not hold: snapshots, a TPM's state. */
void extras_report(struct run *run);

#endif
