/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dump.h - print the metadata of a set's streams as a JSON list */
#ifndef RESTORE_DUMP_H
#define RESTORE_DUMP_H

#include "base/error.h"
#include "set.h"

/* Write to stdout, in the order of the points, up to the chosen one.  `disk`:
 * only this one, or NULL.  Raw images have no metadata and are passed over.
 */
must_check int dump_set(const struct backup_set *set, const char *disk,
                        struct error *err);

#endif
