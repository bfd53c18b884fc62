/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify.h - read a whole set and compare it with its checksums */
#ifndef RESTORE_VERIFY_H
#define RESTORE_VERIFY_H

#include "base/error.h"
#include "cli/groups.h"
#include "set.h"

/* Check every file of every point up to the chosen one (of `disk` only, unless
 * NULL): sizes, structure, hashes, checksums.  Goes on after damage, logs each,
 * and then fails with ERR_DAMAGED.
 */
must_check int verify_set(const struct backup_set *set, const char *disk,
                          const struct cli_common *common, struct error *err);

#endif
