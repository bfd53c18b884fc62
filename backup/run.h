/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.h - one backup from the first check to the commit */
#ifndef BACKUP_RUN_H
#define BACKUP_RUN_H

#include <stdbool.h>

#include "host/guardian.h"
#include "options.h"

/* Do it, and log what happened.  Returns the exit status.  `*ret_hand_over`:
 * something is left that the guardian has to clean up, so end without a
 * goodbye to it.
 */
int run_backup(const struct backup_options *options, int argc, char **argv,
               struct guardian *guardian, bool *ret_hand_over);

#endif
