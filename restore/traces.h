/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* traces.h - traces of faults that releases of the Python suite are known for
 *
 * They leave sets that look whole and are not, or that only that suite restores
 * wrongly.  What can be seen of them is said.
 */
#ifndef RESTORE_TRACES_H
#define RESTORE_TRACES_H

#include "set.h"

/* Log a warning for each trace in points without a manifest. */
void traces_log(const struct backup_set *set);

#endif
