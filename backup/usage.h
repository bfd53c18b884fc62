/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage.h - options that make no sense together
 *
 * Pure: looks at the options only.  What depends on the domain or the target
 * is refused where it is found out.
 */
#ifndef BACKUP_USAGE_H
#define BACKUP_USAGE_H

#include "options.h"

/* What is missing, or has no effect together: a sentence for the user that
 * lives as long as the program, or NULL.
 */
const char *usage_missing(const struct backup_options *o);
const char *usage_conflict(const struct backup_options *o);

#endif
