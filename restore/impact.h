/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* impact.h - what damaged files mean for the points of a set
 *
 * A range that newer data hides does no harm; a file that many points build
 * upon harms them all.
 */
#ifndef RESTORE_IMPACT_H
#define RESTORE_IMPACT_H

#include <stddef.h>

#include "base/error.h"
#include "set.h"
#include "verify_file.h"

/* Log, point by point and disk by disk, which ranges of the disk cannot be
 * restored (of `disk` only, unless NULL).
 */
must_check int impact_log(const struct backup_set *set, const char *disk,
                          const struct file_check *checks, size_t count,
                          struct error *err);

#endif
