/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transport.c - see transport.h */
#include "transport.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "point.h"
#include "virt/uri.h"

#define UNDO_TIMEOUT_MS 60000

void transport_done(struct transport *t)
{
    tcp_names_done(&t->names);
    free(t->tls_dir);
    *t = (struct transport){0};
}

/* ---- the decision ---- */

/* Does this way to libvirt have a shell at its end? */
static bool is_ssh(const struct virt_uri *uri)
{
    return strcmp(uri->transport, "ssh") == 0 ||
           strncmp(uri->transport, "libssh", 6) == 0;
}

static const char *conflict(const struct backup_options *o)
{
    if (o->socketfile)
        return "--socketfile does not go together with TCP (--nbd-ip, "
               "--nbd-port, --tls, or a libvirt on another host)";
    if (o->ask_nbdinfo)
        return "--qemu needs the unix socket: it does not go together with "
               "TCP (--nbd-ip, --nbd-port, --tls, or a libvirt on another "
               "host)";
    return NULL;
}

/* Names and certificates. */
static int choose_tcp(struct run *run, const struct virt_uri *uri,
                      struct error *err)
{
    const struct cli_transport *o = &run->options->transport;
    const char *home = uri->host[0] ? uri->host : "localhost";
    struct transport *t = &run->transport;
    const char *wrong = conflict(run->options);

    if (wrong)
        return error_set(err, ERR_INPUT, "%s", wrong);
    t->tcp = true;
    t->port = o->nbd_port;
    if (t->tls && cli_transport_certificates(o, &t->tls_dir, err) < 0)
        return -1;
    return tcp_names_choose(o->nbd_ip, home, t->tls, &t->names, err);
}

int transport_choose(struct run *run, struct error *err)
{
    const struct cli_transport *o = &run->options->transport;
    _cleanup_(virt_uri_done) struct virt_uri uri = {0};
    bool bare; /* another host, without a shell there */

    if (virt_uri_parse(session_uri(run->session), &uri, err) < 0)
        return -1;
    bare = uri.host[0] && !is_ssh(&uri);
    run->unseen = bare;
    /* Nobody who encrypts his connection to libvirt wants his disks in plain
     * text beside it; who does not, only if he says where.
     */
    run->transport.tls = o->tls ||
                         (bare && strcmp(uri.transport, "tls") == 0) ||
                         (bare && !cli_transport_is_tcp(o));
    if (o->tls_cert && !run->transport.tls)
        return error_set(err, ERR_INPUT, "--tls-cert needs --tls");
    if (!bare && !cli_transport_is_tcp(o))
        return 0;
    return choose_tcp(run, &uri, err);
}

/* ---- of a running guest ---- */

/* Port number `i` to be tried, 0: there is none any more.  Runs at the same
 * time meet at the first one only: `seed` shuffles the others.
 */
static uint16_t port_to_try(const struct run *run, unsigned seed, unsigned i)
{
    uint16_t wanted = run->options->transport.nbd_port;

    if (wanted)
        return i == 0 ? wanted : 0;
    if (i == 0)
        return TCP_FIRST_PORT;
    if (i >= TCP_PORT_COUNT)
        return 0;
    return (uint16_t)(TCP_FIRST_PORT + 1 + (seed + i) % (TCP_PORT_COUNT - 1));
}

static unsigned port_seed(const struct run *run)
{
    unsigned seed = 0;

    for (const char *c = run->point_uuid; *c; c++)
        seed = seed * 31 + (unsigned char)*c;
    return seed;
}

void transport_request(const struct run *run, struct job_request *request)
{
    const struct transport *t = &run->transport;

    request->socket_path = t->tcp ? NULL : run->socket;
    request->tcp_host = t->names.bind;
    request->tcp_port = t->port;
    request->tls = t->tls;
}

int transport_begin(struct run *run, struct job_request *request,
                    struct error *err)
{
    unsigned seed = port_seed(run);

    if (!run->transport.tcp)
        return job_begin(run->domain, request, err);
    for (unsigned i = 0;; i++) {
        uint16_t next = port_to_try(run, seed, i + 1);
        _cleanup_error_ struct error why = ERROR_INIT;

        run->transport.port = port_to_try(run, seed, i);
        request->tcp_port = run->transport.port;
        if (job_begin(run->domain, request, &why) == 0) {
            log_debug("the job listens at port %u", run->transport.port);
            return 0;
        }
        if (!job_port_is_taken(&why) || !next) {
            bool taken = job_port_is_taken(&why);

            error_move(err, &why);
            return taken ? tcp_no_port(run->transport.names.bind,
                                       run->options->transport.nbd_port, err)
                         : -1;
        }
        if (job_undo(run->domain, request, UNDO_TIMEOUT_MS, err) < 0)
            return -1;
    }
}

char *transport_export(const struct run *run, const char *target)
{
    return run->transport.tcp
               ? text_dup_printf("%s.%s", target, run->point_uuid)
               : strdup(target);
}

struct nbd_target transport_target(const struct run *run,
                                   const char *export_name)
{
    const struct transport *t = &run->transport;
    struct nbd_target target = {.export_name = export_name};

    if (t->tcp) {
        target.host = t->names.host;
        target.port = t->port;
        target.tls = t->tls ? NBD_TLS_REQUIRE : NBD_TLS_OFF;
        target.tls_dir = t->tls_dir;
    } else {
        target.socket_path = run->remote ? run->local_socket : run->socket;
    }
    return target;
}

/* ---- of a powered-off domain ---- */

/* Each disk has a server, and so a port, of its own. */
static int serve_tcp(struct run *run, size_t number,
                     const struct qemu_nbd_options *options,
                     struct qemu_nbd **ret, struct error *err)
{
    struct run_disk *d = &run->disks[number];
    const struct cli_transport *wanted = &run->options->transport;
    struct qemu_nbd_options o = *options;
    uint16_t port =
        wanted->nbd_port ? (uint16_t)(wanted->nbd_port + number) : 0;

    if (number > (size_t)(UINT16_MAX - wanted->nbd_port))
        return error_set(err, ERR_INPUT,
                         "--nbd-port %u leaves no port for this disk, which is "
                         "number %zu",
                         wanted->nbd_port, number + 1);
    o.export_name = d->export_name;
    if (run->transport.tls)
        o.tls_dir = cli_transport_server_certificates(wanted);
    if (tcp_serve(d->disk->source, d->disk->format, run->transport.names.bind,
                  port, &o, ret, &port, err) < 0)
        return -1;
    d->target = transport_target(run, d->export_name);
    d->target.port = port;
    return 0;
}

int transport_serve(struct run *run, size_t number,
                    const struct qemu_nbd_options *options,
                    struct qemu_nbd **ret, struct error *err)
{
    struct run_disk *d = &run->disks[number];

    if (run->transport.tcp)
        return serve_tcp(run, number, options, ret, err);
    if (!d->socket)
        d->socket = text_dup_printf(
            "%s/%zu", run->remote ? run->local_dir : run->runtime_dir, number);
    if (!d->socket)
        return error_memory(err);
    d->target.socket_path = d->socket;
    d->target.export_name = "";
    return qemu_nbd_start(d->disk->source, d->disk->format, d->socket, options,
                          ret, err);
}
