/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guardian.h - the process that outlives us
 *
 * The program starts itself again, before it has any thread, connection or
 * lock, as `PROGRAM --guardian`.  That process waits.  What must not survive
 * us is told to it in facts before it comes to exist.  If we end without a
 * goodbye, however that happens, it calls the program's undo function with the
 * facts as they were last.  A SIGKILL to us, or to all of our process group,
 * does not reach it; if it is killed itself, the next fact cannot be told.
 *
 * It has a session of its own, ignores SIGINT, SIGTERM, SIGHUP and the like,
 * works in "/", and has our environment and stderr but none of our other
 * descriptors.
 *
 * Knows nothing of what facts mean.
 */
#ifndef HOST_GUARDIAN_H
#define HOST_GUARDIAN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"

#define GUARDIAN_KEY_MAX 64          /* bytes of a key, with its NUL */
#define GUARDIAN_VALUE_MAX (8 * KIB) /* bytes of a value, with its NUL */
#define GUARDIAN_FACTS_MAX 64        /* facts at a time */

/* How long undoing may take before the guardian gives up, in seconds. */
#define GUARDIAN_UNDO_SECONDS 300

/* Our side. */

struct guardian;

/* Start it; returns when it is there.  `extra_args` (NULL-terminated, or NULL)
 * follow "--guardian" on its command line, for the eyes of those who list
 * processes.
 */
must_check int guardian_start(const char *const *extra_args,
                              struct guardian **ret, struct error *err);

/* Set the fact `key` to `value`, or take it back (NULL).  When this returns 0,
 * the guardian knows; then do what the fact is about.  Thread-safe.
 * ERR_CHILD: the guardian is gone, nothing will be undone if we are killed, so
 * stop before doing more.  ERR_TIMEOUT: it does not answer; no fact will be
 * taken any more.  ERR_INPUT: too long, or too many.
 */
must_check int guardian_tell(struct guardian *g, const char *key,
                             const char *value, struct error *err);

/* There is nothing to undo: let it end, and wait for that.  Frees `g`, which
 * may be NULL.
 */
void guardian_bye(struct guardian *g);

/* Leave the rest to it: what the facts say is undone as soon as this process
 * ends, and not before.  Frees `g`, which may be NULL.
 */
void guardian_hand_over(struct guardian *g);

pid_t guardian_pid(const struct guardian *g);

/* Its side. */

struct guardian_facts;

/* The value, or NULL.  It lives as long as the facts. */
const char *facts_get(const struct guardian_facts *facts, const char *key);

/* Undo what the facts say: 0, or -1 with `err`.  Runs in the guardian, alone,
 * with no stop flag; everything it waits for needs a deadline of its own.
 */
typedef int (*guardian_undo)(const struct guardian_facts *facts,
                             struct error *err);

/* Is this process meant to be a guardian?  To be asked first in main(). */
bool guardian_is_wanted(int argc, char **argv);

/* Be the guardian; the return value is the exit status: 0 nothing was to be
 * undone or all was, 1 undoing failed, 64 somebody typed --guardian.  Logs to
 * stderr and syslog, only if there is something to undo.
 */
must_check int guardian_main(guardian_undo undo);

/* The same with another deadline than GUARDIAN_UNDO_SECONDS. */
must_check int guardian_serve(guardian_undo undo, unsigned undo_seconds);

#endif
