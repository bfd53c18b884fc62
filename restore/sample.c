/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sample.c - see sample.h
 *
 * Every piece of data has a place on a ring of a million, by its name and
 * offset; each number takes the next arc of it.
 */
#include "sample.h"

#include <time.h>

#define DAY 86400

uint64_t sample_today(void)
{
    return (uint64_t)time(NULL) / DAY;
}

static bool is_all(const struct sample *s)
{
    return s->share == 0 || s->share >= SAMPLE_ALL;
}

uint64_t sample_rounds(const struct sample *s)
{
    return is_all(s) ? 1 : (SAMPLE_ALL + s->share - 1) / s->share;
}

/* Spread the bits of a number all over (the finalizer of MurmurHash3). */
static uint64_t mix(uint64_t n)
{
    n = (n ^ n >> 33) * 0xff51afd7ed558ccdU;
    n = (n ^ n >> 33) * 0xc4ceb9fe1a85ec53U;
    return n ^ n >> 33;
}

bool sample_takes(const struct sample *s, const char *name, uint64_t offset)
{
    uint64_t place = 0, start;

    if (is_all(s))
        return true;
    for (; *name; name++)
        place = mix(place + (unsigned char)*name);
    place = mix(place ^ mix(offset)) % SAMPLE_ALL;
    start = s->seed % SAMPLE_ALL * s->share % SAMPLE_ALL;
    return (place + SAMPLE_ALL - start) % SAMPLE_ALL < s->share;
}
