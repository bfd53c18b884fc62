/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmconfig.h - the domain's configuration in a set
 *
 * Finds the XML that belongs to a point, and learns from it what the images
 * were called.  The XML is data from a backup set: only leaf names come out.
 */
#ifndef RESTORE_VMCONFIG_H
#define RESTORE_VMCONFIG_H

#include <stddef.h>

#include "base/error.h"
#include "set.h"
#include "virt/disk.h"
#include "virt/rewrite.h"

/* The name that a restored configuration gets unless another one is wanted. */
#define VMCONFIG_NAME "vmconfig.xml"

struct vmconfig {
    char *text; /* NULL: the set has none for this point */
    size_t length;
    struct domain_disk_list disks; /* empty if the XML makes no sense, ... */
    struct rewrite_origin origin;  /* ... and so is this */
};

#define VMCONFIG_INIT                                                          \
    {                                                                          \
        0                                                                      \
    }

/* Read the configuration of the point.  That there is none, or that it makes
 * no sense, is a warning; that it is not what the manifest says, ERR_DAMAGED.
 */
must_check int vmconfig_load(const struct backup_set *set,
                             const struct chain_point *point,
                             struct vmconfig *ret, struct error *err);
void vmconfig_done(struct vmconfig *config);

/* What the restored image of the disk is called: the base name of its source,
 * or `<disk>.<format>` if that is not known or no plain name.  Owned by the
 * caller; NULL: no memory.
 */
must_check char *vmconfig_image_name(const struct vmconfig *config,
                                     const char *disk, const char *format);

/* Find the small file of a point that is called `<front><ident><back>`: 1, and
 * its name, owned by the caller; 0: there is none.  <ident> is the point's
 * name.  The Python suite calls the files of a differential by the time at
 * which each was written, without "diff." in front, and those of an increment
 * of a domain that was off as the one before.
 */
must_check int point_file_find(const struct backup_set *set,
                               const struct chain_point *point,
                               const char *front, const char *back,
                               char **ret_name, struct error *err);

/* Read the small text file `<prefix>.<ident>.<suffix>` of a point (found as
 * above), at most `max` bytes, and compare it with what the manifest says of
 * it.  Outcome 1: read; 0: there is none.
 */
must_check int point_file_read(const struct backup_set *set,
                               const struct chain_point *point,
                               const char *prefix, const char *suffix,
                               size_t max, char **ret_text, size_t *ret_length,
                               struct error *err);

#endif
