/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tcp.h - serving disks over TCP: at which name, at which port
 *
 * Hides how a free port is found.  Must not know whose disks they are.
 */
#ifndef HOST_TCP_H
#define HOST_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "host/qemu.h"

/* Ports that are tried when the user wants none of his own: a firewall has to
 * let these in.  The first one is upstream's, and NBD's own.
 */
#define TCP_FIRST_PORT 10809
#define TCP_PORT_COUNT 64

/* Both names are owned. */
struct tcp_names {
    char *bind; /* what the server listens at */
    char *host; /* what we connect to */
};

#define TCP_NAMES_INIT                                                         \
    {                                                                          \
        0                                                                      \
    }

void tcp_names_done(struct tcp_names *names);

/* A server on the host `home` listens at `wanted`, if that is not NULL: a name
 * or an address there, 0.0.0.0 and :: are all of them.  Says so (log) if others
 * than this machine can reach it, and `encrypted` is false.  ERR_INPUT: there
 * is no such host.  `ret` must be empty.
 */
must_check int tcp_names_choose(const char *wanted, const char *home,
                                bool encrypted, struct tcp_names *ret,
                                struct error *err);

/* Have the server listen at the address that its name has here: there it may
 * have another, at which we would meet somebody else's server.
 */
must_check int tcp_names_pin(struct tcp_names *names, struct error *err);

/* qemu_nbd_start() over TCP at the address `bind`: at port `wanted`, or, if
 * that is 0, the first one that is free.  `options` says the rest.  ERR_BUSY:
 * it, or all of them, are taken, and what to do.
 */
must_check int tcp_serve(const char *path, const char *format, const char *bind,
                         uint16_t wanted,
                         const struct qemu_nbd_options *options,
                         struct qemu_nbd **ret, uint16_t *ret_port,
                         struct error *err);

/* Add to an error that port `wanted` (0: all that were tried) is taken. */
must_check int tcp_no_port(const char *bind, uint16_t wanted,
                           struct error *err);

#endif
