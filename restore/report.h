/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.h - a set as one page for a browser
 *
 * What there is, which of it could be restored, what was changed where, and
 * what a look at all the data has found.  The page needs nothing but itself: no
 * script, no font, no network.
 */
#ifndef RESTORE_REPORT_H
#define RESTORE_REPORT_H

#include "base/error.h"
#include "options.h"
#include "set.h"

/* Verify the points up to the chosen one (all data, a sample, or none), and
 * write the page to options->output.  Damage is on the page, and, when that is
 * written, ERR_DAMAGED.
 */
must_check int report_set(const struct backup_set *set,
                          const struct restore_options *options,
                          struct error *err);

#endif
