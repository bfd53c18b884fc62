/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call.h - one call into libvirt, on a thread of its own (inside virt only)
 *
 * A call is a heap object that the caller and the thread share.  The caller
 * fills in arguments (copied), runs it, and reads the results only if it ended
 * in time; otherwise the object lives on until the thread is done with it.
 *
 *     _cleanup_(call_freep) struct call *call =
 *         call_new(d->session, d, list_run, "list the checkpoints");
 *     int result = call_wait(call, CALL_ASK, 0, err);
 *
 * The only header of this layer that shows libvirt's types.
 */
#ifndef VIRT_CALL_H
#define VIRT_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libvirt/libvirt.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "virt/domain.h"
#include "virt/session.h"

#define CALL_ARGS 5
#define CALL_NUMBERS 4

struct call;

/* What runs on the thread.  `domain` is NULL in calls without one.  Returns as
 * call_wait does.  Looks at nothing but `call` and its parameters.
 */
typedef int (*call_function)(struct call *call, virConnectPtr conn,
                             virDomainPtr domain, struct error *err);

struct call {
    /* Arguments; owned copies. */
    char *args[CALL_ARGS];
    unsigned flags;
    bool bare;           /* the function wants neither connection nor domain */
    int64_t deadline_ms; /* on the monotonic clock, see base/clock.h */

    /* Runs on the thread, without connection and domain, if the call succeeds
     * after it was given up: nobody else knows what it has done.
     */
    void (*late)(struct call *call);

    /* Results. */
    char *text;
    char **texts;
    size_t text_count;
    uint64_t numbers[CALL_NUMBERS];
    const char *constant; /* a static text */

    struct call_state *state; /* of call.c */
};

enum call_kind {
    CALL_ASK,    /* a stop ends the wait at once */
    CALL_CHANGE, /* not begun after a stop; otherwise it gets ten seconds */
    CALL_UNDO,   /* a stop means nothing to it */
};

/* A new call; `domain` may be NULL.  `what` completes "Cannot ..." in errors
 * ("list the checkpoints"; the domain's name is appended).  NULL: no memory.
 */
must_check struct call *call_new(struct session *s, const struct domain *domain,
                                 call_function run, const char *what);

/* Copy an argument; NULL stays NULL.  A lack of memory (also in call_new) is
 * told by call_wait.
 */
void call_arg(struct call *call, size_t i, const char *text);

/* Set the flags.  Here, too, a call that is NULL is told of by call_wait. */
void call_flags(struct call *call, unsigned flags);

/* Run it and wait.  `timeout_ms` 0: the session's.  Returns what the function
 * returned, or -1 with ERR_TIMEOUT or ERR_STOPPED when it was given up; then
 * its results must not be looked at.  Once a call.
 */
must_check int call_wait(struct call *call, enum call_kind kind, int timeout_ms,
                         struct error *err);

/* Give up our share. */
void call_free(struct call *call);

static inline void call_freep(struct call **call)
{
    call_free(*call);
}

/* Take another share, for a libvirt callback that has `call` as its opaque;
 * call_unref is its free function.
 */
struct call *call_ref(struct call *call);
void call_unref(void *call);

/* ---- for call functions ---- */

/* Fail with libvirt's last error of this thread: "Cannot <what>: <message>",
 * ERR_LIBVIRT; ERR_BUSY if another job holds the domain; ERR_INPUT if the
 * domain is not known (any more).  The code is libvirt's.  Returns -1.
 */
int call_fail(struct call *call, struct error *err);

/* libvirt's last error number in this thread; VIR_ERR_OK if there is none. */
int call_error_code(void);

/* libvirt's last message in this thread as one line; owned; NULL: no memory. */
must_check char *call_error_message(void);

/* Connect again if the connection is dead: a new reference, or NULL. */
must_check virConnectPtr call_reconnect(struct call *call, struct error *err);

/* Did the last call_fail or call_reconnect fail because of the connection and
 * not because of what was asked?
 */
bool call_is_cut(const struct call *call);

/* "start the backup job of domain 'vm1'"; borrowed. */
const char *call_what(const struct call *call);

struct session *call_session(const struct call *call);

/* Wake call_sleep; safe from a libvirt callback. */
void call_wake(struct call *call);

/* Wait for call_wake, at most `ms`. */
void call_sleep(struct call *call, int ms);

/* ---- between call.c, session.c and domain.c ---- */

/* A live connection (a reference of one's own), opened if need be; on a call
 * thread.
 */
must_check virConnectPtr session_connection(struct session *s,
                                            struct error *err);

/* `conn` turned out to be dead: the session lets go of it. */
void session_drop(struct session *s, virConnectPtr conn);

struct session *session_ref(struct session *s);
void session_unref(struct session *s);
int session_timeout(const struct session *s);
bool session_ignores_stop(struct session *s);

/* Count calls that were given up and still run: -1 if there are too many for
 * another call to make sense.
 */
int session_stuck(struct session *s);
void session_add_stuck(struct session *s, int n);

struct session *domain_session(const struct domain *d);

/* libvirt's number of the run that domain_start_paused() began, or -1. */
int64_t domain_started_id(const struct domain *d);
void domain_set_started_id(struct domain *d, int64_t id);

DEFINE_CLEANUP(virConnectPtr, virConnectClose);
DEFINE_CLEANUP(virDomainPtr, virDomainFree);
DEFINE_CLEANUP(virDomainCheckpointPtr, virDomainCheckpointFree);
DEFINE_CLEANUP(virStoragePoolPtr, virStoragePoolFree);
DEFINE_CLEANUP(virStorageVolPtr, virStorageVolFree);

#endif
