/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sequence.h - one disk from data files that somebody names in their order
 *
 * The way to a disk without choosing a point: the user names the full, then the
 * increments.  Nothing is believed of the order: each file has to build upon
 * the newest one in front of it that can be built upon, as the manifests (where
 * the directory has them) or the metadata say.  Files that no manifest names
 * are read as they are, by their frames, without hashes; so a directory that is
 * damaged or ambiguous is no obstacle.
 */
#ifndef SET_SEQUENCE_H
#define SET_SEQUENCE_H

#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/chain.h"
#include "set/source.h"

struct sequence;

/* Look at the data files of these paths (links are followed), the oldest first,
 * and check that they belong together.  ERR_INPUT: a file is not there, or is
 * not what may stand at its place; ERR_DAMAGED: it is damaged.
 */
must_check int sequence_open(const char *const *paths, size_t count,
                             struct sequence **ret, struct error *err);
void sequence_free(struct sequence *s);
void sequence_freep(struct sequence **s);

/* The name of the disk, as manifest or metadata say; of a raw image as its name
 * says, or "disk".
 */
const char *sequence_disk(const struct sequence *s);

/* Open them as one table; the result borrows from the sequence. */
must_check int sequence_source(const struct sequence *s, struct source *ret,
                               struct error *err);

#endif
