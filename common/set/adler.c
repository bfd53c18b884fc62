/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adler.c - see adler.h
 *
 * zlib as distributions build it sums 3 GB/s and was the largest part of an
 * uncompressed backup; libdeflate uses what the processor has.
 */
#include "set/adler.h"

#include <libdeflate.h>

/* The largest prime below 65536. */
#define BASE 65521

uint32_t adler_add(uint32_t adler, const void *bytes, size_t length)
{
    /* NULL would ask libdeflate for the first value. */
    return length == 0 ? adler : libdeflate_adler32(adler, bytes, length);
}

uint32_t adler_add_zeroes(uint32_t adler, uint64_t length)
{
    uint64_t low = adler & 0xffff, high = adler >> 16;

    high = (high + length % BASE * low) % BASE;
    return (uint32_t)(high << 16 | low);
}

uint32_t adler_join(uint32_t front, uint32_t back, uint64_t length)
{
    /* `back` was begun with 1, which every byte has added once. */
    uint32_t moved = adler_add_zeroes(front, length);
    uint64_t low = (moved & 0xffff) + (back & 0xffff) + BASE - 1;
    uint64_t high = (moved >> 16) + (back >> 16) + BASE - length % BASE;

    return (uint32_t)(high % BASE << 16 | low % BASE);
}
