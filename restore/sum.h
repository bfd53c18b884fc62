/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sum.h - the adler32 of a data file, which `<file>.chksum` holds
 *
 * The only checksum that sets of upstream have.
 */
#ifndef RESTORE_SUM_H
#define RESTORE_SUM_H

#include "base/error.h"
#include "set.h"

/* Read the file, open as `fd`, and compare.  A missing checksum is
 * ERR_DAMAGED in a set of ours, and a warning otherwise.  ERR_DAMAGED.
 */
must_check int sum_check(const struct backup_set *set,
                         const struct chain_file *file, int fd,
                         struct error *err);

#endif
