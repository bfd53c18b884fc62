/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt.h - making a point of upstream's one of ours
 *
 * The data stays as it is; every byte of it is read, checked against the
 * checksum beside it if there is one, and gets an index.  Then the manifest
 * makes the point ours.  An intent that names the indexes, but not the data
 * files, covers the time in between: whoever finds it removes the indexes, and
 * the point is upstream's as before.  Compressed pieces of more than 1 MiB keep
 * to the checksums of lz4 (index.h).
 *
 * Knows files of the set only.  Must not know whether the point is what its
 * name says, and the checkpoint still the one it was made with: the caller has
 * asked libvirt.
 */
#ifndef SET_ADOPT_H
#define SET_ADOPT_H

#include "base/error.h"
#include "base/macro.h"
#include "set/chain.h"

struct adopt_request {
    const char *tool;        /* what the manifest calls its writer */
    const char *domain_name; /* of the point */
    const char *domain_uuid;
};

/* The number of the first point that is not ours, or point_count. */
size_t adopt_first(const struct chain *chain);

/* Adopt that point; `name` is the name that the caller expects it to have.
 * Needs the directory's lock.  `chain` is then out of date: open it again.
 * Nothing has changed after ERR_DAMAGED (the chain or a data file is damaged),
 * ERR_INPUT (another point comes first; a piece has no checksum), ERR_EXISTS
 * (the set is another domain's), ERR_STOPPED.
 */
must_check int adopt_point(int dirfd, const struct chain *chain,
                           const struct adopt_request *request,
                           const char *name, struct error *err);

#endif
