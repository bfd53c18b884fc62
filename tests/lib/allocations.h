/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* allocations.h - this process has no memory when a test says so
 *
 * allocations.c replaces malloc and its relatives for all of the program, the
 * libraries too.  It counts what is allocated and not freed, and what is freed
 * or fresh is filled with patterns, so that whoever relies on it stumbles.  The
 * program must be built without sanitizers, which would replace them too.
 */
#ifndef TESTS_ALLOCATIONS_H
#define TESTS_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* From now on the `n`th allocation fails (the first one is 1), and with `all`
 * every one behind it too.
 */
void allocations_fail(size_t n, bool all);

/* From now on none does.  How many did? */
size_t allocations_end(void);

/* How many are there that nobody has freed? */
long allocations_live(void);

#endif
