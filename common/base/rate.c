/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rate.c - see rate.h
 *
 * Instead of a bucket that fills up, one point in time: when all that was taken
 * is paid for.  Taking moves it on; a pause lets it fall at most RATE_BURST_MS
 * behind.
 */
#include "base/rate.h"

#include <time.h>

#include "base/cleanup.h"

#define NS_PER_SECOND 1000000000ULL
#define BURST_NS (RATE_BURST_MS * 1000000ULL)

void rate_init(struct rate *rate, uint64_t bytes_per_second)
{
    pthread_mutex_init(&rate->mutex, NULL);
    rate->bytes_per_second = bytes_per_second;
    rate->paid_ns = 0;
}

void rate_change(struct rate *rate, uint64_t bytes_per_second)
{
    LOCK_SCOPE(&rate->mutex);
    rate->bytes_per_second = bytes_per_second;
}

uint64_t rate_take_at(struct rate *rate, uint64_t bytes, uint64_t now_ns)
{
    unsigned __int128 cost;
    uint64_t earliest = now_ns > BURST_NS ? now_ns - BURST_NS : 0;
    uint64_t wait;

    LOCK_SCOPE(&rate->mutex);
    if (rate->bytes_per_second == 0)
        return 0;
    if (rate->paid_ns < earliest)
        rate->paid_ns = earliest;
    wait = rate->paid_ns > now_ns ? rate->paid_ns - now_ns : 0;
    cost = (unsigned __int128)bytes * NS_PER_SECOND / rate->bytes_per_second;
    if (cost > UINT64_MAX - rate->paid_ns)
        rate->paid_ns = UINT64_MAX;
    else
        rate->paid_ns += (uint64_t)cost;
    return wait;
}

uint64_t rate_take(struct rate *rate, uint64_t bytes)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return rate_take_at(
        rate, bytes, (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec);
}

void rate_done(struct rate *rate)
{
    pthread_mutex_destroy(&rate->mutex);
}
