/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt_private.h - what adopt.c and adopt_index.c share */
#ifndef SET_ADOPT_PRIVATE_H
#define SET_ADOPT_PRIVATE_H

#include <stdint.h>

#include "base/error.h"
#include "set/chain.h"

/* Read a data file to its last byte, and write its index, under the final name
 * `index`.  `*ret_adler` is the adler32 of the file; `fill` gets the sizes and
 * the hash.  Nothing is left after an error.
 */
must_check int adopt_index(int dirfd, const struct chain *chain,
                           const struct chain_file *file, const char *index,
                           struct manifest_disk *fill, uint32_t *ret_adler,
                           struct error *err);

#endif
