/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-cache.c - what is kept, what makes room, and who waits for whom */
#include "cache.h"

#include <pthread.h>

#include "base/cleanup.h"

#include "maker.h"

#define PAGE ((size_t)(16 * KIB))
#define PLACES 40
#define THREADS 8
#define ROUNDS 4000

static struct cache *new_cache(uint64_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct cache *c = NULL;

    CHECK_OK(cache_new(size, &c, &err), &err);
    return c;
}

/* Ask, and load if need be: `length` times the byte.  1: it was there. */
static int use(struct cache *c, struct cache_item **place, size_t length,
               unsigned char byte, bool good)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ unsigned char *bytes = malloc(length + 1);
    struct cache_item *item = NULL;
    int result = cache_ask(c, place, length, &item, &err);

    memset(bytes, byte, length);
    if (result == CACHE_MISS) {
        cache_write(c, item, 0, bytes, length);
        cache_loaded(c, item, good);
    } else {
        _cleanup_free_ unsigned char *got = malloc(length + 1);

        CHECK_EQ_INT(result, CACHE_HIT);
        cache_read(c, item, 0, got, length);
        CHECK_MEM(got, bytes, length);
        cache_release(c, item);
    }
    return result;
}

static void test_last_used_stays(void)
{
    _cleanup_(cache_freep) struct cache *c = new_cache(4 * PAGE);
    struct cache_item *places[5] = {NULL};

    for (unsigned char i = 0; i < 4; i++)
        CHECK_EQ_INT(use(c, &places[i], PAGE - i, i, true), CACHE_MISS);
    for (unsigned char i = 0; i < 4; i++)
        CHECK_EQ_INT(use(c, &places[i], PAGE - i, i, true), CACHE_HIT);
    CHECK_EQ_INT(use(c, &places[0], PAGE, 0, true), CACHE_HIT);
    /* The place of the one that was not used for the longest time. */
    CHECK_EQ_INT(use(c, &places[4], 1, 4, true), CACHE_MISS);
    CHECK(!places[1] && places[0] && places[2] && places[3]);
    CHECK_EQ_INT(use(c, &places[1], PAGE, 1, true), CACHE_MISS);
    CHECK(!places[2] && places[0] && places[3] && places[4]);
    /* As much room as is wanted, and no more. */
    CHECK_EQ_INT(use(c, &places[2], 2 * PAGE, 2, true), CACHE_MISS);
    CHECK(!places[3] && !places[0] && places[4] && places[1]);
}

static void test_what_has_no_room(void)
{
    _cleanup_(cache_freep) struct cache *c = new_cache(2 * PAGE);
    _cleanup_(cache_freep) struct cache *none = new_cache(0);
    struct cache_item *a = NULL, *b = NULL, *n = NULL;

    CHECK_EQ_INT(use(c, &a, 10, 7, true), CACHE_MISS);
    CHECK_EQ_INT(use(c, &b, 2 * PAGE + 1, 8, true), CACHE_MISS);
    CHECK(!b);
    CHECK_EQ_INT(use(c, &a, 10, 7, true), CACHE_HIT);
    CHECK_EQ_INT(use(none, &n, 1, 1, true), CACHE_MISS);
    CHECK(!n);
    CHECK_EQ_INT(use(none, &n, 0, 1, true), CACHE_MISS);
    CHECK(!n);
}

static void test_failed_load(void)
{
    _cleanup_(cache_freep) struct cache *c = new_cache(2 * PAGE);
    struct cache_item *a = NULL;

    CHECK_EQ_INT(use(c, &a, 2 * PAGE, 1, false), CACHE_MISS);
    CHECK(!a);
    /* Its pages are free again. */
    CHECK_EQ_INT(use(c, &a, 2 * PAGE, 1, true), CACHE_MISS);
    CHECK_EQ_INT(use(c, &a, 2 * PAGE, 1, true), CACHE_HIT);
}

/* What somebody reads makes no room. */
static void test_in_use(void)
{
    _cleanup_(cache_freep) struct cache *c = new_cache(2 * PAGE);
    struct cache_item *a = NULL, *b = NULL, *item = NULL;
    unsigned char byte = 0;

    CHECK_EQ_INT(cache_peek(c, &a, &item), CACHE_MISS);
    CHECK(!a);
    CHECK_EQ_INT(use(c, &a, PAGE, 1, true), CACHE_MISS);
    CHECK_EQ_INT(cache_peek(c, &a, &item), CACHE_HIT);
    CHECK_EQ_INT(use(c, &b, 2 * PAGE, 2, true), CACHE_MISS);
    CHECK(a && !b);
    cache_read(c, item, PAGE - 1, &byte, 1);
    CHECK_EQ_INT(byte, 1);
    cache_release(c, item);
    CHECK_EQ_INT(use(c, &b, 2 * PAGE, 2, true), CACHE_MISS);
    CHECK(!a && b);
}

/* Many threads at few records. */
static struct {
    struct cache *cache;
    struct cache_item *places[PLACES];
    size_t lengths[PLACES];
    int loading[PLACES]; /* threads that load it */
    int twice;           /* times that more than one did */
    int wrong;           /* bytes of another record */
    int hits, misses;
} shared;

static void load_shared(struct cache_item *item, size_t n, uint64_t *seed)
{
    unsigned char part[1000];
    bool good = lab_random(seed) % 10 != 0;

    if (__atomic_fetch_add(&shared.loading[n], 1, __ATOMIC_SEQ_CST) != 0)
        __atomic_fetch_add(&shared.twice, 1, __ATOMIC_SEQ_CST);
    memset(part, (int)n, sizeof(part));
    for (size_t at = 0; at < shared.lengths[n]; at += sizeof(part))
        cache_write(shared.cache, item, at, part,
                    MIN_OF(sizeof(part), shared.lengths[n] - at));
    __atomic_fetch_sub(&shared.loading[n], 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&shared.misses, 1, __ATOMIC_SEQ_CST);
    cache_loaded(shared.cache, item, good);
}

static void read_shared(struct cache_item *item, size_t n, uint64_t *seed)
{
    unsigned char part[2000] = {0};
    size_t length = MIN_OF(sizeof(part), shared.lengths[n]);
    size_t at = lab_random(seed) % (shared.lengths[n] - length + 1);

    cache_read(shared.cache, item, at, part, length);
    for (size_t i = 0; i < length; i++)
        if (part[i] != n)
            __atomic_fetch_add(&shared.wrong, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&shared.hits, 1, __ATOMIC_SEQ_CST);
    cache_release(shared.cache, item);
}

static void *use_shared(void *opaque)
{
    uint64_t seed = *(uint64_t *)opaque;

    for (int i = 0; i < ROUNDS; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        struct cache_item *item = NULL;
        size_t n = lab_random(&seed) % PLACES;

        /* Some of them are wanted more often. */
        if (lab_random(&seed) % 2)
            n %= 5;
        if (cache_ask(shared.cache, &shared.places[n], shared.lengths[n], &item,
                      &err) == CACHE_HIT)
            read_shared(item, n, &seed);
        else
            load_shared(item, n, &seed);
    }
    return NULL;
}

static void test_threads(void)
{
    _cleanup_(cache_freep) struct cache *c = new_cache(30 * PAGE);
    uint64_t seed = maker_seed() | 1, seeds[THREADS];
    pthread_t threads[THREADS];

    shared.cache = c;
    for (size_t i = 0; i < PLACES; i++)
        shared.lengths[i] = 1 + lab_random(&seed) % (i % 9 ? 3 * PAGE : 200000);
    for (size_t i = 0; i < THREADS; i++) {
        seeds[i] = lab_random(&seed);
        if (pthread_create(&threads[i], NULL, use_shared, &seeds[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ_INT(shared.twice, 0);
    CHECK_EQ_INT(shared.wrong, 0);
    CHECK_EQ_INT(shared.hits + shared.misses, THREADS * ROUNDS);
    CHECK(shared.hits > ROUNDS / 4 && shared.misses > ROUNDS / 4);
    printf("# %d hits, %d misses\n", shared.hits, shared.misses);
}

int main(void)
{
    RUN(test_last_used_stays);
    RUN(test_what_has_no_room);
    RUN(test_failed_load);
    RUN(test_in_use);
    RUN(test_threads);
    return check_result();
}
