/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extra.h - files in a set that are no part of it
 *
 * A manifest names every file of its point; logs, the list of checkpoints and
 * checksums are known by their names.  Everything else came from elsewhere.
 */
#ifndef RESTORE_EXTRA_H
#define RESTORE_EXTRA_H

#include "base/error.h"
#include "set.h"

/* Log a warning for each.  Only for sets whose points all have manifests:
 * upstream does not say what it writes.
 */
must_check int extra_log(const struct backup_set *set, struct error *err);

#endif
