/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.h - the disks in a domain's XML, and which of them can be backed up
 *
 * Pure: text in, list out, no connection (but for volumes, which
 * domain_disks() resolves).  The XML may come from a backup set, so
 * nothing in it is believed.
 *
 * What can be backed up: device 'disk' of type file or block, or a volume that
 * is one of these, whose driver type is not raw.  Everything else has a reason
 * in `skip`.
 */
#ifndef VIRT_DISK_H
#define VIRT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/vec.h"

enum disk_skip {
    DISK_TAKEN = 0,    /* to be backed up; `skip` is NULL */
    DISK_SKIP_INFO,    /* nobody expects it in a backup: cdrom, floppy */
    DISK_SKIP_WARNING, /* raw disks, LUNs: the option for raw takes them */
    DISK_SKIP_ERROR,   /* data that the backup misses: network disks */
};

struct domain_disk {
    char *target; /* "vda"; safe as (part of) a file name, unique */
    char *source; /* path of the image or device, or NULL */
    char *format; /* the driver's type, "qcow2"; "raw" if there is none */
    char *device; /* disk, cdrom, floppy, lun */
    char *type;   /* file, block, volume, network, ... */
    char *serial; /* or NULL */
    char *pool;   /* of type volume only, else NULL */
    char *volume;
    bool readonly; /* the guest cannot write: QEMU makes no bitmap for it */
    bool empty;    /* no medium */
    bool raw;      /* skipped only because it is raw: full copies work */
    enum disk_skip skip_kind;
    char *skip; /* a sentence for the user, without the disk's name; NULL:
                   the disk is to be backed up */
};

struct domain_disk_list {
    struct domain_disk *items;
    size_t count, cap;
};

/* All disks of a domain XML, at most 1024.  ERR_INPUT: the XML makes no sense
 * (no domain, a disk without target, a target twice, one that is no plain
 * name).  Volumes come without source and with skip_kind DISK_TAKEN.
 */
must_check int disk_list_parse(const char *xml, struct domain_disk_list *ret,
                               struct error *err);

/* Decide again, after `source` was filled in for a volume that is of type
 * `type`; also sets `skip`, `raw`.
 */
must_check int disk_judge(struct domain_disk *disk, const char *type,
                          struct error *err);

/* QEMU's user and group from the DAC label of a domain XML: outcomes 1 =
 * found, 0 = there is none.  ERR_INPUT: the label names nobody that is known
 * here.
 */
must_check int disk_owner_parse(const char *xml, uid_t *ret_uid, gid_t *ret_gid,
                                struct error *err);

/* The disk of that target, or NULL. */
struct domain_disk *disk_list_find(const struct domain_disk_list *list,
                                   const char *target);

/* Free the contents; the list is empty again.  Also the cleanup function. */
void disk_list_free(struct domain_disk_list *list);

#endif
