/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status.h - ask an NBD server what its export holds
 *
 * Block status into lists of extents.  Hides requests, their pipelining and
 * the server's freedom to answer shorter or longer than asked.  Believes
 * nothing: answers are put together by absolute offset, cut at the end of what
 * was asked, must make progress, and must cover everything without a gap;
 * anything else is ERR_NBD.  It must not know what the extents are for.
 *
 * A server answers every context of a connection in every reply, so use one
 * connection for "base:allocation" and another one for a dirty bitmap.
 *
 * All functions: `*ret` must be an empty list, which the caller frees.  They
 * return when done, when the server has been silent for `io_timeout_ms`
 * (ERR_TIMEOUT), or when a stop was requested (ERR_STOPPED).  After a failure
 * only nbd_conn_close may be called.
 */
#ifndef NBD_STATUS_H
#define NBD_STATUS_H

#include "block/extent.h"
#include "nbd/conn.h"

/* The context that tells data from zeroes. */
#define STATUS_ALLOCATION "base:allocation"

/* What the flags of an extent mean: its kind, or -1: it is left out. */
typedef int (*status_meaning)(uint32_t flags);

/* Of STATUS_ALLOCATION: EXTENT_ZERO for hole and zero, EXTENT_ZERO_ALLOCATED
 * for zero, EXTENT_DATA for everything else: a hole alone does not promise
 * zeroes, and what we do not understand is read.
 */
int status_allocation_meaning(uint32_t flags);

/* Of a dirty bitmap: EXTENT_DATA for every flag, also those we do not
 * understand.
 */
int status_dirty_meaning(uint32_t flags);

/* The whole export, which `*ret` tiles, as status_allocation_meaning says.  The
 * connection must have been opened with STATUS_ALLOCATION; ERR_NBD if the
 * server does not offer it.
 */
must_check int status_allocation(struct nbd_conn *conn, int io_timeout_ms,
                                 struct extent_list *ret, struct error *err);

/* The parts of the export that the bitmap behind `context` (such as
 * "qemu:dirty-bitmap:NAME") marks as changed, as EXTENT_DATA.  ERR_NBD if the
 * server does not offer the context.
 */
must_check int status_dirty(struct nbd_conn *conn, const char *context,
                            int io_timeout_ms, struct extent_list *ret,
                            struct error *err);

/* Like status_allocation, but only for the ranges of `within`: `*ret` covers
 * exactly these.  Its cost follows `within`, not the export.
 */
must_check int status_allocation_within(struct nbd_conn *conn,
                                        const struct extent_list *within,
                                        int io_timeout_ms,
                                        struct extent_list *ret,
                                        struct error *err);

#endif
