/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cleanup.h - who frees what, visible at the declaration
 *
 * An owning local is declared with a cleanup attribute and initialised in the
 * same line:
 *
 *     _cleanup_free_ char *name = NULL;
 *     _cleanup_(closep) int fd = -1;
 *
 * Ownership moves on with take() (pointers) or take_fd() (descriptors).
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

/* Make a function `name`p that a cleanup attribute can name, for `freefn`,
 * which takes the pointer itself and accepts NULL.
 */
#define DEFINE_CLEANUP(type, freefn)                                           \
    static inline void freefn##p(type *p)                                      \
    {                                                                          \
        if (*p)                                                                \
            freefn(*p);                                                        \
    }                                                                          \
    struct cleanup_needs_semicolon_##freefn

static inline void freep(void *p)
{
    free(*(void **)p);
}

/* Close `*fd` if it is open; errno stays as it was.  In file.c, as closing may
 * have to wait for a server of files.
 */
void closep(int *fd);

static inline void fclosep(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

static inline void mutex_unlockp(pthread_mutex_t **m)
{
    if (*m)
        pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *mutex_locked(pthread_mutex_t *m)
{
    pthread_mutex_lock(m);
    return m;
}

#define CLEANUP_CONCAT2(a, b) a##b
#define CLEANUP_CONCAT(a, b) CLEANUP_CONCAT2(a, b)

/* Hold the mutex at pointer `m` until the end of the enclosing block. */
#define LOCK_SCOPE(m)                                                          \
    _cleanup_(mutex_unlockp) __attribute__((__unused__)) pthread_mutex_t *     \
    CLEANUP_CONCAT(lock_scope_, __LINE__) = mutex_locked(m)

/* Hand over what the variable owns: its value, and the variable is NULL. */
#define take(var)                                                              \
    __extension__({                                                            \
        __typeof__(var) take_value_ = (var);                                   \
        (var) = NULL;                                                          \
        take_value_;                                                           \
    })

/* The same for a descriptor: the variable becomes -1. */
static inline int take_fd_value(int *fd)
{
    int value = *fd;

    *fd = -1;
    return value;
}
#define take_fd(var) take_fd_value(&(var))

#endif
