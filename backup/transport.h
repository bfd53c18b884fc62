/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transport.h - how the data of the disks gets here, and how safe that is
 *
 * Over a unix socket, or over TCP: when the user asks for it, and when libvirt
 * is reached in a way that leads to no socket there.  Over TCP the exports bear
 * a name that no other run's do, so that whoever else listens where we expect
 * our server cannot be taken for it.
 */
#ifndef BACKUP_TRANSPORT_H
#define BACKUP_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "host/qemu.h"
#include "host/tcp.h"
#include "nbd/conn.h"
#include "virt/job.h"

struct run;

struct transport {
    bool tcp;
    struct tcp_names names;
    uint16_t port;
    bool tls;
    char *tls_dir; /* certificates of ours */
};

/* Decide, once libvirt is connected, and say what is unsafe (log).  ERR_INPUT:
 * the options do not fit, there is no certificate, no such host, or what is
 * wanted cannot be had over this connection.
 */
must_check int transport_choose(struct run *run, struct error *err);

void transport_done(struct transport *t);

/* Where the server of a job listens: fill in that part of the request. */
void transport_request(const struct run *run, struct job_request *request);

/* job_begin(), over TCP at the first port that is free; transport_request has
 * been called.  Errors as job_begin.
 */
must_check int transport_begin(struct run *run, struct job_request *request,
                               struct error *err);

/* The name that a disk's export gets (`target` itself but over TCP).  Owned;
 * NULL: no memory.
 */
must_check char *transport_export(const struct run *run, const char *target);

/* Where a job's export of that name is.  Borrows from `run` and `export_name`.
 */
struct nbd_target transport_target(const struct run *run,
                                   const char *export_name);

/* Start a qemu-nbd for the image of disk `number` of a powered-off domain and
 * say where it is: on the socket `socket_path`, or over TCP at a port of its
 * own.  Errors as qemu_nbd_start.
 */
must_check int transport_serve(struct run *run, size_t number,
                               const struct qemu_nbd_options *options,
                               struct qemu_nbd **ret, struct error *err);

#endif
