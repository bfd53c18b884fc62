/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_draw.h - the drawings of the report, as SVG inside the page
 *
 * One of the sizes of all points, one a disk of what each point holds of it.
 */
#ifndef RESTORE_REPORT_DRAW_H
#define RESTORE_REPORT_DRAW_H

#include <stdio.h>

#include "base/error.h"
#include "report_page.h"

/* Points that are drawn at most: the newest. */
#define DRAW_POINTS_MAX 120

/* The patterns that the other drawings use. */
void draw_patterns(FILE *out);

/* A bar a point, high as its data files are large (logarithmic). */
void draw_sizes(const struct page *p, FILE *out);

/* Address across, points down: what the points have of this disk.  Reads their
 * indexes, one at a time; a file that is damaged is a row that says so.
 */
must_check int draw_disk(const struct page *p, const char *disk, FILE *out,
                         struct error *err);

/* The number of the first point that is drawn. */
size_t draw_first(const struct page *p);

#endif
