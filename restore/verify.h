/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify.h - read a whole set and compare it with its checksums */
#ifndef RESTORE_VERIFY_H
#define RESTORE_VERIFY_H

#include "base/error.h"
#include "options.h"
#include "set.h"

/* Check every file of every point up to the chosen one (of one disk only, where
 * the options name it; of all data, or a sample): sizes, structure, hashes,
 * checksums, links, names.  Goes on after damage, logs each, and what it means
 * for each point; then fails with ERR_DAMAGED.
 */
must_check int verify_set(const struct backup_set *set,
                          const struct restore_options *options,
                          struct error *err);

#endif
