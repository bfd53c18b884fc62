/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sample.h - which part of the data is read where not all of it is to be
 *
 * A number (by default the day) chooses a part that looks random; the parts of
 * numbers in a row together are everything, as soon as their sum is.  Pure
 * arithmetic.
 */
#ifndef RESTORE_SAMPLE_H
#define RESTORE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#define SAMPLE_ALL 1000000U

struct sample {
    uint32_t share; /* millionths; 0 or SAMPLE_ALL: everything */
    uint64_t seed;
};

/* The number of today. */
uint64_t sample_today(void);

/* Numbers in a row after which nothing is left out. */
uint64_t sample_rounds(const struct sample *s);

/* Is what lies at `offset` in the file `name` to be read? */
bool sample_takes(const struct sample *s, const char *name, uint64_t offset);

#endif
