/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-vec.c - base/vec.h */
#include "base/vec.h"
#include "check.h"

struct pair {
    int a, b;
};

static void test_push(void)
{
    VEC(uint64_t) v = {0};
    uint64_t sum = 0;
    size_t seen = 0;

    CHECK(vec_last(&v) == NULL);
    vec_foreach (item, &v)
        seen++;
    CHECK_EQ_U64(seen, 0);
    for (uint64_t i = 0; i < 10000; i++)
        REQUIRE(vec_push(&v, i) == 0);
    CHECK_EQ_U64(v.count, 10000);
    CHECK(v.cap >= v.count);
    CHECK_EQ_U64(*vec_last(&v), 9999);
    vec_foreach (item, &v) {
        sum += *item;
        seen += *item == (uint64_t)(item - v.items);
    }
    CHECK_EQ_U64(sum, 9999ULL * 10000 / 2);
    CHECK_EQ_U64(seen, 10000);
    vec_free(&v);
    CHECK(v.items == NULL && v.count == 0 && v.cap == 0);
}

static void test_structs(void)
{
    VEC(struct pair) v = {0};

    REQUIRE(vec_push(&v, (struct pair){1, 2}) == 0);
    REQUIRE(vec_push(&v, (struct pair){3, 4}) == 0);
    CHECK_EQ_INT(v.items[0].b, 2);
    CHECK_EQ_INT(vec_last(&v)->a, 3);
    vec_free(&v);
}

static void test_reserve(void)
{
    VEC(char) v = {0};
    char *before;

    REQUIRE(vec_reserve(&v, 1000) == 0);
    CHECK(v.cap >= 1000 && v.count == 0);
    before = v.items;
    for (int i = 0; i < 1000; i++)
        REQUIRE(vec_push(&v, 'x') == 0);
    CHECK(v.items == before);
    vec_free(&v);
}

/* What cannot be had is refused without a wrap-around, and nothing is lost. */
static void test_too_much(void)
{
    VEC(struct pair) v = {0};

    REQUIRE(vec_push(&v, (struct pair){1, 2}) == 0);
    CHECK_EQ_INT(vec_reserve(&v, SIZE_MAX), -1);
    CHECK_EQ_INT(vec_reserve(&v, SIZE_MAX / 2), -1);
    CHECK_EQ_INT(vec_reserve(&v, PTRDIFF_MAX / sizeof(struct pair) + 1), -1);
    CHECK_EQ_U64(v.count, 1);
    CHECK_EQ_INT(v.items[0].a, 1);
    vec_free(&v);
}

int main(void)
{
    RUN(test_push);
    RUN(test_structs);
    RUN(test_reserve);
    RUN(test_too_much);
    return check_result();
}
