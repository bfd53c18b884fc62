/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transport.c - see transport.h */
#include "transport.h"

#include <stdlib.h>

#include "base/text.h"

#define DIGITS 32

void transport_done(struct transport *t)
{
    tcp_names_done(&t->names);
    free(t->tls_dir);
    free(t->export_name);
    *t = (struct transport)TRANSPORT_INIT;
}

int transport_choose(const struct cli_transport *wanted, const char *host,
                     struct transport *ret, struct error *err)
{
    char random[DIGITS + 1];

    if (!cli_transport_is_tcp(wanted))
        return 0;
    ret->wanted = wanted;
    if (text_random(random, DIGITS, err) < 0)
        return -1;
    ret->export_name = text_dup_printf("restore.%s", random);
    if (!ret->export_name)
        return error_memory(err);
    if (wanted->tls &&
        cli_transport_certificates(wanted, &ret->tls_dir, err) < 0)
        return -1;
    if (tcp_names_choose(wanted->nbd_ip, host, wanted->tls, &ret->names, err) <
        0)
        return -1;
    return tcp_names_pin(&ret->names, err);
}

static int serve_tcp(const struct transport *t, const char *path,
                     const char *format, const struct qemu_nbd_options *options,
                     struct qemu_nbd **ret, struct nbd_target *ret_target,
                     struct error *err)
{
    struct qemu_nbd_options o = *options;
    uint16_t port = 0;

    o.export_name = t->export_name;
    if (t->wanted->tls)
        o.tls_dir = cli_transport_server_certificates(t->wanted);
    if (tcp_serve(path, format, t->names.bind, t->wanted->nbd_port, &o, ret,
                  &port, err) < 0)
        return -1;
    *ret_target = (struct nbd_target){
        .host = t->names.host,
        .port = port,
        .export_name = t->export_name,
        .tls = t->wanted->tls ? NBD_TLS_REQUIRE : NBD_TLS_OFF,
        .tls_dir = t->tls_dir,
        .ours = true,
    };
    return 0;
}

int transport_serve(const struct transport *t, const char *path,
                    const char *format, const char *socket_path,
                    const struct qemu_nbd_options *options,
                    struct qemu_nbd **ret, struct nbd_target *ret_target,
                    struct error *err)
{
    if (t->wanted)
        return serve_tcp(t, path, format, options, ret, ret_target, err);
    *ret_target = (struct nbd_target){
        .socket_path = socket_path,
        .ours = true,
    };
    return qemu_nbd_start(path, format, socket_path, options, ret, err);
}
