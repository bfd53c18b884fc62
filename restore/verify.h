/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify.h - read a whole set and compare it with its checksums */
#ifndef RESTORE_VERIFY_H
#define RESTORE_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "options.h"
#include "sample.h"
#include "set.h"
#include "verify_file.h"

struct verify_result {
    struct file_check *checks; /* of the data files, in the chain's order */
    size_t count;
    unsigned faults; /* of all kinds */
    uint64_t bytes;  /* size of the data files */
    struct sample sample;
};

/* The same as below, but that damage is no failure: `*ret` tells of it (what
 * was found is logged).  Freed with verify_result_done.
 */
must_check int verify_examine(const struct backup_set *set,
                              const struct restore_options *options,
                              struct verify_result *ret, struct error *err);
void verify_result_done(struct verify_result *result);

/* Check every file of every point up to the chosen one (of one disk only, where
 * the options name it; of all data, or a sample): sizes, structure, hashes,
 * checksums, links, names.  Goes on after damage, logs each, and what it means
 * for each point; then fails with ERR_DAMAGED.
 */
must_check int verify_set(const struct backup_set *set,
                          const struct restore_options *options,
                          struct error *err);

#endif
