/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macro.h - the small vocabulary that declarations use
 *
 * Knows the compiler only.
 */
#ifndef BASE_MACRO_H
#define BASE_MACRO_H

#include <stddef.h>

/* The caller must look at the result. */
#define must_check __attribute__((warn_unused_result))

/* No pointer argument may be NULL. */
#define nonnull_all __attribute__((nonnull))

/* `fmt` and `args` are the positions (from 1) of a printf format and of its
 * first argument; 0 for a va_list.
 */
#define printf_format(fmt, args) __attribute__((format(printf, fmt, args)))

#define maybe_unused __attribute__((__unused__))

#define array_size(a) (sizeof(a) / sizeof((a)[0]))

/* The structure of type `type` whose member `member` is at `ptr`. */
#define container_of(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)

#endif
