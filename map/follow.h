/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow.h - what the programs we start complain of, while they run
 *
 * All of them write their stderr into one pipe; a thread of its own reads it,
 * so that none of them ever waits, and logs each line: errors as errors, traces
 * as information, debug messages as such.  Unless follow_loud, what they say is
 * the reason in our messages, and in the log only for -v.
 *
 * Knows how the lines of these programs begin; must not know who runs.
 */
#ifndef MAP_FOLLOW_H
#define MAP_FOLLOW_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"

struct follow;

must_check int follow_start(struct follow **ret, struct error *err);

/* For spawn_request.stderr_fd; belongs to the follower. */
int follow_fd(const struct follow *f);

/* While it runs well nobody waits for reasons: log them as errors. */
void follow_loud(struct follow *f, bool loud);

/* A new string: the last line that was no debug message or trace, of all that
 * has been written so far, without the program's own prefixes; "" if there is
 * none.  NULL: no memory.
 */
must_check char *follow_last(struct follow *f);

/* `err` tells that a program failed: append what it said.  Returns -1. */
int follow_explain(struct follow *f, struct error *err);

/* Read what there is, and end.  Accepts NULL.  The programs have ended. */
void follow_free(struct follow *f);
DEFINE_CLEANUP(struct follow *, follow_free);

#endif
