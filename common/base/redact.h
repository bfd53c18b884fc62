/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* redact.h - what must not be read in a log: the only place that decides it
 *
 * Of every URI in a text, what can be a secret is replaced by "***": the user
 * info in front of the host, and the query, unless all it says is where a
 * socket is.  So is every word that was called a secret before.  The log does
 * this to each of its records; whoever prints what a user typed elsewhere has
 * to do it himself.
 *
 * Knows libc only.  Thread-safe.
 */
#ifndef BASE_REDACT_H
#define BASE_REDACT_H

#include <stdbool.h>

#include "base/macro.h"

/* A new string: `text` as it may be shown.  A URI in it ends at a blank, a
 * quote or an angle bracket.  NULL: no memory.
 */
must_check char *redact_text(const char *text);

/* The same for a text that is one word, of which a URI may be the end: nothing
 * but the end of the text ends the URI (or a second one in it).
 */
must_check char *redact_word(const char *word);

/* From now on this is a secret; copied.  Meant for the few that a run has.
 * false: no memory, too many, or it is shorter than four bytes: then the holes
 * in the log would tell it.
 */
must_check bool redact_secret(const char *secret);

/* Wipe and forget them all: when nothing is said any more. */
void redact_forget(void);

#endif
