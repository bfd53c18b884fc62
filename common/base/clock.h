/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clock.h - how much time has gone by
 *
 * Milliseconds of a clock that never goes back and that nobody sets; only
 * differences mean something.  For the time of day, time() is good enough.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
