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

/* The name that a restored configuration gets. */
#define VMCONFIG_NAME "vmconfig.xml"

struct vmconfig {
    char *text; /* NULL: the set has none for this point */
    size_t length;
    struct domain_disk_list disks; /* empty if the XML makes no sense */
};

#define VMCONFIG_INIT                                                          \
    {                                                                          \
        NULL, 0,                                                               \
        {                                                                      \
            NULL, 0, 0                                                         \
        }                                                                      \
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

/* Read a small text file of a point, at most `max` bytes, and compare it with
 * what the manifest says of it.  It is called `<prefix>.<point>.<suffix>`; the
 * Python suite leaves out "diff." in front of the time of a differential, and
 * calls an increment of a domain that was off as the one before.  Outcome 1:
 * read; 0: there is none.
 */
must_check int point_file_read(const struct backup_set *set,
                               const struct chain_point *point,
                               const char *prefix, const char *suffix,
                               size_t max, char **ret_text, size_t *ret_length,
                               struct error *err);

#endif
