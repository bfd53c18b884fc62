/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* remote_agent.h - a conversation with remote_agent.sh
 *
 * Requests and answers of one line each, over a socket to a program that leads
 * to the agent; a heartbeat in between.  Knows nothing of ssh.
 */
#ifndef HOST_REMOTE_AGENT_H
#define HOST_REMOTE_AGENT_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"

struct agent;

/* The text of the agent, for a shell there; without single quotes. */
extern const char remote_agent_text[];

/* What the stream socket `own_fd` leads to must greet within `timeout_ms`; what
 * is said before the greeting is passed over.  Outcome 1, and `*ret`; 0: the
 * other side is gone.
 */
must_check int agent_meet(int own_fd, int timeout_ms, struct agent **ret,
                          struct error *err);

/* One request of words (NULL-terminated, the verb first): waits for the answer,
 * at most `timeout_ms` (-1: no limit).  `*ret_answer` (or NULL) is what stands
 * behind its "ok".  ERR_CHILD: the agent says no, and what it says; ERR_SYSTEM
 * with EPIPE: it is gone; ERR_TIMEOUT, after which it is as good as gone.
 */
must_check int agent_ask(struct agent *a, const char *const *words,
                         int timeout_ms, char **ret_answer, struct error *err);

/* Hang up: the agent takes back what it was told.  NULL is fine. */
void agent_free(struct agent *a);
DEFINE_CLEANUP(struct agent *, agent_free);

#endif
