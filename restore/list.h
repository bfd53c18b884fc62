/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list.h - the points of a set, for people or for programs
 *
 * What there is, and whether each point could be restored now, as far as can be
 * told without reading the data: manifests, indexes, sizes, the structure of
 * files without an index.
 */
#ifndef RESTORE_LIST_H
#define RESTORE_LIST_H

#include <stdbool.h>

#include "base/error.h"
#include "set.h"

/* Print to stdout the points up to the chosen one (of `disk` only, unless
 * NULL), as a table or as JSON.  ERR_DAMAGED, when all is printed: a point
 * cannot be restored, or the directory holds what it should not.
 */
must_check int list_set(const struct backup_set *set, const char *disk,
                        bool json, struct error *err);

#endif
