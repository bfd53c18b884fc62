/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* servers.h - the disks as exports of NBD servers
 *
 * Read-only, one nbdkit with our plugin serves all disks.  Writable, each disk
 * has an nbdkit of its own that forgets what is written to it, or, to keep
 * that, a qemu-nbd over a qcow2 image that lies over the read-only one.
 *
 * Hides where the plugin is, sockets, ports and URIs.  Must not know who
 * connects.
 */
#ifndef MAP_SERVERS_H
#define MAP_SERVERS_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "follow.h"
#include "host/guardian.h"
#include "options.h"
#include "watch.h"
#include "what.h"

struct servers;

/* Start them.  `runtime_dir` is ours, for sockets.  `guardian` is told of files
 * that must not stay if we do not get to servers_commit.  They die with the
 * calling *thread*.  ERR_USAGE: TCP to the outside without TLS, or one port for
 * several disks; other errors as nbdkit_start, qemu_nbd_start, what_explain.
 */
must_check int servers_start(const struct map_options *o, const struct what *w,
                             const char *runtime_dir, struct follow *follow,
                             struct guardian *guardian, struct servers **ret,
                             struct error *err);

/* Everything has begun well: what is to be kept is kept from now on. */
must_check int servers_commit(const struct servers *s, struct error *err);

/* One for each disk of `what`, in its order. */
size_t servers_count(const struct servers *s);
const char *servers_disk(const struct servers *s, size_t i);
const char *servers_uri(const struct servers *s, size_t i);

/* Watch for the end of any of them; then servers_check says which it was. */
must_check int servers_watch(const struct servers *s, struct watch *w,
                             struct error *err);
must_check int servers_check(const struct servers *s, struct error *err);

/* End them; nobody is connected any more.  Frees `own_servers`, which may be
 * NULL.  -1: one did not end well; what was to be kept may not be.
 */
must_check int servers_stop(struct servers *own_servers, struct error *err);

/* End them without an answer; overlays that were made are removed, since nobody
 * has come to use them.
 */
void servers_abandon(struct servers *s);
DEFINE_CLEANUP(struct servers *, servers_abandon);

#endif
