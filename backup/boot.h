/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot.h - what a guest boots from besides its disks
 *
 * Firmware, its variables, kernel and initrd, as the domain's configuration
 * names them, are copied into the point as `<base name>.<point>` (in a copy:
 * `<base name>`).
 */
#ifndef BACKUP_BOOT_H
#define BACKUP_BOOT_H

#include "base/error.h"
#include "point.h"

struct boot_copy {
    enum file_role role;
    char *path; /* on this host */
    char *name; /* in the set */
};

/* Read run->xml, choose names that are safe and fit no other file of a set, and
 * add them to the intent.  Sets run->boot.
 */
must_check int boot_name(struct run *run, struct intent *in, struct error *err);

/* Copy the files, and list them in the manifest.  One that cannot be copied is
 * a warning.
 */
must_check int boot_write(struct run *run, struct manifest *m,
                          struct error *err);

void boot_done(struct run *run);

#endif
