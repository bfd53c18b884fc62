/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.c - what both engines share, see engine.h */
#include "engine.h"

#include <limits.h>

#include "base/stop.h"
#include "wake.h"

#define NS_PER_MS 1000000

size_t engine_may_read(struct engine *e, uint64_t length)
{
    uint64_t part = MIN_OF(length, PLAN_READ_SIZE);

    e->rate_wait_ns = 0;
    if (pull_room(e->pull) == 0)
        return 0;
    if (e->rate) {
        part = rate_part(e->rate, part);
        e->rate_wait_ns = rate_take(e->rate, part);
    }
    return e->rate_wait_ns > 0 ? 0 : (size_t)part;
}

/* For poll: -1: the rate waits for nothing. */
static int rate_wait_ms(const struct engine *e)
{
    uint64_t ms = e->rate_wait_ns / NS_PER_MS + 1;

    return e->rate_wait_ns == 0 ? -1 : (int)MIN_OF(ms, (uint64_t)INT_MAX);
}

int engine_wait_job(struct engine *e, struct error *err)
{
    if (stop_wait(e->wake_fd, -1) == STOP_NOW)
        return stop_check(err);
    wake_clear(e->wake_fd);
    return 0;
}

int engine_wait(struct engine *e, struct error *err)
{
    int r = pull_poll_for(e->pull, e->wake_fd, rate_wait_ms(e), err);

    /* Who waits again without having asked to read waits for something else. */
    e->rate_wait_ns = 0;
    if (r > 0)
        wake_clear(e->wake_fd);
    return r < 0 ? -1 : 0;
}
