/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_page.h - the page itself: HTML, its style, its drawings
 *
 * Everything that came from the set is escaped.  Readable on a light and on a
 * dark screen, on paper, and whatever colours one can tell apart: levels and
 * kinds differ in pattern and are named.
 */
#ifndef RESTORE_REPORT_PAGE_H
#define RESTORE_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "impact.h"
#include "set.h"
#include "survey.h"
#include "verify.h"

struct page_point {
    char **lost; /* sentences: what its damaged data means; owned */
    size_t lost_count;
};

struct page {
    const struct backup_set *set;
    const char *disk; /* the only one, or NULL */
    char *directory;  /* absolute; NULL: not known */
    time_t made;
    struct survey survey;
    struct page_point *points; /* as many as survey.points */
    bool was_verified;
    struct verify_result verified;
};

/* Points that cannot be restored, as far as was looked. */
size_t page_lost_points(const struct page *p);

/* The page, the caller's, of `*ret_length` bytes.  Reads the indexes, for the
 * drawings.
 */
must_check int page_write(const struct page *p, char **ret_text,
                          size_t *ret_length, struct error *err);

#endif
