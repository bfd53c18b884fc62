/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-rate.c - base/rate, on a clock of its own and from many threads */
#include "base/rate.h"

#include "base/cleanup.h"
#include "base/workers.h"
#include "check.h"

#define SECOND 1000000000ULL
#define START (1000 * SECOND)

static void test_unlimited(void)
{
    _cleanup_(rate_done) struct rate r = {0};

    rate_init(&r, 0);
    CHECK_EQ_U64(rate_take_at(&r, UINT64_MAX, START), 0);
    CHECK_EQ_U64(rate_take_at(&r, UINT64_MAX, START), 0);
    CHECK_EQ_U64(rate_take(&r, UINT64_MAX), 0);
}

/* Who waits as told moves the limit's bytes a second, whatever the pieces. */
static void check_pace(uint64_t limit, uint64_t piece)
{
    _cleanup_(rate_done) struct rate r = {0};
    uint64_t now = START;
    uint64_t moved = 0;
    uint64_t allowed;

    rate_init(&r, limit);
    while (now < START + 10 * SECOND) {
        now += rate_take_at(&r, piece, now);
        if (now < START + 10 * SECOND)
            moved += piece;
    }
    /* Ten seconds, what the pause before them earned, and the last piece. */
    allowed = limit * 10 + limit * RATE_BURST_MS / 1000 + piece;
    CHECK(moved <= allowed);
    CHECK(moved >= limit * 10 - piece);
}

static void test_pace(void)
{
    check_pace(100 * MIB, 256 * KIB);
    check_pace(1000, 1);
    check_pace(1000, 5000);
    check_pace(10 * GIB, MIB);
}

/* A long pause earns one burst and no more. */
static void test_pause(void)
{
    _cleanup_(rate_done) struct rate r = {0};
    uint64_t free_bytes = 0;

    rate_init(&r, 1000000);
    CHECK_EQ_U64(rate_take_at(&r, 1000000, START), 0);
    while (rate_take_at(&r, 1000, START + 3600 * SECOND) == 0)
        free_bytes += 1000;
    CHECK(free_bytes >= 100000 && free_bytes <= 102000);
}

static void test_extremes(void)
{
    _cleanup_(rate_done) struct rate r = {0};

    rate_init(&r, 1);
    CHECK_EQ_U64(rate_take_at(&r, UINT64_MAX, START), 0);
    CHECK(rate_take_at(&r, UINT64_MAX, START) > SECOND);
    CHECK(rate_take_at(&r, 1, START) > SECOND);
    rate_change(&r, 0);
    CHECK_EQ_U64(rate_take_at(&r, 1, START), 0);
}

struct taker {
    struct rate *rate;
    uint64_t last_wait;
};

static void *take_many(void *opaque)
{
    struct taker *t = opaque;

    for (int i = 0; i < 1000; i++) {
        uint64_t wait = rate_take_at(t->rate, 1000, START);

        if (wait > t->last_wait)
            t->last_wait = wait;
    }
    return NULL;
}

/* Nothing that threads take at the same time gets lost. */
static void test_shared(void)
{
    _cleanup_(rate_done) struct rate r = {0};
    struct taker takers[4] = {{&r, 0}, {&r, 0}, {&r, 0}, {&r, 0}};
    pthread_t threads[4];
    uint64_t longest = 0;

    rate_init(&r, 1000000);
    for (int i = 0; i < 4; i++)
        REQUIRE(thread_start(&threads[i], "t", take_many, &takers[i], NULL) ==
                0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        if (takers[i].last_wait > longest)
            longest = takers[i].last_wait;
    }
    /* 4 MB at 1 MB/s, less the burst and the last piece. */
    CHECK_EQ_U64(longest, 4 * SECOND - SECOND / 10 - SECOND / 1000);
}

int main(void)
{
    RUN(test_unlimited);
    RUN(test_pace);
    RUN(test_pause);
    RUN(test_extremes);
    RUN(test_shared);
    return check_result();
}
