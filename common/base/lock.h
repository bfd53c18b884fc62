/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lock.h - the lock file of a directory
 *
 * One writer a directory, by flock on a file that stays there; the kernel
 * lets go when we end, however that happens.  The descriptor is close-on-exec,
 * so neither the guardian nor a child keeps the lock.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"

#define LOCK_NAME ".virtnbdbackup.lock"

enum lock_outcome {
    LOCK_HELD = 0,      /* somebody else has it */
    LOCK_TAKEN = 1,     /* ours */
    LOCK_READ_ONLY = 2, /* we may not write in this directory: a reader goes
                         * on, a writer must not */
};

/* Try to take the lock `name` (normally LOCK_NAME) of the directory `dirfd`,
 * without waiting.  `*ret_fd` is set when it is ours: close it to let go
 * (_cleanup_close_).  -1: an error.
 */
must_check int lock_take(int dirfd, const char *name, int *ret_fd,
                         struct error *err);

/* Let go: close, and *fd = -1.  Nothing if *fd is -1. */
void lock_release(int *fd);

/* The process that wrote itself into the lock file last, or 0: for messages
 * about LOCK_HELD only.
 */
pid_t lock_holder(int dirfd, const char *name);

#endif
