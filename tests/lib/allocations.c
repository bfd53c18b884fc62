/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* allocations.c - see allocations.h; knows glibc's own names of malloc
 *
 * Nothing in here may allocate.
 */
#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FRESH 0xa5
#define FREED 0xdb

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static atomic_size_t wanted; /* 0: none fails */
static atomic_bool all_behind;
static atomic_size_t asked, failed;
static atomic_long live;

void allocations_fail(size_t n, bool all)
{
    failed = 0;
    asked = 0;
    all_behind = all;
    wanted = n;
}

size_t allocations_end(void)
{
    wanted = 0;
    return failed;
}

long allocations_live(void)
{
    return live;
}

static bool fails(void)
{
    size_t n = wanted, this;

    if (n == 0)
        return false;
    this = atomic_fetch_add(&asked, 1) + 1;
    if (this != n && !(all_behind && this > n))
        return false;
    atomic_fetch_add(&failed, 1);
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add(&live, 1);
    return p;
}

/* Seen by the libraries too. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    void *p = fails() ? NULL : counted(__libc_malloc(size));

    if (p)
        memset(p, FRESH, size);
    return p;
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *p, size_t size)
{
    void *q;

    if (!p)
        return malloc(size);
    if (size == 0) {
        free(p);
        return NULL;
    }
    if (fails())
        return NULL;
    q = __libc_realloc(p, size);
    return q;
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *p = memalign(alignment, size);

    if (!p)
        return ENOMEM;
    *ret = p;
    return 0;
}

void free(void *p)
{
    int saved = errno;

    if (!p)
        return;
    atomic_fetch_sub(&live, 1);
    memset(p, FREED, malloc_usable_size(p));
    __libc_free(p);
    errno = saved;
}

#pragma GCC visibility pop
