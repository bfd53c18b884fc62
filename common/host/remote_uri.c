/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* remote_uri.c - see remote_uri.h */
#include "host/remote_uri.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* libvirt's own implementations of ssh lead to the same place. */
static const char *const transports[] = {"+ssh://", "+libssh2://",
                                         "+libssh://"};

/* The length of the driver's name ("qemu") and what follows "://". */
static const char *after_scheme(const char *uri, size_t *ret_driver)
{
    size_t driver = strspn(uri, "abcdefghijklmnopqrstuvwxyz0123456789");

    for (size_t i = 0; driver > 0 && i < array_size(transports); i++) {
        size_t n = strlen(transports[i]);

        if (strncmp(uri + driver, transports[i], n) == 0) {
            *ret_driver = driver;
            return uri + driver + n;
        }
    }
    return NULL;
}

bool remote_uri_is_ssh(const char *uri)
{
    size_t driver;

    return uri && after_scheme(uri, &driver);
}

void remote_uri_done(struct remote_uri *u)
{
    free(u->host);
    free(u->user);
    free(u->port);
    free(u->key_file);
    free(u->command);
    free(u->libvirt_uri);
    *u = (struct remote_uri){0};
}

/* A copy of `text[0..length)` with its %XX decoded.  Outcome in `*ret`. */
static int decode(const char *text, size_t length, char **ret,
                  struct error *err)
{
    char *out = malloc(length + 1);
    size_t n = 0;

    if (!out)
        return error_memory(err);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        char digits[3] = "";

        if (byte == '%' && length - i > 2) {
            memcpy(digits, text + i + 1, 2);
            if (text_unhex(digits, 1, &byte) == 0)
                i += 2;
        }
        if (byte == '\0') {
            free(out);
            return error_set(err, ERR_INPUT, "it holds a NUL");
        }
        out[n++] = (char)byte;
    }
    out[n] = '\0';
    free(*ret);
    *ret = out;
    return 0;
}

static int parse_port(const char *text, size_t length, struct remote_uri *u,
                      struct error *err)
{
    uint64_t port = 0;

    if (decode(text, length, &u->port, err) < 0)
        return -1;
    if (text_u64(u->port, &port) < 0 || port < 1 || port > 65535)
        return error_set(err, ERR_INPUT, "'%s' is no port", u->port);
    return 0;
}

/* [user@]host[:port], the host maybe an address in brackets */
static int parse_authority(const char *text, size_t length,
                           struct remote_uri *u, struct error *err)
{
    const char *end = text + length;
    const char *at = memrchr(text, '@', length);
    const char *host = at ? at + 1 : text;
    const char *stop;

    if (at && decode(text, (size_t)(at - text), &u->user, err) < 0)
        return -1;
    if (host < end && *host == '[') {
        host++;
        stop = memchr(host, ']', (size_t)(end - host));
        if (!stop)
            return error_set(err, ERR_INPUT, "a bracket is missing");
        text = stop + 1;
    } else {
        stop = memchr(host, ':', (size_t)(end - host));
        if (!stop)
            stop = end;
        text = stop;
    }
    if (decode(host, (size_t)(stop - host), &u->host, err) < 0)
        return -1;
    if (text == end)
        return 0;
    if (*text != ':')
        return error_set(err, ERR_INPUT, "what follows the host is no port");
    return parse_port(text + 1, (size_t)(end - text - 1), u, err);
}

/* One of the parameters behind the '?'. */
static int parse_parameter(const char *text, size_t length,
                           struct remote_uri *u, char **socket,
                           struct error *err)
{
    _cleanup_free_ char *flag = NULL;
    const struct {
        const char *name;
        char **value;
    } known[] = {
        {"keyfile=", &u->key_file},
        {"command=", &u->command},
        {"no_verify=", &flag},
        {"socket=", socket},
    };

    for (size_t i = 0; i < array_size(known); i++) {
        size_t n = strlen(known[i].name);

        if (length > n && strncmp(text, known[i].name, n) == 0 &&
            decode(text + n, length - n, known[i].value, err) < 0)
            return -1;
    }
    if (flag)
        u->no_verify = strcmp(flag, "1") == 0;
    return 0;
}

/* Nobody may mean an option of ssh. */
static int check(const struct remote_uri *u, struct error *err)
{
    if (u->host[0] == '\0')
        return error_set(err, ERR_INPUT, "it names no host");
    if (u->host[0] == '-' || (u->user && u->user[0] == '-'))
        return error_set(err, ERR_INPUT,
                         "neither user nor host can begin with '-'");
    return 0;
}

static int parse(const char *uri, struct remote_uri *u, struct error *err)
{
    size_t driver = 0;
    const char *authority = after_scheme(uri, &driver);
    _cleanup_free_ char *socket = NULL;
    const char *path;
    const char *query;

    if (!authority)
        return error_set(err, ERR_INPUT, "it does not go by way of ssh");
    path = authority + strcspn(authority, "/?#");
    query = path + strcspn(path, "?#");
    if (parse_authority(authority, (size_t)(path - authority), u, err) < 0)
        return -1;
    for (const char *p = *query == '?' ? query + 1 : ""; *p && *p != '#';) {
        size_t length = strcspn(p, "&;#");

        if (parse_parameter(p, length, u, &socket, err) < 0)
            return -1;
        p += length;
        if (*p == '&' || *p == ';')
            p++;
    }
    u->libvirt_uri = text_dup_printf(
        "%.*s://%.*s%s%s", (int)driver, uri, (int)(query - path), path,
        socket ? "?socket=" : "", socket ? socket : "");
    return u->libvirt_uri ? check(u, err) : error_memory(err);
}

int remote_uri_parse(const char *uri, struct remote_uri *ret, struct error *err)
{
    _cleanup_remote_uri_ struct remote_uri u = {0};

    if (parse(uri, &u, err) < 0)
        return error_prefix(err, "the URI '%s'", uri);
    *ret = u;
    u = (struct remote_uri){0};
    return 0;
}
