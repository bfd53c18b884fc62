/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session.h - a connection to libvirt that cannot hang us
 *
 * Every call into libvirt runs on a thread of its own, with a deadline.  The
 * caller waits for its end, for the deadline and for base/stop, whichever
 * comes first, and never blocks in libvirt: a call that is given up keeps its
 * thread and its memory until libvirt returns, and its result is dropped.  So
 * Ctrl-C is answered while libvirtd hangs.
 *
 * A connection that broke (libvirtd was restarted) is made anew by the next
 * call; domains are looked up by UUID each time, so they survive it.
 *
 * What a request to stop does to the functions of this layer:
 * - those that only ask return ERR_STOPPED at once;
 * - those that change something (job_begin, checkpoint_delete, ...) are not
 *   started any more; one that runs gets up to ten seconds to end, because the
 *   caller has to know what there is to undo;
 * - job_end and job_undo go on as if nothing had been said, and so do
 *   all others after session_ignore_stop().
 *
 * Hides libvirt's types, its event loop and its error printing.  Knows base
 * only.  The functions of one session may be called from several threads.
 */
#ifndef VIRT_SESSION_H
#define VIRT_SESSION_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"

struct session;

struct session_options {
    const char *uri; /* NULL or "": LIBVIRT_DEFAULT_URI; else qemu:///system for
                        root and qemu:///session for others */
    const char *user;     /* both set: the answers to a request for a login; */
    const char *password; /* otherwise such a request fails (no prompt); what
                             ?authfile= in the URI answers goes before them */
    int timeout_ms;       /* for the connection and for each call after it */
};

/* The URI that a session is opened with where the user said `uri`, which may
 * be NULL or "".
 */
const char *session_choose_uri(const char *uri);

/* Can libvirt's client start another program on the way to `uri` (as above):
 * ssh, a command, or the daemon of a user's session?  It would be confined as
 * we are.  True where that is not known.
 */
bool session_starts_programs(const char *uri);

/* What libvirt does at its beginning, with files that its environment names
 * (LIBVIRT_LOG_OUTPUTS), and without threads: for who is about to give up
 * rights.  Otherwise done by the first session.  ERR_LIBVIRT.
 */
must_check int session_prepare(struct error *err);

/* Connect.  ERR_LIBVIRT with libvirt's reason, ERR_TIMEOUT, ERR_STOPPED.  No
 * error shows the password.
 */
must_check int session_open_with(const struct session_options *options,
                                 struct session **ret, struct error *err);

/* The same with an URI (or NULL) and a deadline in ms only. */
must_check int session_open(const char *uri, int timeout_ms,
                            struct session **ret, struct error *err);

/* Close the connection: waits at most two seconds for libvirt.  Domains of
 * the session must be closed before.  NULL is fine.
 */
void session_close(struct session *s);

/* From now on no call of this session is refused or cut short because a stop
 * was requested: for the way out, when things are to be put back.
 */
void session_ignore_stop(struct session *s);

/* The URI it was opened with; lives as long as the session. */
const char *session_uri(const struct session *s);

/* Is libvirt's daemon on another host?  (By the host part of the URI.) */
bool session_is_remote(const struct session *s);

static inline void session_closep(struct session **s)
{
    session_close(*s);
}

#endif
