/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* patience.h - nobody waits for ever for a file system that does not answer
 *
 * A call into a file system whose server hangs cannot be taken back: not the
 * write of a thread, not the exit of its disk.  But it can be noticed, and the
 * run be ended around it.  So whoever makes such a call says so before and
 * after:
 *
 *     PATIENCE_SCOPE("syncing");
 *     r = fsync(fd);
 *
 * and one thread looks after all of them.  Where nobody looks it costs two
 * stores.  Knows libc only.
 */
#ifndef BASE_PATIENCE_H
#define BASE_PATIENCE_H

#include "base/cleanup.h"
#include "base/error.h"

/* Note that this thread begins to do `what` (static text); returns what
 * patience_end wants.
 */
int patience_begin(const char *what);
void patience_end(int slot);

static inline void patience_endp(int *slot)
{
    patience_end(*slot);
}

/* The same until the end of the enclosing block. */
#define PATIENCE_SCOPE(what)                                                   \
    _cleanup_(patience_endp) __attribute__((__unused__)) int CLEANUP_CONCAT(   \
        patience_scope_, __LINE__) = patience_begin(what)

/* For how long the longest of what was begun and has not ended goes on, in ms,
 * and what it is; 0 and NULL: nothing.
 */
int patience_longest(const char **ret_what);

/* Look after it: once something takes longer than `limit_ms`, call `give_up`
 * with what it is, once, from a thread of its own.  That should end the
 * process. When a stop was requested, PATIENCE_STOPPED_MS are enough.
 */
#define PATIENCE_STOPPED_MS 10000

/* A call into a file system may take so many times what a server of disks may:
 * making much data durable is slow, and servers of files are restarted.
 */
#define PATIENCE_TIMES 5

struct patience_watch;
must_check int
patience_watch(int limit_ms,
               void (*give_up)(void *opaque, const char *what, int ms),
               void *opaque, struct patience_watch **ret, struct error *err);

/* Go on in a new thread, which has the rights of the calling one: for who has
 * given some up (base/sandbox).  NULL is fine.  After an error nobody looks any
 * more, and patience_watch_stop is still to be called.
 */
must_check int patience_watch_renew(struct patience_watch *w,
                                    struct error *err);

/* End it.  Once give_up runs this waits for ever: the process ends there. */
void patience_watch_stop(struct patience_watch *w);

#endif
