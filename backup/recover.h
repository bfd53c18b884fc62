/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover.h - what a run that did not finish left behind
 *
 * The intent of a run names everything it may have made.  If its point was
 * committed, the rest of the commit is made up for; if not, everything is
 * undone: the job, the checkpoint, the files, the private directory.  A run
 * that fails calls this for itself; the guardian does it for a run that was
 * killed; and the next run does it when even the guardian was lost.
 *
 * Doing it twice does no harm.
 */
#ifndef BACKUP_RECOVER_H
#define BACKUP_RECOVER_H

#include "base/error.h"
#include "host/guardian.h"
#include "host/remote.h"
#include "set/intent.h"
#include "virt/session.h"

/* What the guardian is told (guardian_tell). */
#define FACT_DIRECTORY "directory" /* the backup directory, absolute */
#define FACT_INTENT "intent"       /* file name of the intent */
#define FACT_URI "uri"             /* of libvirt */
#define FACT_USER "user"           /* for it, if it asks */
#define FACT_PASSWORD "password"   /* the same */
#define FACT_GROUP "group"         /* digits: what is made is shared with it */
#define FACT_RUNTIME "runtime"     /* the private directory */
#define FACT_LOCAL "local"         /* the same here, if that one is elsewhere */
#define FACT_ELSEWHERE "elsewhere" /* set: runtime and socket are elsewhere */
#define FACT_SOCKET "socket"       /* the socket, if outside of it */
#define FACT_DOMAIN "domain"       /* UUID of the domain */
#define FACT_FREEZE "freeze"       /* set: its file systems are frozen */
#define FACT_PAUSE "pause"         /* set: its vCPUs are suspended */
#define FACT_START "start"         /* set: it was started for the backup */
#define FACT_BEGIN_UNKNOWN "begin" /* set: libvirt may start the job yet */

/* The hypervisor. */
struct recover_through {
    struct session *session; /* its libvirt */
    struct remote *remote;   /* its files; NULL: this machine's.. */
    bool elsewhere;          /* ..or, without it, those of a host that removes
                                them itself, when it hears no more of us */
};

/* Undo or complete one run.  The lock of `dirfd` is held.  ERR_BUSY if
 * the session leads to another libvirt than the run used.  An intent that came
 * with a copy of the directory only has its files removed.  What has to wait
 * until the domain runs again is left to a later run: the intent stays.
 */
must_check int recover_intent(int dirfd, const struct recover_through *through,
                              const struct intent *in, struct error *err);

/* The same for every intent in the directory; for the start of a run.  A job
 * that was left running on purpose (--startonly) goes on.
 */
must_check int recover_directory(int dirfd,
                                 const struct recover_through *through,
                                 struct error *err);

/* After the manifest: rewrite `<domain>.cpt` from the manifests, as far as the
 * newest one that owns a checkpoint, and drop the intent.
 */
must_check int recover_complete(int dirfd, const struct intent *in,
                                struct error *err);

/* The first half of that, for when the intent is needed yet. */
must_check int recover_write_cpt(int dirfd, const struct intent *in,
                                 struct error *err);

/* Remove a socket outside of the private directory, which the user named:
 * libvirt leaves it when the domain ends in the middle of the job.
 */
void recover_remove_socket(const char *path);

/* For guardian_main. */
int recover_as_guardian(const struct guardian_facts *facts, struct error *err);

#endif
