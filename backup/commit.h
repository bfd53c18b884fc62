/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commit.h - files that are complete become a restore point
 *
 * Everything gets its name, then the manifest is written: from then on the
 * point exists.
 */
#ifndef BACKUP_COMMIT_H
#define BACKUP_COMMIT_H

#include "base/error.h"
#include "point.h"
#include "set/manifest.h"

/* Fill in what is known of the point before it is made. */
must_check int commit_describe(struct run *run, struct manifest *m,
                               struct error *err);

/* The data of all disks is complete and durable, under temporary names: name
 * it, write the small files, then the manifest.  Sets run->committed.
 */
must_check int commit_point(struct run *run, struct manifest *m,
                            struct error *err);

#endif
