/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* directory.h - the backup directory: made, locked, with a log of the run */
#ifndef BACKUP_DIRECTORY_H
#define BACKUP_DIRECTORY_H

#include "base/error.h"
#include "point.h"

/* Open it (run->dirfd), or make it; take its lock, for which a run that cleans
 * up is waited for; begin the log.  ERR_BUSY: another run works there;
 * ERR_INPUT: it cannot be written to.
 */
must_check int directory_open(struct run *run, struct error *err);

#endif
