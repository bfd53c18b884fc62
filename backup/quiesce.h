/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quiesce.h - the guest holds still while the job begins
 *
 * Freezing lets the guest agent bring the guest's file systems (and, through
 * its hooks, databases) into a state that a restore can start from; --pause
 * stops the vCPUs.  Both last as long as libvirt needs to begin the job, and
 * are undone whatever happens: by us, by the guardian if we die, and again and
 * again where the guest does not answer.
 */
#ifndef BACKUP_QUIESCE_H
#define BACKUP_QUIESCE_H

#include "base/error.h"
#include "point.h"

/* Freeze and pause as the options say.  Fails only with --require-freeze, on a
 * stop, or without a guardian; then nothing is frozen any more.
 */
must_check int quiesce_begin(struct run *run, struct error *err);

/* Undo both.  What the guest does not let us undo stays noted in `run`
 * (frozen, suspended), for quiesce_retry.  Fine if nothing was done.
 */
void quiesce_end(struct run *run);

/* Try again; for every now and then.  Takes up to ten seconds. */
void quiesce_retry(struct run *run);

/* The last try, at the end of a run: what is still to be undone is named, and
 * handed to the guardian.
 */
void quiesce_finish(struct run *run);

#endif
