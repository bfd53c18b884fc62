/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent_private.h - between the files of virt/agent, and for its tests
 *
 * How the agent is waited for, and what its answers mean.  The readers of
 * answers are pure; what they are given was written by the guest.
 */
#ifndef VIRT_AGENT_PRIVATE_H
#define VIRT_AGENT_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "virt/call.h"

/* ---- agent.c ---- */

/* Whole seconds that libvirt is to wait for the agent, at least one. */
unsigned agent_seconds(int timeout_ms);

/* Run `call`, for which the agent has `call->flags` seconds. */
must_check int agent_wait(struct call *call, enum call_kind kind,
                          struct error *err);

/* On the call's thread: libvirt waits for the agent of this guest no longer
 * than `seconds`, or for ever with 0.  Without effect where it cannot do that.
 */
void agent_limit(virDomainPtr domain, unsigned seconds);

/* On the call's thread: as call_fail, but ERR_TIMEOUT if the agent was asked at
 * `asked_ms` (clock_ms) and has not answered.  What the guest says in its
 * refusal is cut short and made printable.
 */
int agent_fail(struct call *call, int64_t asked_ms, struct error *err);

/* The beginning of a text from the guest, made printable; owned; NULL: no
 * memory.
 */
must_check char *agent_quote(const char *text);

/* ---- agent_reply.c: the answers to the agent's own commands ---- */

/* The request to run `argv` (ended by NULL) with its output captured; owned.
 * ERR_INPUT if a word is no UTF-8.
 */
must_check int agent_request_exec(const char *const *argv, char **ret,
                                  struct error *err);

/* The request for the state of process `pid`; owned; NULL: no memory. */
must_check char *agent_request_status(int64_t pid);

/* guest-fsfreeze-status: outcome 1 = frozen, 0 = thawed. */
must_check int agent_reply_frozen(const char *reply, struct error *err);

/* guest-exec: the process's number. */
must_check int agent_reply_pid(const char *reply, int64_t *ret,
                               struct error *err);

struct agent_exit {
    int status; /* exit status, or -1 if there is none */
    int signal; /* that ended it, or -1 */
    char *out;  /* owned; what it printed, ended by a NUL, which is not in it */
    char *said; /* owned; the same of stderr, or "" if that is no text */
};

/* guest-exec-status: outcome 1 = ended, 0 = it runs on. */
must_check int agent_reply_exit(const char *reply, struct agent_exit *ret,
                                struct error *err);

void agent_exit_free(struct agent_exit *e);

#endif
