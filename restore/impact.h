/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* impact.h - what damaged files mean for the points of a set
 *
 * A range that newer data hides does no harm; a file that many points build
 * upon harms them all.
 */
#ifndef RESTORE_IMPACT_H
#define RESTORE_IMPACT_H

#include <stddef.h>

#include "base/error.h"
#include "set.h"
#include "verify_file.h"

enum impact {
    IMPACT_NONE,   /* nothing the disk is made of is damaged */
    IMPACT_HIDDEN, /* newer data hides all damage */
    IMPACT_LOST,   /* the disk cannot be restored to this point */
};

/* What the damage in `checks` means for one disk of the point: `*ret_text` says
 * what is lost (the caller's), NULL but for IMPACT_LOST.
 */
must_check int impact_judge(const struct backup_set *set,
                            const struct chain_point *point, const char *disk,
                            const struct file_check *checks, size_t count,
                            enum impact *ret, char **ret_text,
                            struct error *err);

/* Log, point by point and disk by disk, which ranges of the disk cannot be
 * restored (of `disk` only, unless NULL).
 */
must_check int impact_log(const struct backup_set *set, const char *disk,
                          const struct file_check *checks, size_t count,
                          struct error *err);

#endif
