/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ticker.h - draws the progress while the main thread works */
#ifndef RESTORE_TICKER_H
#define RESTORE_TICKER_H

#include "base/error.h"
#include "base/progress.h"

struct ticker;

/* Start drawing `progress` (borrowed) five times a second. */
must_check int ticker_start(struct progress *progress, struct ticker **ret,
                            struct error *err);

/* End the drawing and free.  NULL is fine. */
void ticker_stop(struct ticker *t);

static inline void ticker_stopp(struct ticker **t)
{
    ticker_stop(*t);
}

#endif
