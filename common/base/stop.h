/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stop.h - the user wants us to end
 *
 * One process-wide flag, set once, by SIGINT, SIGTERM, SIGHUP or SIGQUIT or by
 * a call, and never taken back.  Whoever waits, waits on stop_fd() too;
 * whoever loops, calls stop_check().  Hides the signal handlers.
 */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include "base/error.h"
#include "base/macro.h"

/* Install the handlers (a SIGHUP that is ignored stays ignored: nohup) and
 * ignore SIGPIPE.  Call it once, before any thread.
 */
must_check int stop_init(struct error *err);

/* Ask for the end as if signal `signo` had come.  Async-signal-safe. */
void stop_request(int signo);

/* The first signal that asked for the end, or 0. */
int stop_requested(void);

/* Readable as soon as the end was asked for, and from then on.  Only to be
 * polled.  -1 before stop_init (poll ignores that).
 */
int stop_fd(void);

/* -1 with ERR_STOPPED, "ended by SIGTERM", once the end was asked for. */
must_check int stop_check(struct error *err);

enum stop_outcome {
    STOP_TIMEOUT = 0, /* nothing happened in time */
    STOP_READY = 1,   /* `fd` is readable, or hung up, or bad */
    STOP_NOW = 2,     /* the end was asked for */
};

/* Wait until `fd` (-1: none) is readable, for at most `timeout_ms` (-1: no
 * limit).  A request to end wins.
 */
must_check enum stop_outcome stop_wait(int fd, int timeout_ms);

#endif
