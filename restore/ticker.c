/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ticker.c - see ticker.h */
#include "ticker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/workers.h"

#define TICK_MS 200

struct ticker {
    struct progress *progress;
    pthread_t thread;
    int stop_fd; /* readable: end */
};

static void *tick(void *opaque)
{
    struct ticker *t = opaque;
    struct pollfd p = {.fd = t->stop_fd, .events = POLLIN};

    while (poll(&p, 1, TICK_MS) <= 0)
        progress_tick(t->progress);
    return NULL;
}

int ticker_start(struct progress *progress, struct ticker **ret,
                 struct error *err)
{
    struct ticker *t = calloc(1, sizeof(*t));

    if (!t)
        return error_memory(err);
    t->progress = progress;
    t->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (t->stop_fd < 0) {
        free(t);
        return error_errno(err, errno, "make an event descriptor");
    }
    if (thread_start(&t->thread, "ticker", tick, t, err) < 0) {
        close(t->stop_fd);
        free(t);
        return -1;
    }
    *ret = t;
    return 0;
}

void ticker_stop(struct ticker *t)
{
    uint64_t one = 1;

    if (!t)
        return;
    if (write(t->stop_fd, &one, sizeof(one)) == sizeof(one))
        pthread_join(t->thread, NULL);
    close(t->stop_fd);
    free(t);
}
