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
static int warn(const struct tcp_names *n, struct error *err)
{
    bool everywhere = is_wildcard(n->bind);
    struct listen_address address;

    if (listen_tcp(everywhere ? n->host : n->bind, 0, &address, err) < 0)
        return error_prefix(err, "--nbd-ip");
    if (everywhere || !listen_is_local(&address))
        log_warning("the data travels unencrypted, and whoever reaches '%s' "
                    "can get at the disks meanwhile; --tls prevents both",
                    n->bind);
    return 0;
}

int tcp_names_choose(const char *wanted, const char *home, bool encrypted,
                     struct tcp_names *ret, struct error *err)
{
    ret->bind = strdup(wanted ? wanted : home);
    ret->host = strdup(wanted && !is_wildcard(wanted) ? wanted : home);
    if (!ret->bind || !ret->host)
        return error_memory(err);
    return encrypted ? 0 : warn(ret, err);
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
