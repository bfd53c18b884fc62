/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-rate.c - base/rate, on a clock of its own and from many threads */
#include "base/rate.h"

#include <time.h>

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

/* The time at which `bytes` are granted to one who asks from `now` on, as told.
 */
static uint64_t granted(struct rate *r, uint64_t bytes, uint64_t now)
{
    uint64_t wait;

    while ((wait = rate_take_at(r, bytes, now)) > 0)
        now += wait;
    return now;
}

/* Who waits as told moves the limit's bytes a second, whatever the pieces. */
static void check_pace(uint64_t limit, uint64_t piece)
{
    _cleanup_(rate_done) struct rate r = {0};
    uint64_t now = START;
    uint64_t moved = 0;
    uint64_t allowed;

    rate_init(&r, limit);
    while ((now = granted(&r, piece, now)) < START + 10 * SECOND)
        moved += piece;
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

static void test_part(void)
{
    _cleanup_(rate_done) struct rate r = {0};

    rate_init(&r, 0);
    CHECK_EQ_U64(rate_part(&r, 256 * KIB), 256 * KIB);
    rate_change(&r, 100 * MIB);
    CHECK_EQ_U64(rate_part(&r, 256 * KIB), 256 * KIB);
    rate_change(&r, 100 * KIB);
    CHECK_EQ_U64(rate_part(&r, 256 * KIB), 4096);
    CHECK_EQ_U64(rate_part(&r, 512), 512);
    rate_change(&r, 1);
    CHECK_EQ_U64(rate_part(&r, 256 * KIB), 4096);
    rate_change(&r, 300 * KIB);
    CHECK_EQ_U64(rate_part(&r, 256 * KIB), 12 * KIB);
}

#define ASKERS 8
#define GRANTS 4000
#define MILLION 1000000ULL

/* Many ask, and come later than they were told to, now and then much later:
 * in no window of a second more than 1.2 times the limit is granted.
 */
static void check_windows(uint64_t limit)
{
    static uint64_t at[GRANTS], size[GRANTS];
    _cleanup_(rate_done) struct rate r = {0};
    uint64_t next[ASKERS], now = START, first = 0, sum = 0, most = 0;
    unsigned count = 0;

    rate_init(&r, limit);
    for (int i = 0; i < ASKERS; i++)
        next[i] = START;
    while (count < GRANTS) {
        unsigned i = (unsigned)(random() % ASKERS);
        uint64_t part = rate_part(&r, 256 * KIB), wait;

        for (unsigned k = 0; k < ASKERS; k++)
            i = next[k] < next[i] ? k : i;
        now = MAX_OF(now, next[i]);
        wait = rate_take_at(&r, part, now);
        next[i] = now + wait + (uint64_t)(random() % 3000000);
        if (random() % 500 == 0)
            next[i] += (uint64_t)(random() % 1500000000);
        if (wait > 0)
            continue;
        at[count] = now;
        size[count++] = part;
    }
    for (unsigned i = 0; i < count; i++) {
        sum += size[i];
        while (at[i] - at[first] > SECOND)
            sum -= size[first++];
        most = MAX_OF(most, sum);
    }
    if (most > limit * 12 / 10)
        CHECK_FAIL("%" PRIu64 " bytes in a second, limit %" PRIu64, most,
                   limit);
}

static void test_windows(void)
{
    check_windows(10 * RATE_PART_MIN);
    check_windows(100000);
    check_windows(1000003);
    check_windows(20 * MIB);
    check_windows(200 * MIB);
}

static void *take_many(void *opaque)
{
    for (int i = 0; i < 1000; i++)
        (void)rate_take_at(opaque, 1000, START + SECOND);
    return NULL;
}

/* What threads take at the same time is taken once each. */
static void test_shared(void)
{
    _cleanup_(rate_done) struct rate r = {0};
    pthread_t threads[4];

    /* Four million bytes are just what this pause earns. */
    rate_init(&r, 4000 * MILLION / RATE_BURST_MS);
    CHECK_EQ_U64(rate_take_at(&r, 1, START), 0);
    for (int i = 0; i < 4; i++)
        REQUIRE(thread_start(&threads[i], "t", take_many, &r, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ_U64(r.paid_ns, START + SECOND);
}

int main(void)
{
    const char *given = getenv("SEED");
    unsigned seed =
        given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);

    printf("# seed %u\n", seed);
    srandom(seed);
    RUN(test_unlimited);
    RUN(test_pace);
    RUN(test_pause);
    RUN(test_extremes);
    RUN(test_part);
    RUN(test_windows);
    RUN(test_shared);
    return check_result();
}
