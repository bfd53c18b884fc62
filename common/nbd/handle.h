/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* handle.h - what the files of this layer share about a connection
 *
 * For the .c files of nbd/ only: nobody else may see libnbd.
 */
#ifndef NBD_HANDLE_H
#define NBD_HANDLE_H

#include <libnbd.h>

#include "nbd/conn.h"

struct nbd_conn {
    struct nbd_handle *handle; /* NULL once broken off */
    char *name;                /* for messages: 'PATH' or HOST:PORT */
    uint64_t size;
    uint32_t block_min, request_max;
    bool can_df; /* answers a read in one piece if asked to */
    bool ours;   /* nbd_target's */
    /* Monotonic milliseconds: when bytes last moved, and when a request was
     * last answered (or the first one was sent).
     */
    int64_t moved_ms, answered_ms;
    size_t owed; /* requests in flight */
};

/* Fill `err` from libnbd's last error in this thread: "<text>: <libnbd's>",
 * ERR_NBD with its errno.  Returns -1.
 */
int handle_error(struct error *err, const char *fmt, ...) printf_format(2, 3);

/* What to poll the handle's descriptor for; 0 when nothing. */
short handle_events(struct nbd_handle *handle);

/* Let libnbd act on what poll said.  -1: the connection is dead, and libnbd
 * knows why.
 */
must_check int handle_notify(struct nbd_handle *handle, short revents);

/* Close without a goodbye: nothing in flight touches memory any more. */
void handle_break(struct nbd_conn *conn);

#endif
