/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.c - what both engines share, see engine.h */
#include "engine.h"

#include "base/stop.h"
#include "wake.h"

int engine_wait_job(struct engine *e, struct error *err)
{
    if (stop_wait(e->wake_fd, -1) == STOP_NOW)
        return stop_check(err);
    wake_clear(e->wake_fd);
    return 0;
}

int engine_wait(struct engine *e, struct error *err)
{
    int r;

    if (pull_busy(e->pull) == 0)
        return engine_wait_job(e, err);
    r = pull_poll(e->pull, e->wake_fd, err);
    if (r > 0)
        wake_clear(e->wake_fd);
    return r < 0 ? -1 : 0;
}
