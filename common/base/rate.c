/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rate.c - see rate.h
 *
 * Instead of a bucket that fills up, one point in time: when all that was taken
 * is paid for.  Taking moves it on, and is granted once it has come; a pause
 * lets it fall at most RATE_BURST_MS behind.
 */
#include "base/rate.h"

#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define NS_PER_SECOND 1000000000ULL
#define BURST_NS (RATE_BURST_MS * 1000000ULL)

/* Parts of the limit: with the burst, a tenth of it, and one part that comes
 * at the end of the window, 1.15 times the limit is the most of a second.
 */
#define PARTS 20

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

uint64_t rate_part(struct rate *rate, uint64_t bytes)
{
    uint64_t part;

    LOCK_SCOPE(&rate->mutex);
    if (rate->bytes_per_second == 0)
        return bytes;
    part = rate->bytes_per_second / PARTS;
    part = MAX_OF(part - part % RATE_PART_MIN, (uint64_t)RATE_PART_MIN);
    return MIN_OF(bytes, part);
}

uint64_t rate_take_at(struct rate *rate, uint64_t bytes, uint64_t now_ns)
{
    unsigned __int128 cost;
    uint64_t earliest = now_ns > BURST_NS ? now_ns - BURST_NS : 0;

    LOCK_SCOPE(&rate->mutex);
    if (rate->bytes_per_second == 0)
        return 0;
    if (rate->paid_ns > now_ns)
        return rate->paid_ns - now_ns;
    if (rate->paid_ns < earliest)
        rate->paid_ns = earliest;
    cost = (unsigned __int128)bytes * NS_PER_SECOND / rate->bytes_per_second;
    if (cost > UINT64_MAX - rate->paid_ns)
        rate->paid_ns = UINT64_MAX;
    else
        rate->paid_ns += (uint64_t)cost;
    return 0;
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
