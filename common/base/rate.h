/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rate.h - one limit of bytes a second, shared by threads
 *
 * It tells how long to wait and leaves the waiting to the caller, who has
 * other things to wait for as well.  A pause earns at most RATE_BURST_MS of
 * unlimited speed.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <pthread.h>
#include <stdint.h>

#define RATE_BURST_MS 100

struct rate {
    pthread_mutex_t mutex;
    uint64_t bytes_per_second; /* 0: no limit */
    uint64_t paid_ns;          /* everything taken is paid for by then */
};

/* `bytes_per_second` 0: no limit. */
void rate_init(struct rate *rate, uint64_t bytes_per_second);

/* Change the limit; what was taken before stays taken. */
void rate_change(struct rate *rate, uint64_t bytes_per_second);

/* Take `bytes`: the nanoseconds to wait before moving them, 0: now. */
uint64_t rate_take(struct rate *rate, uint64_t bytes);

/* The same at the time `now_ns` of a clock that never goes back. */
uint64_t rate_take_at(struct rate *rate, uint64_t bytes, uint64_t now_ns);

void rate_done(struct rate *rate);

#endif
