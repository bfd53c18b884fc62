/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transport.h - how data gets to the images on another host, and how safe
 *
 * Through a socket there that ssh forwards; or over TCP, when the user asks for
 * it.  Then the export bears a name that no other server's does, so that
 * whoever else listens where we expect ours is not given any data.
 */
#ifndef RESTORE_TRANSPORT_H
#define RESTORE_TRANSPORT_H

#include <stdint.h>

#include "base/error.h"
#include "cli/transport.h"
#include "host/qemu.h"
#include "host/tcp.h"
#include "nbd/conn.h"

struct transport {
    const struct cli_transport *wanted; /* NULL: no TCP */
    struct tcp_names names;
    char *tls_dir; /* certificates of ours */
    char *export_name;
};

#define TRANSPORT_INIT                                                         \
    {                                                                          \
        0                                                                      \
    }

/* As `wanted` says; `host` is where the images are.  Says what is unsafe (log).
 * ERR_INPUT: there is no certificate, or no such host.
 */
must_check int transport_choose(const struct cli_transport *wanted,
                                const char *host, struct transport *ret,
                                struct error *err);

void transport_done(struct transport *t);

/* Serve the image `path`, as qemu_nbd_start does, and fill in where that is:
 * over TCP, or on `socket_path`.  `*ret_target` borrows from the transport and
 * the path.
 */
must_check int transport_serve(const struct transport *t, const char *path,
                               const char *format, const char *socket_path,
                               const struct qemu_nbd_options *options,
                               struct qemu_nbd **ret,
                               struct nbd_target *ret_target,
                               struct error *err);

#endif
