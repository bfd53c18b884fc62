/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.h - one run of virtnbdmap, from the options to the last file removed */
#ifndef MAP_RUN_H
#define MAP_RUN_H

#include "base/error.h"
#include "host/guardian.h"
#include "options.h"

/* Show the disks until the user, or the command, ends.  Everything is away when
 * this returns.  `*ret_status` is the exit status; -1: it failed.
 */
must_check int map_run(const struct map_options *o, struct guardian *guardian,
                       int *ret_status, struct error *err);

#endif
