/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transport.h - how the disks' data travels, as the user wants it
 *
 * An argp child (see groups.h).  Without any of these options it goes over a
 * unix socket.  Knows argp and base.
 */
#ifndef CLI_TRANSPORT_H
#define CLI_TRANSPORT_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

struct cli_transport {
    const char *nbd_ip;   /* address that NBD servers listen at; NULL: any
                             that fits */
    uint16_t nbd_port;    /* their (first) port; 0: a free one */
    bool tls;             /* encrypted, both sides verified */
    const char *tls_cert; /* directory of certificates; NULL: the default */
};

/* -I, -P, --tls, --tls-cert.  Its input is a struct cli_transport, which it
 * clears first.
 */
extern const struct argp cli_transport_argp;

/* Does it ask for TCP? */
bool cli_transport_is_tcp(const struct cli_transport *t);

/* Where the certificate lies that we show to servers: the first of --tls-cert
 * (or CLI_TLS_DIR), and the directories that libnbd looks into, that has a
 * client-cert.pem.  Owned.  ERR_INPUT: none has, or a file beside it is missing
 * or cannot be read; the error says which.
 */
must_check int cli_transport_certificates(const struct cli_transport *t,
                                          char **ret, struct error *err);

/* Where those of a server that we start lie, on its host. */
const char *cli_transport_server_certificates(const struct cli_transport *t);

/* Where QEMU and libvirt have them by default. */
#define CLI_TLS_DIR "/etc/pki/qemu"

#endif
