/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* places.h - where a run works besides the backup directory
 *
 * A private directory for sockets and scratch files, or what the user named in
 * its place.  Names are chosen before anything exists, so that the intent and
 * the guardian can know them.
 */
#ifndef BACKUP_PLACES_H
#define BACKUP_PLACES_H

#include "base/error.h"
#include "point.h"

/* Choose the names; the guardian is told.  Sets run->runtime_dir, run->socket
 * and run->scratch_dir.
 */
must_check int places_name(struct run *run, struct error *err);

/* Make them: QEMU's user may use them. */
must_check int places_make(struct run *run, struct error *err);

#endif
