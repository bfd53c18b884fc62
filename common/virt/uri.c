/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uri.c - see uri.h */
#include "virt/uri.h"

#include <stdlib.h>
#include <string.h>

#include <libxml/uri.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(xmlURIPtr, xmlFreeURI);

void virt_uri_done(struct virt_uri *uri)
{
    free(uri->transport);
    free(uri->user);
    free(uri->host);
    *uri = (struct virt_uri){0};
}

/* An address of IPv6 stands in brackets. */
static char *bare_host(const char *server)
{
    size_t length = strlen(server);

    if (length > 2 && server[0] == '[' && server[length - 1] == ']')
        return strndup(server + 1, length - 2);
    return strdup(server);
}

int virt_uri_parse(const char *text, struct virt_uri *ret, struct error *err)
{
    _cleanup_(xmlFreeURIp) xmlURIPtr uri = xmlParseURI(text);
    _cleanup_(virt_uri_done) struct virt_uri u = {0};
    const char *plus;

    if (!uri || !uri->scheme)
        return error_set(err, ERR_INPUT, "'%s' is no URI of libvirt", text);
    u.host = bare_host(uri->server ? uri->server : "");
    u.user = strdup(uri->user ? uri->user : "");
    plus = strchr(uri->scheme, '+');
    u.transport = strdup(plus ? plus + 1 : u.host && *u.host ? "tls" : "");
    if (!u.host || !u.user || !u.transport)
        return error_memory(err);
    u.port = uri->port > 0 ? uri->port : 0;
    *ret = u;
    u = (struct virt_uri){0};
    return 0;
}
