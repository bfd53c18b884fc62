/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uri.h - NBD URIs, as QEMU and libnbd read them
 *
 * Pure text.  New strings; NULL: no memory.
 */
#ifndef MAP_URI_H
#define MAP_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

/* The export of this name on a Unix socket, whose path needs no quoting. */
must_check char *uri_unix(const char *export, const char *socket);

/* The same on TCP; `host` is a name or an address. */
must_check char *uri_tcp(const char *export, const char *host, uint16_t port,
                         bool tls);

#endif
