/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-extent.c - lists of extents, against tables and a byte map as oracle */
#include "block/extent.h"

#include <time.h>

#include "check.h"

/* "D0+4 Z8+2": the list as text, for comparing. */
static const char *text_of(const struct extent_list *list)
{
    static char text[4096];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < list->count && used < sizeof(text) - 64; i++) {
        const struct extent *e = &list->items[i];

        used += (size_t)snprintf(
            text + used, sizeof(text) - used, "%s%c%" PRIu64 "+%" PRIu64,
            i ? " " : "", "DAZ?"[e->kind], e -> offset, (uint64_t)e -> length);
    }
    return text;
}

static void test_size(void)
{
    CHECK_EQ_U64(sizeof(struct extent), 16);
}

static void test_append(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(extent_append(&list, 7, 0, EXTENT_DATA, &err), &err);
    CHECK_EQ_U64(list.count, 0);
    CHECK_OK(extent_append(&list, 0, 4, EXTENT_DATA, &err), &err);
    CHECK_OK(extent_append(&list, 4, 4, EXTENT_DATA, &err), &err);
    CHECK_OK(extent_append(&list, 8, 1, EXTENT_ZERO_ALLOCATED, &err), &err);
    CHECK_OK(extent_append(&list, 9, 1, EXTENT_ZERO, &err), &err);
    CHECK_OK(extent_append(&list, 11, 2, EXTENT_ZERO, &err), &err);
    CHECK_STR(text_of(&list), "D0+8 A8+1 Z9+1 Z11+2");
    CHECK_EQ_U64(extent_total(&list, EXTENT_DATA), 8);
    CHECK_EQ_U64(extent_total(&list, EXTENT_ZERO_ALLOCATED), 1);
    CHECK_EQ_U64(extent_total(&list, EXTENT_ZERO), 3);
    CHECK_EQ_U64(extent_total_all(&list), 12);
    extent_list_free(&list);
    CHECK_EQ_U64(list.count, 0);
}

static void test_append_refuses(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(extent_append(&list, 10, 10, EXTENT_DATA, &err), &err);
    CHECK_FAILS(extent_append(&list, 19, 1, EXTENT_DATA, &err), &err,
                "starts before 20");
    CHECK_FAILS(extent_append(&list, 0, 5, EXTENT_DATA, &err), &err,
                "starts before 20");
    CHECK_FAILS(extent_append(&list, UINT64_MAX - 3, 8, EXTENT_DATA, &err),
                &err, "passes the end");
    CHECK_FAILS(
        extent_append(&list, 20, EXTENT_END_MAX - 19, EXTENT_DATA, &err), &err,
        "passes the end");
    CHECK_FAILS(extent_append(&list, 20, UINT64_MAX, EXTENT_DATA, &err), &err,
                "passes the end");
    CHECK_STR(text_of(&list), "D10+10");
    /* The largest that fits, and it is kept exactly. */
    CHECK_OK(extent_append(&list, 20, EXTENT_END_MAX - 20, EXTENT_ZERO, &err),
             &err);
    CHECK_EQ_U64(extent_end(&list.items[1]), EXTENT_END_MAX);
}

static void test_tiles(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(extent_tiles(&list, 0, &err), &err);
    CHECK_FAILS(extent_tiles(&list, 1, &err), &err, "end at 0");
    CHECK_OK(extent_append(&list, 0, 4, EXTENT_DATA, &err), &err);
    CHECK_OK(extent_append(&list, 4, 4, EXTENT_ZERO, &err), &err);
    CHECK_OK(extent_tiles(&list, 8, &err), &err);
    CHECK_FAILS(extent_tiles(&list, 7, &err), &err, "the disk at 7");
    CHECK_FAILS(extent_tiles(&list, 9, &err), &err, "the disk at 9");
    CHECK_OK(extent_append(&list, 9, 1, EXTENT_DATA, &err), &err);
    CHECK_FAILS(extent_tiles(&list, 10, &err), &err, "1 bytes at 8");
}

static void test_find(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_U64(extent_find(&list, 0), 0);
    for (uint64_t i = 0; i < 1000; i++)
        CHECK_OK(extent_append(&list, i * 10 + 5, 5, EXTENT_DATA, &err), &err);
    for (uint64_t at = 0; at < 10020; at++)
        if (extent_find(&list, at) != MIN_OF(at / 10, 1000)) {
            CHECK_FAIL("offset %" PRIu64 " is found at %zu", at,
                       extent_find(&list, at));
            break;
        }
}

static void test_widen(void)
{
    static const struct {
        uint64_t gap, align, size;
        const char *want;
    } table[] = {
        {0, 1, 100, "D3+2 D10+2 D15+1 D99+1"},
        {5, 1, 100, "D3+2 D10+6 D99+1"},
        {6, 1, 100, "D3+13 D99+1"},
        {0, 4, 100, "D0+16 D96+4"},
        {0, 8, 100, "D0+16 D96+4"},
        {80, 8, 100, "D0+16 D96+4"},
        {81, 8, 100, "D0+100"},
    };
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(extent_append(&list, 3, 2, EXTENT_DATA, &err), &err);
    CHECK_OK(extent_append(&list, 10, 2, EXTENT_ZERO, &err), &err);
    CHECK_OK(extent_append(&list, 15, 1, EXTENT_DATA, &err), &err);
    CHECK_OK(extent_append(&list, 99, 1, EXTENT_DATA, &err), &err);
    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_extents_ struct extent_list wide = EXTENT_LIST_INIT;

        CHECK_OK(extent_widen(&list, table[i].gap, table[i].align,
                              table[i].size, &wide, &err),
                 &err);
        CHECK_STR(text_of(&wide), table[i].want);
    }
    {
        _cleanup_extents_ struct extent_list wide = EXTENT_LIST_INIT;

        CHECK_FAILS(extent_widen(&list, 0, 1, 99, &wide, &err), &err,
                    "passes the end");
    }
}

#define BYTES 400
#define NOTHING 9

/* Random ranges, and byte by byte what they say. */
static void draw(struct extent_list *list, unsigned char *map,
                 struct error *err)
{
    uint64_t at = 0;

    memset(map, NOTHING, BYTES);
    while (at < BYTES) {
        uint64_t length = (uint64_t)random() % 20;
        unsigned kind = (unsigned)random() % 4;

        length = MIN_OF(length, BYTES - at);
        if (kind < 3) {
            CHECK_OK(
                extent_append(list, at, length, (enum extent_kind)kind, err),
                err);
            memset(map + at, (int)kind, length);
        }
        at += length;
    }
}

/* The list says what the map says, and no two neighbours could be one. */
static void check_same(const struct extent_list *list, const unsigned char *map)
{
    unsigned char got[BYTES];

    memset(got, NOTHING, sizeof(got));
    for (size_t i = 0; i < list->count; i++) {
        const struct extent *e = &list->items[i];

        CHECK(e->length > 0 && extent_end(e) <= BYTES);
        CHECK(i == 0 || extent_end(e - 1) < e->offset ||
              (extent_end(e - 1) == e->offset && e[-1].kind != e->kind));
        for (uint64_t at = e->offset; at < extent_end(e); at++)
            got[at] = e->kind;
    }
    CHECK_MEM(got, map, BYTES);
}

static void test_intersect_random(void)
{
    unsigned seed = (unsigned)time(NULL);
    _cleanup_error_ struct error err = ERROR_INIT;

    printf("# seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 500 && !check_this_failed; round++) {
        _cleanup_extents_ struct extent_list a = EXTENT_LIST_INIT,
                                             b = EXTENT_LIST_INIT,
                                             both = EXTENT_LIST_INIT;
        unsigned char map_a[BYTES], map_b[BYTES];

        draw(&a, map_a, &err);
        draw(&b, map_b, &err);
        check_same(&a, map_a);
        CHECK_OK(extent_intersect(&a, &b, &both, &err), &err);
        for (size_t i = 0; i < BYTES; i++)
            if (map_b[i] == NOTHING)
                map_a[i] = NOTHING;
        check_same(&both, map_a);
    }
}

int main(void)
{
    RUN(test_size);
    RUN(test_append);
    RUN(test_append_refuses);
    RUN(test_tiles);
    RUN(test_find);
    RUN(test_widen);
    RUN(test_intersect_random);
    return check_result();
}
