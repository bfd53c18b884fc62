/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* command.h - the user's own program, in the foreground
 *
 * Unlike the children of base/spawn it has our terminal and our stdin, stdout
 * and stderr.  While it runs, the keyboard's signals (Ctrl-C) are its affair
 * alone; it ends with us: SIGTERM, should we be killed.
 */
#ifndef MAP_COMMAND_H
#define MAP_COMMAND_H

#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/words.h"

struct command;

/* Run argv[0], found through PATH.  `variables` ("NAME=value") are put into its
 * environment, where nothing else begins with `prefix`.  ERR_INPUT: it cannot
 * be run.
 */
must_check int command_start(char *const *argv, const struct words *variables,
                             const char *prefix, struct command **ret,
                             struct error *err);

/* Readable once it has ended. */
int command_fd(const struct command *c);

/* End it (SIGTERM, and SIGKILL ten seconds later) if it runs, and free it.
 * Returns what a shell would take for its status: 128 + the signal if one ended
 * it.
 */
int command_finish(struct command *own_command);

static inline void command_freep(struct command **c)
{
    int status = *c ? command_finish(*c) : 0;

    (void)status;
    *c = NULL;
}

#endif
