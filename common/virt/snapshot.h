/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot.h - the snapshots of a domain, of which a backup knows nothing
 *
 * A backup holds what the guest sees now.  What older states libvirt keeps, in
 * the images (internal) or as overlays (external), the user has to be told.
 *
 * Knows base and the rest of virt.  What a stop does: virt/session.h.
 */
#ifndef VIRT_SNAPSHOT_H
#define VIRT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"
#include "virt/domain.h"

struct domain_snapshot {
    char *name;
    bool external; /* a disk or the memory of it is a file of its own */
};

struct domain_snapshot_list {
    struct domain_snapshot *items;
    size_t count, cap;
};

/* All that libvirt knows, parents before children.  (Snapshots that somebody
 * made with qemu-img alone, or whose metadata were dropped, it does not know.)
 */
must_check int domain_snapshots(struct domain *d,
                                struct domain_snapshot_list *ret,
                                struct error *err);

/* Free the contents; the list is empty again.  Also the cleanup function. */
void domain_snapshots_free(struct domain_snapshot_list *list);

#endif
