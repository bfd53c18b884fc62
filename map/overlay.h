/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay.h - what is written to a disk, kept in a qcow2 image
 *
 * The image DIR/DISK.qcow2 lies over what an NBD server of ours serves, and is
 * itself served by qemu-nbd.  Nothing that exists is replaced.  Must not know
 * who serves and who connects.
 */
#ifndef MAP_OVERLAY_H
#define MAP_OVERLAY_H

#include "base/error.h"
#include "base/macro.h"
#include "base/words.h"
#include "host/guardian.h"

struct overlay;

/* Make the directory if need be, refuse (ERR_EXISTS) if the image of one of the
 * disks exists, and tell the guardian of those to come.
 */
must_check int overlay_prepare(const char *dir, const struct words *disks,
                               struct guardian *guardian, struct error *err);

/* From now on they stay: the guardian forgets them. */
must_check int overlay_commit(struct guardian *guardian, struct error *err);

/* Make the image of `disk` over the raw disk at the NBD URI `backing`, and
 * serve it as the export "" on a new Unix socket `socket`.
 */
must_check int overlay_start(const char *dir, const char *disk,
                             const char *backing, const char *socket,
                             struct overlay **ret, struct error *err);

/* Readable once its server has ended by itself. */
int overlay_fd(const struct overlay *o);

/* Why it has: fills `err`, returns -1. */
int overlay_why_ended(const struct overlay *o, struct error *err);

/* End the server; the image is complete and durable if this returns 0.  Frees
 * `own_overlay`, which may be NULL.
 */
must_check int overlay_stop(struct overlay *own_overlay, struct error *err);

/* End the server and remove the image.  Accepts NULL. */
void overlay_abandon(struct overlay *o);

#endif
