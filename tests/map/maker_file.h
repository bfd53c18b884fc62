/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maker_file.h - the data files of maker.h, frame by frame */
#ifndef TESTS_MAP_MAKER_FILE_H
#define TESTS_MAP_MAKER_FILE_H

#include "maker.h"

/* Make the data file of a point, of all the disk or of what has changed; with
 * index, and what the manifest says of it, unless the set is upstream's (`d` is
 * NULL then).
 */
void maker_file(struct maker *m, const struct maker_point *p, bool whole,
                struct manifest_disk *d);

/* The same as a raw image. */
void maker_raw(struct maker *m, const struct maker_point *p);

#endif
