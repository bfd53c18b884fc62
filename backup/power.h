/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* power.h - a powered-off domain runs, paused, for the time of the backup
 *
 * With --start-domain its QEMU is started without letting the guest run, so
 * that checkpoints and increments are possible.  Afterwards it is stopped, but
 * only if nobody has let it run meanwhile: then it is somebody's guest.
 */
#ifndef BACKUP_POWER_H
#define BACKUP_POWER_H

#include "base/error.h"
#include "point.h"

/* Find out whether the domain runs, and start it if the options say so.  Sets
 * run->powered_off and run->started.
 */
must_check int power_find(struct run *run, struct error *err);

/* Stop what power_find has started.  Fine if it has started nothing. */
void power_restore(struct run *run);

/* Refuse what cannot be done with a domain that is powered off (power_find). */
must_check int power_check(const struct run *run, struct error *err);

#endif
