/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-segment.c - base/segment: a producer and writers that give back */
#include "base/segment.h"

#include <poll.h>
#include <pthread.h>

#include "check.h"

static int poll_in(int fd, int timeout_ms)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, timeout_ms);
}

static void test_take_and_give(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(segment_pool_freep) struct segment_pool *pool = NULL;
    struct segment *s[3];

    pool = segment_pool_new(3, 10000, &err);
    REQUIRE(pool != NULL);
    CHECK(segment_pool_idle(pool));
    CHECK_EQ_INT(poll_in(segment_pool_fd(pool), 0), 0);
    for (int i = 0; i < 3; i++) {
        s[i] = segment_take(pool);
        REQUIRE(s[i] != NULL);
        CHECK_EQ_U64(s[i]->size, 12288);
        CHECK_EQ_U64((uintptr_t)s[i]->data % SEGMENT_ALIGN, 0);
        CHECK_EQ_U64(s[i]->index, i);
        memset(s[i]->data, i, s[i]->size);
    }
    for (int i = 0; i < 3; i++)
        CHECK(s[i]->data[0] == i && s[i]->data[s[i]->size - 1] == i);
    CHECK(!segment_pool_idle(pool));
    CHECK(segment_take(pool) == NULL);
    s[1]->used = 7;
    s[1]->owner = &err;
    segment_give(pool, s[1]);
    CHECK_EQ_INT(poll_in(segment_pool_fd(pool), 0), 1);
    s[1] = segment_take(pool);
    REQUIRE(s[1] != NULL);
    CHECK(s[1]->used == 0 && s[1]->owner == NULL && s[1]->index == 1);
    CHECK(segment_take(pool) == NULL);
    CHECK_EQ_INT(poll_in(segment_pool_fd(pool), 0), 0);
    for (int i = 0; i < 3; i++)
        segment_give(pool, s[i]);
    CHECK(segment_pool_idle(pool));
}

static void test_impossible(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK(segment_pool_new(0, 4096, &err) == NULL);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK(segment_pool_new(1, 0, &err) == NULL);
    CHECK(segment_pool_new(1, SIZE_MAX, &err) == NULL);
    CHECK(segment_pool_new(SIZE_MAX / 4096, 8192, &err) == NULL);
    CHECK(segment_pool_new(2, SIZE_MAX / 4, &err) == NULL);
    CHECK(err.kind == ERR_MEMORY || err.kind == ERR_SYSTEM);
}

#define TURNS 20000

struct flow {
    struct segment_pool *pool;
    uint64_t sum; /* atomically */
};

static void consume(struct job *job)
{
    struct segment *s = container_of(job, struct segment, job);
    struct flow *f = s->owner;

    __atomic_fetch_add(&f->sum, s->data[0] + s->offset, __ATOMIC_RELAXED);
    segment_give(f->pool, s);
}

/* One taker, several givers: it never misses that one came back. */
static void test_flow(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(segment_pool_freep) struct segment_pool *pool = NULL;
    _cleanup_(workers_freep) struct workers *w = NULL;
    struct flow f = {NULL, 0};
    uint64_t expected = 0;

    pool = segment_pool_new(4, 4096, &err);
    w = workers_new(3, "consume", &err);
    REQUIRE(pool && w);
    f.pool = pool;
    for (uint64_t i = 0; i < TURNS; i++) {
        struct segment *s;

        while (!(s = segment_take(pool)))
            REQUIRE(poll_in(segment_pool_fd(pool), 10000) == 1);
        s->data[0] = (unsigned char)i;
        s->offset = i;
        s->owner = &f;
        s->job.run = consume;
        expected += i + (unsigned char)i;
        workers_add(w, &s->job);
    }
    workers_wait(w);
    CHECK(segment_pool_idle(pool));
    CHECK_EQ_U64(f.sum, expected);
}

int main(void)
{
    RUN(test_take_and_give);
    RUN(test_impossible);
    RUN(test_flow);
    return check_result();
}
