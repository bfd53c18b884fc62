/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job.h - the backup job of a running guest
 *
 * From job_begin to job_end QEMU shows the disks, as they were at the begin,
 * through an NBD server on a unix socket, and keeps what the guest overwrites
 * in scratch files.  libvirt makes the socket and the scratch files and
 * removes them at the end (when the guest is destroyed meanwhile the socket
 * stays: its directory is the caller's to remove).
 *
 * The server may listen on TCP instead, which anybody can connect to who
 * reaches the port, unless TLS and libvirt's settings for it forbid that.
 *
 * A job is known by its mark: the path of its socket; over TCP, the path that
 * its scratch files begin with.  Nothing here but job_end_any() ends a job that
 * bears another mark than was asked for.
 *
 * Knows base and the rest of virt.  What a stop does: virt/session.h.
 */
#ifndef VIRT_JOB_H
#define VIRT_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "virt/domain.h"

struct job_disk {
    const char *target;      /* "vda" */
    const char *incremental; /* checkpoint to start from; NULL: all */
    const char *export_name; /* NULL: the target */
    bool no_checkpoint;      /* leave this disk out of the checkpoint */
};

struct job_request {
    const char *socket_path; /* absolute; must not exist; NULL: over TCP */
    const char *tcp_host;    /* name or address to listen at */
    uint16_t tcp_port;
    bool tls;                /* as QEMU's backup_tls_x509_... settings say */
    const char *scratch_dir; /* absolute; QEMU's user must be able to write */
    const char *prefix; /* scratch files: <scratch_dir>/<prefix>.<target>; the
                           point's UUID makes them unique */
    const struct job_disk *disks;
    size_t disk_count;
    const char *checkpoint;  /* name of the checkpoint to make; NULL: none */
    const char *parent;      /* the checkpoint's parent, or NULL */
    const char *description; /* of the checkpoint; see checkpoint_describe */
    int timeout_ms;          /* 0: the session's, but at least 45 s */
};

/* The name of the dirty bitmap's NBD context of a disk with `incremental`:
 * "qemu:dirty-bitmap:backup-<export name>".  Owned; NULL: no memory.
 */
must_check char *job_bitmap_context(const struct job_disk *disk);

/* What the request's job will be known by.  Owned; NULL: no memory. */
must_check char *job_mark(const struct job_request *request);

/* Does the error of a job_begin say that the port is taken? */
bool job_port_is_taken(const struct error *err);

/* The XML that job_begin sends; for tests and --printonly.  Owned. */
must_check int job_backup_xml(const struct job_request *request, char **ret,
                              struct error *err);
must_check int job_checkpoint_xml(const struct job_request *request, char **ret,
                                  struct error *err);

/* Does a domain with this XML miss what a libvirt daemon of this version (of
 * 7.5.0 and before: 7005000) wants before it makes incremental backups?
 * Pure.
 */
bool job_lacks_capability(unsigned long version, const char *domain_xml);

/* Start the job, and with it the checkpoint, at one moment of the disks.
 *
 * A guest that shuts down meanwhile is kept until job_end, if libvirt can do
 * that (11.10 and later, here and there).
 *
 * ERR_BUSY: a job is active (checked first, for libvirt would wait 30 s).
 * ERR_INPUT: the guest is off; or libvirt is older than 7.6.0 and the domain's
 * XML does not allow incremental backups.  ERR_LIBVIRT: libvirt's reason.
 * ERR_TIMEOUT, ERR_STOPPED: the state is unknown; should the job start later,
 * it is undone then, as long as this process lives.  After every error,
 * job_undo() takes away what may be there.
 */
must_check int job_begin(struct domain *d, const struct job_request *request,
                         struct error *err);

/* After a failed or abandoned job_begin of the same request: end the job if
 * its mark is ours; delete the checkpoint if its description is ours (libvirt
 * may have made it although it reported an error).  Outcome 1 = something was
 * removed, 0 = nothing was there.
 */
must_check int job_undo(struct domain *d, const struct job_request *request,
                        int timeout_ms, struct error *err);

/* Is a backup job active?  Outcome 1: yes, and `*ret_mark` (owned, may be NULL
 * as argument) is its mark, "" if it has none; 0: no.
 */
must_check int job_find(struct domain *d, char **ret_mark, struct error *err);

struct job_stats {
    bool active;            /* any job */
    bool backup;            /* it is a backup */
    uint64_t scratch_used;  /* bytes in the scratch files */
    uint64_t scratch_total; /* bytes they can grow to */
    uint64_t elapsed_ms;
    const char *operation; /* "backup", "migration out", ...; static */
};

/* What libvirt says about the domain's job. */
must_check int job_stats(struct domain *d, struct job_stats *ret,
                         struct error *err);

/* End the backup job whose mark is `mark`, and wait until libvirt has
 * none such any more (it tells us; then the scratch files are gone too).
 * Works through a restart of libvirtd.  Outcome 1 = ended, 0 = there is no
 * job, or another's, which is not touched.  ERR_TIMEOUT after `timeout_ms`.
 */
must_check int job_end(struct domain *d, const char *mark, int timeout_ms,
                       struct error *err);

/* End the backup job of the domain whoever began it (--killonly), and wait as
 * job_end does.  Outcome 1 = ended, 0 = there is none.  ERR_BUSY: the domain's
 * job is of another kind (a migration, a save), which is not touched.
 */
must_check int job_end_any(struct domain *d, int timeout_ms, struct error *err);

#endif
