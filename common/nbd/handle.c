/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* handle.c - see handle.h; the few things every user of libnbd's asynchronous
 * calls needs.  It must not know what is asked of the server.
 */
#include "nbd/handle.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

int handle_error(struct error *err, const char *fmt, ...)
{
    const char *why = nbd_get_error();
    int code = nbd_get_errno();
    char front[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(front, sizeof(front), fmt, ap);
    va_end(ap);
    return error_set_code(err, ERR_NBD, code, "%s: %s", front,
                          why ? why : "the connection is closed");
}

short handle_events(struct nbd_handle *handle)
{
    unsigned direction = nbd_aio_get_direction(handle);
    short events = 0;

    if (direction & LIBNBD_AIO_DIRECTION_READ)
        events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        events |= POLLOUT;
    return events;
}

int handle_notify(struct nbd_handle *handle, short revents)
{
    unsigned direction = nbd_aio_get_direction(handle);

    /* Reading first: it may change what there is to write.  Also on a hangup
     * or an error: the read finds out which.
     */
    if (direction & LIBNBD_AIO_DIRECTION_READ &&
        revents & (POLLIN | POLLHUP | POLLERR))
        return nbd_aio_notify_read(handle);
    if (revents & (POLLOUT | POLLHUP | POLLERR))
        return nbd_aio_notify_write(handle);
    return 0;
}

void handle_break(struct nbd_conn *conn)
{
    if (conn->handle)
        nbd_close(conn->handle);
    conn->handle = NULL;
    conn->owed = 0;
}
