/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adler.h - the adler32 of a data file (RFC 1950), from parts of it
 *
 * Parts are summed by whoever has them at hand and joined in the order of the
 * file afterwards.  The sum of nothing is ADLER_NOTHING.  Pure.  Hides the
 * library that sums.
 */
#ifndef SET_ADLER_H
#define SET_ADLER_H

#include <stddef.h>
#include <stdint.h>

#define ADLER_NOTHING ((uint32_t)1)

/* `adler`, of what is in front, and then `length` bytes at `bytes`. */
uint32_t adler_add(uint32_t adler, const void *bytes, size_t length);

/* The same for `length` zero bytes, however many: the first half of the sum
 * stays, the second one grows by it with each byte.
 */
uint32_t adler_add_zeroes(uint32_t adler, uint64_t length);

/* The sum of two parts: `front`, and behind it `back` of `length` bytes. */
uint32_t adler_join(uint32_t front, uint32_t back, uint64_t length);

#endif
