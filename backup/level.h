/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* level.h - from the level that was asked for to the names of a point
 *
 * | Level | Point             | Makes a checkpoint |
 * |-------|-------------------|--------------------|
 * | full  | virtnbdbackup.0   | yes                |
 * | inc   | virtnbdbackup.N   | yes                |
 * | diff  | diff.<unix time>  | no                 |
 * | copy  | copy              | no                 |
 *
 * With a chain of its own (--chain weekly) points are virtnbdbackup.weekly.N.
 */
#ifndef BACKUP_LEVEL_H
#define BACKUP_LEVEL_H

#include "base/error.h"
#include "point.h"

/* Resolve `auto`, take into account that a powered-off domain gets no
 * checkpoint, find out which chain the directory belongs to, and refuse a level
 * that it has no base for.  Sets run->level and run->chain_name.
 */
must_check int level_resolve(struct run *run, struct error *err);

/* The disks are chosen: with raw ones only, a full becomes a copy. */
void level_fit_disks(struct run *run);

/* Refuse a level that the directory has no room for. */
must_check int level_check(const struct run *run, struct error *err);

/* Choose the names of the point and of its checkpoint: those that neither the
 * directory nor libvirt knows yet.  Sets run->point, run->checkpoint and
 * run->next.
 */
must_check int level_name(struct run *run, struct error *err);

/* Is the checkpoint one of the chain `chain` (NULL: the default one)? */
bool level_in_chain(const char *checkpoint, const char *chain);

#endif
