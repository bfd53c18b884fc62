/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sums, and how they are joined, against zlib. */
#include "set/adler.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "lab.h"

#define SIZE (300 * 1000)

static unsigned char bytes[SIZE];
static uint64_t state;

/* Below `end`. */
static uint64_t some(uint64_t end)
{
    return lab_random(&state) % end;
}

static void fill(int what)
{
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = what < 0 ? (unsigned char)some(256) : (unsigned char)what;
}

static uint32_t zlib_sum(size_t length)
{
    return (uint32_t)adler32_z(1, bytes, length);
}

static void test_known(void)
{
    CHECK_EQ_U64(adler_add(ADLER_NOTHING, "Wikipedia", 9), 0x11e60398);
    CHECK_EQ_U64(adler_add(ADLER_NOTHING, NULL, 0), 1);
    CHECK_EQ_U64(adler_add_zeroes(ADLER_NOTHING, 0), 1);
}

/* All of it at once, in parts, joined from two: the same. */
static void test_parts(void)
{
    for (int round = 0; round < 600; round++) {
        size_t length = some(SIZE + 1);
        size_t cut = length ? some(length + 1) : 0;
        uint32_t front, back, sum;

        if (round % 200 == 0)
            fill(round == 0 ? -1 : round == 200 ? 0xff : 0);
        sum = zlib_sum(length);
        front = adler_add(ADLER_NOTHING, bytes, cut);
        back = adler_add(ADLER_NOTHING, bytes + cut, length - cut);
        CHECK_EQ_U64(adler_add(front, bytes + cut, length - cut), sum);
        CHECK_EQ_U64(adler_join(front, back, length - cut), sum);
    }
}

static void test_zeroes(void)
{
    fill(-1);
    for (int round = 0; round < 300; round++) {
        uint32_t front = zlib_sum(some(SIZE));
        uint64_t length = some(1U << 31);
        uint32_t sum = adler_add_zeroes(front, length);
        /* Far more than anybody can add up, by parts that fit. */
        uint64_t far = length << 30;

        CHECK_EQ_U64(
            sum, adler32_combine(front, adler_add_zeroes(ADLER_NOTHING, length),
                                 (z_off_t)length));
        for (int i = 0; i < 30; i++)
            sum = adler_add_zeroes(sum, length << i);
        CHECK_EQ_U64(sum, adler_add_zeroes(front, far));
    }
    fill(0);
    CHECK_EQ_U64(adler_add_zeroes(ADLER_NOTHING, SIZE), zlib_sum(SIZE));
}

int main(void)
{
    state = lab_seed();
    RUN(test_known);
    RUN(test_parts);
    RUN(test_zeroes);
    return check_result();
}
