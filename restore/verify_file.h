/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify_file.h - one data file, examined to its last byte
 *
 * Its frames are walked and must tell the same as its index; every record is
 * read, decompressed and hashed; what is called zero is zero; and all its bytes
 * are summed for the adler32 that upstream knows.  Goes on after damage, so
 * that all of it is known.
 */
#ifndef RESTORE_VERIFY_FILE_H
#define RESTORE_VERIFY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"
#include "pass.h"
#include "sample.h"
#include "set.h"

/* [offset, offset + length) of a disk. */
struct lost_range {
    uint64_t offset;
    uint64_t length;
};

/* Ascending, and not touching. */
struct lost_ranges {
    struct lost_range *items;
    size_t count, cap;
};

/* Append; ranges come in ascending order and may touch. */
must_check int lost_add(struct lost_ranges *ranges, uint64_t offset,
                        uint64_t length, struct error *err);
void lost_done(struct lost_ranges *ranges);

/* A new string: "4096 bytes at 1048576, ..."; NULL: no memory. */
must_check char *lost_text(const struct lost_ranges *ranges);

/* What was found in a file. */
struct file_check {
    const struct chain_file *file; /* borrowed */
    unsigned faults;               /* that were logged */
    bool unusable;                 /* a restore refuses the file as a whole */
    struct lost_ranges lost;       /* what it can no longer give */
};

struct verify_tools {
    const struct backup_set *set;
    struct pass *pass;
    struct sample sample; /* a part only: then without the adler32 */
    struct progress *progress;
    uint64_t bytes; /* of files examined, counted up */
};

/* Log an error that is a fault of the set, and clear it: 0.  -1: it is no
 * such fault.
 */
must_check int verify_note(struct error *err);

/* Examine the file; every fault is logged.  -1: it could not be done, which is
 * no fault of the file.  `ret->lost` is the caller's.
 */
must_check int verify_file(struct verify_tools *t, const struct chain_file *f,
                           struct file_check *ret, struct error *err);

#endif
