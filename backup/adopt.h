/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt.h - going on where upstream's program stopped
 *
 * Before a run that builds on what the directory holds: points that upstream
 * made get manifests, so that everything after sees only points of ours.  It
 * is done when upstream's list of checkpoints says just what the data files
 * say, and the newest of these checkpoints is the one that libvirt has: name,
 * time of creation and domain as in `checkpoints/`.  One that libvirt has
 * forgotten is told to it again from there, with its bitmap checked; so the
 * guest has to run.  What cannot be proven is left as it is.
 */
#ifndef BACKUP_ADOPT_H
#define BACKUP_ADOPT_H

#include "base/error.h"
#include "base/macro.h"
#include "set/chain.h"
#include "virt/domain.h"

/* Adopt what can be adopted in the directory, whose lock the caller holds.
 * `*chain`, opened before, is opened again when anything was.  Not being able
 * to adopt is no error but logged; `chain_continue` then refuses.
 */
must_check int adopt_directory(int dirfd, struct domain *d,
                               const char *domain_name, const char *domain_uuid,
                               struct chain **chain, struct error *err);

#endif
