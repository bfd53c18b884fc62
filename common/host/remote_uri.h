/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* remote_uri.h - which host a libvirt URI leads to, and how ssh gets there
 *
 * Pure: strings in, strings out.
 */
#ifndef HOST_REMOTE_URI_H
#define HOST_REMOTE_URI_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"

struct remote_uri {
    char *host;        /* name or address, without brackets */
    char *user;        /* NULL: ssh's choice */
    char *port;        /* digits; NULL: ssh's choice */
    char *key_file;    /* ?keyfile=, or NULL */
    char *command;     /* ?command=: the ssh to run; NULL: ssh */
    bool no_verify;    /* ?no_verify=1: take any host key */
    char *libvirt_uri; /* libvirt's there, as seen from there */
};

/* Does this URI lead to libvirt on another host by way of ssh
 * (qemu+ssh://...)?  NULL does not.
 */
bool remote_uri_is_ssh(const char *uri);

/* Take it apart.  ERR_INPUT: no such URI, or one without a host; a part that
 * ssh could take for an option; a wrong port.
 */
must_check int remote_uri_parse(const char *uri, struct remote_uri *ret,
                                struct error *err);

void remote_uri_done(struct remote_uri *u);
#define _cleanup_remote_uri_ __attribute__((cleanup(remote_uri_done)))

#endif
