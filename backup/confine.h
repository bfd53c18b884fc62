/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* confine.h - what a backup gives up as soon as its places are known
 *
 * With base/sandbox: from then on it, and what it starts, makes and changes
 * files in its places and nowhere else, whatever the guest's agent, its images
 * or a server of disks say.
 */
#ifndef BACKUP_CONFINE_H
#define BACKUP_CONFINE_H

#include "base/error.h"
#include "base/patience.h"
#include "point.h"

/* Before any thread but the one of `watch`, which is made anew.  Nothing is
 * given up where libvirt's client may start programs (session.h), or where the
 * kernel cannot do it; a backup that is not confined is better than none.
 */
must_check int confine(const struct run *run, struct patience_watch *watch,
                       struct error *err);

#endif
