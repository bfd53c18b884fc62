/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify.h - a word to the service manager that started us
 *
 * systemd names a datagram socket in NOTIFY_SOCKET; what is sent there stands
 * in `systemctl status`, and lets a unit of Type=notify count as started.
 * Without that variable nothing happens.  Nothing here can fail or wait: a
 * manager that does not listen misses something.  From any thread.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>

/* Is there anybody to tell? */
bool notify_wanted(void);

/* What we are doing: one line of text, cut off at NOTIFY_STATUS_MAX bytes. */
void notify_status(const char *text);
#define NOTIFY_STATUS_MAX 500

/* What was asked for is there now; we go on running. */
void notify_ready(void);

#endif
