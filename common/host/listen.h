/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listen.h - the sockets that servers are handed, and the first word with them
 *
 * Socket activation: we make the socket and listen, so there is no name to
 * wait for, no port to be taken, and no moment when others could connect.  A
 * first connection of our own tells whether the server lives: it ends after
 * the greeting in the way the NBD protocol wants it.
 *
 * Hides the kinds of addresses.  Must not know which server it is.
 */
#ifndef HOST_LISTEN_H
#define HOST_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/macro.h"

struct listen_address {
    struct sockaddr_storage storage;
    socklen_t length; /* bytes of it that count */
};

/* The address of a Unix socket of this name.  ERR_INPUT: it is too long (more
 * than 107 bytes).
 */
must_check int listen_unix(const char *path, struct listen_address *ret,
                           struct error *err);

/* The first address of `host`, a name or an address of IPv4 or IPv6; port 0: a
 * free one, as listen_on finds it.  ERR_INPUT: there is no such host.
 */
must_check int listen_tcp(const char *host, uint16_t port,
                          struct listen_address *ret, struct error *err);

/* The address as a number, into LISTEN_TEXT_SIZE bytes; "" of a Unix socket. */
#define LISTEN_TEXT_SIZE 64
void listen_text(const struct listen_address *address, char *ret_text);

/* Can it be reached from this machine only? */
bool listen_is_local(const struct listen_address *address);

/* 0 for a Unix socket. */
uint16_t listen_port(const struct listen_address *address);

/* Make the socket and listen; a Unix socket has mode 0600 from the first moment
 * on.  `*ret_fd` is close-on-exec and the caller's, who also removes the name
 * of a Unix socket.  A port that was 0 is filled into `address`.  ERR_EXISTS:
 * the name is taken; ERR_BUSY: the port is.
 */
must_check int listen_on(struct listen_address *address, int *ret_fd,
                         struct error *err);

/* Say hello to the server called `program` that was handed the socket (which we
 * have closed).  Outcome 1: it serves; 0: it has ended, or is about to.
 * ERR_TIMEOUT: it does not answer within `timeout_ms`.
 */
must_check int listen_greet(const struct listen_address *address,
                            const char *program, int timeout_ms,
                            struct error *err);

#endif
