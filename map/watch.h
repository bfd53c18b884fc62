/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watch.h - descriptors that become readable when something ends */
#ifndef MAP_WATCH_H
#define MAP_WATCH_H

#include <poll.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/vec.h"

struct watch {
    struct pollfd *items;
    size_t count, cap;
};

#define WATCH_INIT                                                             \
    {                                                                          \
        NULL, 0, 0                                                             \
    }

/* -1 is ignored, as poll does. */
must_check static inline int watch_add(struct watch *w, int fd,
                                       struct error *err)
{
    return vec_push(w, (struct pollfd){fd, POLLIN, 0}) < 0 ? error_memory(err)
                                                           : 0;
}

/* Is it readable? */
static inline bool watch_is_over(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) > 0;
}

static inline void watch_done(struct watch *w)
{
    vec_free(w);
}
#define _cleanup_watch_ __attribute__((cleanup(watch_done)))

#endif
