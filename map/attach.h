/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach.h - the disks as files or devices of this machine
 *
 * What the options ask for beyond URIs.  The guardian is told of each thing
 * before it exists.  Must not know what serves the URIs.
 */
#ifndef MAP_ATTACH_H
#define MAP_ATTACH_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/words.h"
#include "follow.h"
#include "host/guardian.h"
#include "options.h"
#include "watch.h"

struct attachments;

/* Refuse what cannot become true, before anything is started.  `disks`: their
 * names.
 */
must_check int attach_check(const struct map_options *o,
                            const struct words *disks, struct error *err);

/* Make and attach all; `uris` are those of the disks.  `runtime_dir` is ours,
 * for sockets.  Programs die with the calling *thread*.  With PLACE_URI there
 * is nothing to do, and `*ret` has nothing in it.
 */
must_check int attach_start(const struct map_options *o,
                            const struct words *disks, const struct words *uris,
                            const char *runtime_dir, struct follow *follow,
                            struct guardian *guardian, struct attachments **ret,
                            struct error *err);

/* Watch for the end of any of them. */
must_check int attach_watch(const struct attachments *a, struct watch *w,
                            struct error *err);

enum attach_outcome {
    ATTACH_GOOD = 0, /* some, or none from the start */
    ATTACH_GONE = 1, /* the user has unmounted or detached them all */
};

/* -1: one has failed. */
must_check int attach_look(struct attachments *a, struct error *err);

/* Take all away, and free `own_attachments`, which may be NULL.  -1: something
 * is left, and `err` says what; the rest is away.
 */
must_check int attach_stop(struct attachments *own_attachments,
                           struct error *err);

/* The same without an answer. */
void attach_free(struct attachments *a);
DEFINE_CLEANUP(struct attachments *, attach_free);

#endif
