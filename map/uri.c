/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uri.c - see uri.h */
#include "uri.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* A name as the path of a URI. */
static char *encode(const char *name)
{
    char *text = malloc(3 * strlen(name) + 1);
    char *to = text;

    if (!text)
        return NULL;
    for (const char *p = name; *p; p++) {
        if (isalnum((unsigned char)*p) || strchr("-._~", *p))
            *to++ = *p;
        else
            to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*p);
    }
    *to = '\0';
    return text;
}

char *uri_unix(const char *export, const char *socket)
{
    _cleanup_free_ char *name = encode(export);

    return name ? text_dup_printf("nbd+unix:///%s?socket=%s", name, socket)
                : NULL;
}

char *uri_tcp(const char *export, const char *host, uint16_t port, bool tls)
{
    _cleanup_free_ char *name = encode(export);
    bool six = strchr(host, ':') != NULL; /* an address of IPv6 */

    return name ? text_dup_printf("%s://%s%s%s:%u/%s", tls ? "nbds" : "nbd",
                                  six ? "[" : "", host, six ? "]" : "", port,
                                  name)
                : NULL;
}
