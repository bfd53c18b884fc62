/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sum.h - the adler32 of a data file, which `<file>.chksum` holds
 *
 * The only checksum that sets of upstream have.
 */
#ifndef RESTORE_SUM_H
#define RESTORE_SUM_H

#include <stdint.h>

#include "base/error.h"
#include "set.h"
#include "set/window.h"

/* Add [begin, end) of the file `name` to `*sum` (set/adler.h).  Holes cost
 * nothing.  `w` reads some 64 KiB or more at a time.
 */
must_check int sum_range(struct window *w, int fd, const char *name,
                         uint64_t begin, uint64_t end, uint32_t *sum,
                         struct error *err);

/* Compare the sum of all bytes of the file with its checksum.  A missing one is
 * ERR_DAMAGED in a set of ours, and a warning otherwise.  ERR_DAMAGED.
 */
must_check int sum_compare(const struct backup_set *set,
                           const struct chain_file *file, uint32_t sum,
                           struct error *err);

/* Read the file, open as `fd`, and compare in the same way.  It is then
 * read past the page cache.
 */
must_check int sum_check(const struct backup_set *set,
                         const struct chain_file *file, int fd,
                         struct error *err);

#endif
