/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dry.h - runs that make no restore point
 *
 * --printonly looks how much there would be to save; --startonly begins the job
 * and leaves it to another program to read the exports; --killonly ends a job.
 * None makes a checkpoint: one without data would be a hole in the chain.
 */
#ifndef BACKUP_DRY_H
#define BACKUP_DRY_H

#include "base/error.h"
#include "point.h"

/* Print a line a disk, and a total, to stdout. */
must_check int dry_print(struct run *run, struct error *err);

/* Begin the job, and print the URI of each export to stdout.  The job goes on
 * after us; the intent stays, for whoever ends it.  Sets run->kept.
 */
must_check int dry_start(struct run *run, struct error *err);

/* End the backup job of the domain, whoever began it, and clean up after a
 * --startonly of this directory.
 */
must_check int dry_kill(struct run *run, struct error *err);

#endif
