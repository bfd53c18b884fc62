/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pull.h - many reads of an export in flight at once
 *
 * Over one or more connections, all driven by the thread that calls.  Hides
 * libnbd's state machine, the server's limits (blocks, longest request) and
 * trying again.  It must not know what the bytes are for.
 *
 *     while (work to do) {
 *         while (more && pull_room(p) > 0)
 *             pull_read(p, offset, length, memory, tag, err);
 *         pull_poll(p, fd_of_free_memory, err);
 *         while ((tag = pull_done(p)))
 *             ... the memory of tag is full ...
 *     }
 *
 * While reads are in flight the thread must come back to pull_poll and must
 * not wait for anything else; that is what `extra_fd` is for.
 */
#ifndef NBD_PULL_H
#define NBD_PULL_H

#include <stddef.h>

#include "nbd/conn.h"

struct pull;

/* `conns` (1 to 16, borrowed until pull_free, used by nobody else) lead to the
 * same export; sizes that differ are ERR_NBD.  `max_in_flight` (1 to 256) is
 * the number of reads at a time on each connection.  `io_timeout_ms` is how
 * long a connection that owes us an answer may be silent; 0 or less: for ever.
 */
must_check int pull_new(struct nbd_conn *const *conns, size_t count,
                        unsigned max_in_flight, int io_timeout_ms,
                        struct pull **ret, struct error *err);

/* How many more reads may be started now.  Reads that are done count until
 * pull_done has returned them.
 */
size_t pull_room(const struct pull *p);

/* How many reads were started and not yet returned by pull_done. */
size_t pull_busy(const struct pull *p);

/* Start reading [offset, offset + length) into `buf`, which must stay valid
 * until pull_done has returned `tag` (not NULL) or pull_free has returned.
 * Any length, any alignment: what the server does not take in one request
 * is made of several.  Reads finish in any order.  ERR_INPUT without room,
 * with an empty range, or a range outside the export; ERR_NBD.
 */
must_check int pull_read(struct pull *p, uint64_t offset, size_t length,
                         void *buf, void *tag, struct error *err);

/* Move data until a read is done (returns 0 and pull_done has something), or
 * until `extra_fd` (-1: none) is readable (outcome 1; reads may be done as
 * well).  Returns 0 at once when there is nothing to wait for.
 *
 * A read that the server fails is tried twice more, then ERR_NBD names its
 * offset.  The bytes of a read that failed are never handed out.  Silence of a
 * connection is ERR_TIMEOUT, a stop requested ERR_STOPPED.  After the first
 * failure every call fails: free it.
 */
must_check int pull_poll(struct pull *p, int extra_fd, struct error *err);

/* The same, for at most `wait_ms` (-1: no limit): when they are over, 0 also
 * without a read that is done, and without one in flight.
 */
must_check int pull_poll_for(struct pull *p, int extra_fd, int wait_ms,
                             struct error *err);

/* The tag of a read that is done, in the order of completion; NULL: none. */
void *pull_done(struct pull *p);

/* Free; NULL is fine.  No buffer is touched afterwards.  Connections on which
 * reads were still in flight are broken off: then only nbd_conn_close is left
 * for them.
 */
void pull_free(struct pull *p);
DEFINE_CLEANUP(struct pull *, pull_free);

#endif
