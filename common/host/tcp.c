/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tcp.c - see tcp.h */
#include "host/tcp.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/listen.h"

void tcp_names_done(struct tcp_names *names)
{
    free(names->bind);
    free(names->host);
    *names = (struct tcp_names)TCP_NAMES_INIT;
}

static bool is_wildcard(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Who may read what is sent, and who may connect? */
static void warn(const struct tcp_names *n,
                 const struct listen_address *address)
{
    if (is_wildcard(n->bind) || !listen_is_local(address))
        log_warning("the data travels unencrypted, and whoever reaches '%s' "
                    "can get at the disks meanwhile; --tls prevents both",
                    n->bind);
}

int tcp_names_choose(const char *wanted, const char *home, bool encrypted,
                     struct tcp_names *ret, struct error *err)
{
    struct listen_address address;

    ret->bind = strdup(wanted ? wanted : home);
    ret->host = strdup(wanted && !is_wildcard(wanted) ? wanted : home);
    if (!ret->bind || !ret->host)
        return error_memory(err);
    if (listen_tcp(ret->host, 0, &address, err) < 0)
        return wanted && !is_wildcard(wanted)
                   ? error_prefix(err, "--nbd-ip")
                   : error_append(err, "; an address that leads to it is named "
                                       "by --nbd-ip");
    if (!encrypted)
        warn(ret, &address);
    return 0;
}

int tcp_names_pin(struct tcp_names *names, struct error *err)
{
    char text[LISTEN_TEXT_SIZE];
    struct listen_address address;

    if (is_wildcard(names->bind))
        return 0;
    if (listen_tcp(names->bind, 0, &address, err) < 0)
        return -1;
    listen_text(&address, text);
    free(names->bind);
    names->bind = strdup(text);
    return names->bind ? 0 : error_memory(err);
}

int tcp_no_port(const char *bind, uint16_t wanted, struct error *err)
{
    if (wanted)
        return error_append(err,
                            "; port %u of '%s' is taken: choose another "
                            "--nbd-port, or leave it out",
                            wanted, bind);
    return error_append(err,
                        "; all ports from %d to %d of '%s' are taken: choose "
                        "another with --nbd-port",
                        TCP_FIRST_PORT, TCP_FIRST_PORT + TCP_PORT_COUNT - 1,
                        bind);
}

int tcp_serve(const char *path, const char *format, const char *bind,
              uint16_t wanted, const struct qemu_nbd_options *options,
              struct qemu_nbd **ret, uint16_t *ret_port, struct error *err)
{
    struct qemu_nbd_options o = *options;
    unsigned port = wanted ? wanted : TCP_FIRST_PORT;
    unsigned end = port + (wanted ? 1 : TCP_PORT_COUNT);

    o.tcp_host = bind;
    for (; port < end; port++) {
        error_clear(err);
        o.tcp_port = (uint16_t)port;
        if (qemu_nbd_start(path, format, NULL, &o, ret, err) == 0) {
            *ret_port = o.tcp_port;
            return 0;
        }
        if (err->kind != ERR_BUSY)
            return -1;
    }
    return tcp_no_port(bind, wanted, err);
}
