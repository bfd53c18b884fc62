/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey.h - what could be restored from a set, without reading its data
 *
 * Each data file is looked at once, however many points build upon it.
 */
#ifndef RESTORE_SURVEY_H
#define RESTORE_SURVEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "set.h"

/* Sentences. */
struct faults {
    char **items; /* owned */
    size_t count, cap;
};

struct survey_point {
    const struct chain_point *point; /* borrowed */
    uint64_t size;                   /* bytes of its data files */
    struct faults faults; /* why it cannot be restored; none: it can */
};

struct survey {
    struct survey_point *points;
    size_t count;
    struct faults faults; /* of the directory */
};

/* Look at the points up to the chosen one, or of them at one disk (NULL: all).
 * Freed with survey_done.
 */
must_check int survey_make(const struct backup_set *set, const char *disk,
                           struct survey *ret, struct error *err);
void survey_done(struct survey *s);

#endif
