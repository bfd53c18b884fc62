/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* there.h - restoring on another host
 *
 * With -U qemu+ssh://HOST/... the output directory is one of that host: images
 * are made and filled there, in a staging directory there, and what else is
 * restored grows here and is carried over at the end.  Then all of it gets its
 * names there, or nothing does.  What must not stay there if we end is told to
 * the host itself (host/remote.h).
 */
#ifndef RESTORE_THERE_H
#define RESTORE_THERE_H

#include <stddef.h>

#include "base/error.h"
#include "host/guardian.h"
#include "host/remote.h"
#include "options.h"
#include "transport.h"

struct there {
    struct remote *remote;
    char *local_dir;  /* private, here */
    char *server_dir; /* private, there: for the servers */
    char *staging;    /* there, in the output directory */
    struct transport transport;
};

/* Does the user want that?  Only -U says so: a default that the environment
 * names is for libvirt alone.
 */
bool there_is_wanted(const struct restore_options *options);

/* Connect, make the private directory here, of which the guardian is told as
 * `fact`, and the output directory there.  ERR_USAGE: options that are for
 * this machine.
 */
must_check int there_open(const struct restore_options *options,
                          struct guardian *guardian, const char *fact,
                          struct there *ret, struct error *err);

/* Make the directories there. */
must_check int there_make(struct there *t, const char *target,
                          struct error *err);

/* ERR_EXISTS: one of the names is taken in `target` there. */
must_check int there_check_names(struct there *t, const char *target,
                                 char *const *names, size_t count,
                                 struct error *err);

/* Carry over those of the files `names` that are here, in `stagingfd`; then
 * give all of them their places in `target`, durable: all, or none.
 * ERR_EXISTS: nothing is replaced.
 */
must_check int there_publish(struct there *t, int stagingfd, const char *target,
                             char *const *names, size_t count,
                             struct error *err);

/* Remove what was needed on the way, and free.  Outcome 1: something is left
 * (log).
 */
int there_close(struct there *t);

#endif
