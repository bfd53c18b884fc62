/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uri.h - the parts of a libvirt URI
 *
 *     DRIVER[+TRANSPORT]://[USER@][HOST][:PORT]/PATH[?QUERY]
 *
 * Pure.  Hides libxml2; knows base only.
 */
#ifndef VIRT_URI_H
#define VIRT_URI_H

#include "base/error.h"
#include "base/macro.h"

struct virt_uri {
    char *transport; /* "ssh", "tls", "tcp", ...; "" if it does not say */
    char *user;      /* "" if it does not say */
    char *host;      /* name or address, without brackets; "": this host */
    int port;        /* 0 if it does not say */
};

/* Without a transport a URI with a host means "tls", as libvirt has it.
 * ERR_INPUT: it is no URI.
 */
must_check int virt_uri_parse(const char *text, struct virt_uri *ret,
                              struct error *err);

void virt_uri_done(struct virt_uri *uri);

#endif
