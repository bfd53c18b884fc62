/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manifest_rules.h - what the members of a manifest may say
 *
 * Of this folder only: what manifest.c, manifest_files.c and manifest_rules.c
 * share.
 */
#ifndef SET_MANIFEST_RULES_H
#define SET_MANIFEST_RULES_H

#include <stdint.h>

#include "base/error.h"
#include "set/manifest.h"

/* Check every rule of manifest.h that concerns one manifest alone; a broken one
 * is an error of this kind.
 */
must_check int manifest_check_rules(const struct manifest *m,
                                    enum error_kind kind, struct error *err);

/* Append a file whose size and hash are known. */
must_check int manifest_put_file(struct manifest *m, const char *name,
                                 uint64_t size, const char *hash,
                                 struct error *err);

#endif
