/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rate.h - one limit of bytes a second, shared by threads
 *
 * Whoever wants to move bytes asks, and either has them or is told how long to
 * wait before asking again: the waiting is left to the caller, who has other
 * things to wait for as well.  What is not granted is not taken either, so
 * that threads that come late do not move together what each was promised
 * before.
 *
 * A pause earns at most RATE_BURST_MS of unlimited speed.  In any window of a
 * second at most 1.2 times the limit is granted, if nobody asks for more than
 * rate_part at a time, and the limit is at least 10 * RATE_PART_MIN bytes a
 * second.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <pthread.h>
#include <stdint.h>

#define RATE_BURST_MS 100

/* Bytes: the smallest part.  Below it more is lost by asking than won. */
#define RATE_PART_MIN 4096

struct rate {
    pthread_mutex_t mutex;
    uint64_t bytes_per_second; /* 0: no limit */
    uint64_t paid_ns;          /* everything taken is paid for by then */
};

/* `bytes_per_second` 0: no limit. */
void rate_init(struct rate *rate, uint64_t bytes_per_second);

/* Change the limit; what was taken before stays taken. */
void rate_change(struct rate *rate, uint64_t bytes_per_second);

/* How many of `bytes` to take at a time: a multiple of RATE_PART_MIN, or all
 * of them.
 */
uint64_t rate_part(struct rate *rate, uint64_t bytes);

/* Take `bytes`.  0: they may be moved now.  Otherwise nothing was taken, and
 * the nanoseconds after which to ask again.
 */
uint64_t rate_take(struct rate *rate, uint64_t bytes);

/* The same at the time `now_ns` of a clock that never goes back. */
uint64_t rate_take_at(struct rate *rate, uint64_t bytes, uint64_t now_ns);

void rate_done(struct rate *rate);

#endif
