/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spawn.h - other programs: start, feed, capture, wait, kill
 *
 * A child gets: an argument vector (never a shell), our environment with
 * LC_ALL=C, default signal handlers and an empty mask, a process group of its
 * own (a Ctrl-C at the terminal does not reach it), none of our descriptors,
 * and /dev/null where nothing else is said.  What it writes to stderr is kept,
 * unless it is sent elsewhere; its last line is the reason in our messages.
 *
 * Waiting ends early when the user asks us to end (base/stop).
 */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"

/* More output than this from a captured child is an error, unless the request
 * says otherwise.
 */
#define SPAWN_OUTPUT_MAX (16 * MIB)

struct spawn_request {
    const char *const *argv;    /* NULL-terminated; [0] is found through PATH */
    const char *input;          /* for its stdin; NULL: /dev/null */
    size_t input_len;           /* bytes */
    int stdin_fd;               /* > 0: its stdin instead; stays ours too */
    int stdout_fd;              /* > 0: its stdout, and nothing is captured;
                                 * stays ours too */
    int pass_fd;                /* > 0: becomes its descriptor 3, announced by
                                 * LISTEN_FDS=1 and LISTEN_PID; stays ours too */
    size_t output_max;          /* bytes to capture; 0: SPAWN_OUTPUT_MAX */
    const char *const *env_add; /* NULL, or "NAME=value" strings, then NULL */
    int stderr_fd; /* > 0: its stderr goes there, and nothing is kept; stays
                    * ours too */
    /* Paths, then NULL: it can write below these alone (SANDBOX_WRITER of
     * base/sandbox), whatever a file makes it do, if that can be arranged.
     * NULL: as we can. */
    const char *const *writes;
    bool die_with_us; /* the kernel kills it when the *thread* that started it
                       * ends, so start it from one that lives long */
};

/* Run a program to its end, at most `timeout_ms` (-1: no limit; then it and
 * its group are killed: ERR_TIMEOUT).  `ret_out` (NULL: not captured) and
 * `ret_err` (NULL: dropped) get new strings with its stdout and (the last
 * 64 KiB of) its stderr.  An exit status but 0, or a signal: ERR_CHILD, code is
 * the status or 128 + the signal, and the last line of stderr is the reason.
 * A program that cannot be started: ERR_SYSTEM, code its errno.
 */
must_check int spawn_run(const struct spawn_request *req, int timeout_ms,
                         char **ret_out, char **ret_err, struct error *err);

struct child;

/* Start a program and let it run.  Its stdout is /dev/null unless the request
 * says otherwise.  (`input` is not possible here beyond what a pipe takes, 64
 * KiB: ERR_INPUT.)
 */
must_check int spawn_start(const struct spawn_request *req, struct child **ret,
                           struct error *err);

pid_t child_pid(const struct child *child);

/* Readable as soon as the child has ended; for poll.  Belongs to the child. */
int child_fd(const struct child *child);

/* Has it not ended yet? */
bool child_running(struct child *child);

/* Wait until it has ended by itself: 0, or -1 as in spawn_run.  After
 * ERR_TIMEOUT and ERR_STOPPED it still runs.  May be called again.
 */
must_check int child_wait(struct child *child, int timeout_ms,
                          struct error *err);

/* Ask it (SIGTERM) to end, and wait `grace_ms`.  0: it ended with status 0, or
 * by that SIGTERM.  Otherwise as in spawn_run; ERR_TIMEOUT: it had to be
 * killed.  It never runs any more afterwards.  Does not look at base/stop.
 */
must_check int child_stop(struct child *child, int grace_ms, struct error *err);

/* The same without an answer, with two seconds of grace. */
void child_kill(struct child *child);

/* A new string: the last line it wrote to stderr so far, "" if none; NULL: no
 * memory.
 */
must_check char *child_last_line(const struct child *child);

/* A new string: the last `max` bytes of what it wrote to stderr so far; NULL:
 * no memory.
 */
must_check char *child_stderr_tail(const struct child *child, size_t max);

/* Kill it if it runs, and forget it.  Accepts NULL. */
void child_free(struct child *child);
DEFINE_CLEANUP(struct child *, child_free);

#endif
