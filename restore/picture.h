/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* picture.h - which areas of a disk a data file holds, in so many columns
 *
 * The disk's address range is cut into columns of equal width; each knows how
 * many of its bytes the file has as data and how many as zero.  Pure
 * arithmetic, and the path of an SVG that shows it.
 */
#ifndef RESTORE_PICTURE_H
#define RESTORE_PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "set/index.h"

#define PICTURE_COLUMNS 480
#define PICTURE_HEIGHT 12 /* of a row: steps that a column can be high */

struct picture_row {
    uint64_t size;                  /* of the disk, in bytes */
    uint64_t data[PICTURE_COLUMNS]; /* bytes */
    uint64_t zero[PICTURE_COLUMNS];
};

/* The first byte of column `i`; of PICTURE_COLUMNS: `size`. */
uint64_t picture_edge(uint64_t size, unsigned i);

/* Count the records of `idx`, for a disk drawn as `size` bytes wide: a disk
 * that has grown since is drawn in its newest size.  What lies behind is left
 * out.
 */
void picture_fill(const struct index *idx, uint64_t size,
                  struct picture_row *ret);

/* How high the two parts of column `i` are, in steps; together at most
 * PICTURE_HEIGHT.  What is not empty has one step at least.
 */
void picture_steps(const struct picture_row *row, unsigned i,
                   unsigned *ret_data, unsigned *ret_zero);

/* Write the `d` attribute's value of a path: data from the bottom line `y` up,
 * or zeroes on top of them.  Columns of one height in a row are one rectangle.
 * Nothing is written if there is nothing to show.
 */
void picture_path(const struct picture_row *row, unsigned y, bool zero,
                  FILE *out);

#endif
