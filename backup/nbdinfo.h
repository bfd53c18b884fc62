/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbdinfo.h - extents as the program nbdinfo tells them
 *
 * A second opinion on what nbd/status.h asks: nbdinfo, of libnbd's own tools,
 * connects to the server itself and prints the map of one context.  The
 * answers mean the same and are checked as strictly.  Hides the URI, the
 * command line and the JSON.
 *
 * What nbdinfo prints is held in memory, as it comes: at most
 * NBDINFO_OUTPUT_MAX, which is enough for 700 000 extents; more is ERR_CHILD.
 * It does not tell how it gets on, so that no silence can be seen: it has
 * NBDINFO_PATIENCE times `io_timeout_ms` for all of its work (ERR_TIMEOUT).
 *
 * Servers on unix sockets only (ERR_INPUT otherwise).  Who owns the socket
 * (check_peer) is not looked at again.
 */
#ifndef BACKUP_NBDINFO_H
#define BACKUP_NBDINFO_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "block/extent.h"
#include "nbd/conn.h"
#include "nbd/status.h"

#define NBDINFO_OUTPUT_MAX (64 * MIB)
#define NBDINFO_PATIENCE 5

/* As status_allocation and status_dirty, for an export of `size` bytes.  `*ret`
 * is empty; the caller frees it, also after a failure.  ERR_NBD: the map makes
 * no sense; ERR_CHILD: nbdinfo failed, and why; ERR_SYSTEM: it is not there.
 */
must_check int nbdinfo_allocation(const struct nbd_target *target,
                                  uint64_t size, int io_timeout_ms,
                                  struct extent_list *ret, struct error *err);
must_check int nbdinfo_dirty(const struct nbd_target *target,
                             const char *context, uint64_t size,
                             int io_timeout_ms, struct extent_list *ret,
                             struct error *err);

/* A new string: the URI of a server on a unix socket; every byte that could
 * mean something in a URI is escaped.  NULL: no memory.
 */
must_check char *nbdinfo_uri(const struct nbd_target *target);

/* Read a map of `size` bytes from `length` bytes of JSON: an array of flat
 * objects with the integers "offset", "length" (not 0) and "type" (32 bits),
 * which follow each other without a gap from 0 to `size`; `meaning` says what a
 * type is.  Other keys are passed over.  ERR_NBD.  Pure; made to be fuzzed.
 */
must_check int nbdinfo_parse(const char *json, size_t length, uint64_t size,
                             status_meaning meaning, struct extent_list *ret,
                             struct error *err);

#endif
