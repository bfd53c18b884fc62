/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wake.h - how a job tells the thread that waits for it
 *
 * An eventfd: signalled from any thread, polled and cleared by its owner.
 */
#ifndef BACKUP_WAKE_H
#define BACKUP_WAKE_H

#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "base/macro.h"

static inline void wake_signal(int fd)
{
    uint64_t one = 1;
    ssize_t ignored maybe_unused = write(fd, &one, sizeof(one));
}

static inline void wake_clear(int fd)
{
    uint64_t count;
    ssize_t ignored maybe_unused = read(fd, &count, sizeof(count));
}

/* Wait for a signal, at most `timeout_ms`, and clear it. */
static inline void wake_wait(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (poll(&p, 1, timeout_ms) > 0)
        wake_clear(fd);
}

#endif
