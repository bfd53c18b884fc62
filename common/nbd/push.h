/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* push.h - many writes to an export in flight at once
 *
 * The counterpart of pull: writes and zeroes at given offsets over one
 * connection, driven by the thread that calls.  Hides libnbd's state machine
 * and the server's limits.  It must not know where the bytes come from.
 *
 * Nothing is tried again: a server that fails a write has a full or a broken
 * disk.  Ranges in flight at the same time must not overlap, as their order is
 * the server's choice.
 */
#ifndef NBD_PUSH_H
#define NBD_PUSH_H

#include <stddef.h>

#include "nbd/conn.h"

struct push;

/* `conn` is borrowed until push_free and used by nobody else.  ERR_NBD if the
 * export is read-only.  `max_in_flight` (1 to 256) writes and zeroes at a time;
 * `io_timeout_ms` as for pull_new.
 */
must_check int push_new(struct nbd_conn *conn, unsigned max_in_flight,
                        int io_timeout_ms, struct push **ret,
                        struct error *err);

/* How many more writes and zeroes may be started now, and how many were
 * started and are not yet returned by push_done.
 */
size_t push_room(const struct push *p);
size_t push_busy(const struct push *p);

/* Start writing `length` bytes of `buf` at `offset`.  `buf` stays untouched
 * and valid until push_done has returned `tag` (not NULL) or push_free has
 * returned.  Longer than a request may be: several are made.  ERR_INPUT
 * without room, with an empty range, a range outside the export, or one that
 * does not fit the server's smallest block (the end of the export may).
 */
must_check int push_write(struct push *p, uint64_t offset, const void *buf,
                          size_t length, void *tag, struct error *err);

/* Start making [offset, offset + length) read as zeroes; the server may give
 * the space back.  A server that cannot do that gets zeroes written.  Has no
 * tag: push_done never returns it, its room is free when it is done.  Errors
 * as above.
 */
must_check int push_zero(struct push *p, uint64_t offset, uint64_t length,
                         struct error *err);

/* Move data until something is done (0), or `extra_fd` (-1: none) is readable
 * (outcome 1).  Returns 0 at once when there is nothing to wait for.  ERR_NBD
 * names the range that failed; ERR_TIMEOUT, ERR_STOPPED.  After the first
 * failure every call fails: free it.
 */
must_check int push_poll(struct push *p, int extra_fd, struct error *err);

/* The tag of a write that is done, in the order of completion; NULL: none. */
void *push_done(struct push *p);

/* Wait until nothing is in flight.  The tags are still to be fetched. */
must_check int push_drain(struct push *p, struct error *err);

/* Drain, then have the server write everything to stable storage.  A server
 * that cannot flush is ERR_NBD: nobody may believe the data is safe then.
 */
must_check int push_flush(struct push *p, struct error *err);

/* Free; NULL is fine.  A connection with something still in flight is broken
 * off: then only nbd_conn_close is left for it.
 */
void push_free(struct push *p);
DEFINE_CLEANUP(struct push *, push_free);

#endif
