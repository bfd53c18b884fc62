/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* there.h - a hypervisor that is another host
 *
 * Where libvirt is reached by way of ssh, what a run needs beside it is there,
 * too: images, boot files, QEMU's socket, scratch files, servers.  The run goes
 * the same way as here; what differs is behind these functions and behind
 * run->remote, which is NULL here.
 */
#ifndef BACKUP_THERE_H
#define BACKUP_THERE_H

#include "base/error.h"
#include "point.h"

/* Connect, if the URI of libvirt says so.  Sets run->remote and local_dir. */
must_check int there_open(struct run *run, struct error *err);

/* Tell what is on the hypervisor that it has to put it back itself when it
 * hears no more of us: one of the kinds REMOTE_BEGIN, REMOTE_JOB, REMOTE_FROZEN
 * and REMOTE_PAUSED.
 */
must_check int there_tell(struct run *run, const char *kind, struct error *err);

/* That is over.  A connection that is broken needs no telling. */
void there_forget(struct run *run, const char *kind);

/* Connections to run->local_socket arrive at QEMU's socket. */
must_check int there_forward(struct run *run, struct error *err);

/* Put back there what is left, and remove what is here. */
void there_close(struct run *run);

#endif
