/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent.h - QEMU's agent inside a guest, asked through libvirt
 *
 * The agent belongs to the guest.  It may be absent, slow, hang for ever in
 * a hook of somebody's, or lie: everything it says is checked, and what is
 * handed on of its texts may hold anything that is valid UTF-8, control
 * characters too, unless a function says more.
 *
 * `timeout_ms` is how long the agent may take for its answer; libvirt counts in
 * seconds, so it is rounded up to whole ones.  Each function ends two seconds
 * after that at the latest, also when it is libvirt that does not answer.
 *
 * All of them fail with
 *   ERR_TIMEOUT  the agent, or libvirt, did not answer in time
 *   ERR_BUSY     another's request to the agent does not end
 *   ERR_INPUT    there is no such domain any more
 *   ERR_LIBVIRT  all else, with libvirt's reason: the guest does not run, has
 *                no channel for the agent, no agent is connected, or it refused
 *
 * Knows base, jansson and the rest of virt.  What a stop does: virt/session.h.
 */
#ifndef VIRT_AGENT_H
#define VIRT_AGENT_H

#include "base/error.h"
#include "base/macro.h"
#include "virt/domain.h"

/* Freeze the guest's file systems that are mounted at `mountpoints` (ended by
 * NULL; NULL or none: all of them); `*ret_count` is how many there were.
 *
 * After every outcome, an error too, agent_thaw() has to be called, if need be
 * more than once: an agent that did not answer in time may freeze later, one
 * that failed may have frozen some of them.  A stop ends the wait at once,
 * with ERR_STOPPED, but not the freeze; a thaw after that waits for its end.
 *
 * Should libvirt do it only after it was given up, it is thawed then, as long
 * as this process lives.
 *
 * The time that libvirt waits for this guest's agent becomes `timeout_ms`, for
 * everybody, until agent_thaw() makes it infinite again, as it is from the
 * start; libvirt does not tell what it was.
 */
must_check int agent_freeze(struct domain *d, const char *const *mountpoints,
                            int timeout_ms, unsigned *ret_count,
                            struct error *err);

/* Is an agent on the other end of the guest's channel, as far as QEMU knows? It
 * may hang all the same.  Outcome 1 = yes, 0 = no, or the guest has no channel
 * for one: then nobody hears what is asked.  `*ret_why` (a static sentence)
 * says which.
 */
must_check int agent_is_connected(struct domain *d, const char **ret_why,
                                  struct error *err);

/* Thaw all file systems of the guest, whoever froze them.  A stop does not
 * hinder it.  Outcome 1 = some were frozen, 0 = none was.
 */
must_check int agent_thaw(struct domain *d, int timeout_ms, struct error *err);

/* Does the agent think that it has frozen something?  Outcome 1 = yes, 0 = no.
 * (libvirt's log calls a guest tainted whose agent was sent a command that
 * libvirt has no function for: this one, and those of agent_exec().)
 */
must_check int agent_is_frozen(struct domain *d, int timeout_ms,
                               struct error *err);

/* What the guest says of its operating system, its name and its file systems,
 * as the text of a JSON object whose members are strings, numbers and booleans
 * named as libvirt names them: "os.id", "hostname", "fs.0.mountpoint", ...;
 * in ASCII, indented by four, owned.  Members that the agent does not know are
 * left out.
 * Outcome 1 = there it is, 0 = no agent answers (no error).
 */
must_check int agent_guest_info(struct domain *d, int timeout_ms,
                                char **ret_text, struct error *err);

/* The guest's operating system: "debian", "mswindows", ...: lower case letters,
 * digits and "._-" only, at most 64; owned.
 * Outcome 1 = known, 0 = no agent answers, or it does not say (no error).
 */
must_check int agent_os_id(struct domain *d, int timeout_ms, char **ret,
                           struct error *err);

/* Most bytes that agent_exec takes. */
#define AGENT_OUTPUT_MAX (1024 * 1024)

/* Run a program inside the guest, `argv` ended by NULL, argv[0] searched in the
 * PATH of the agent, without a shell; `*ret_stdout` (owned) is what it printed.
 * `timeout_ms` is for all of it.
 *
 * ERR_CHILD: it ended with a status other than 0 (the code) or by a signal; the
 * message quotes its stderr.  ERR_TIMEOUT, ERR_STOPPED: it may go on running in
 * the guest.  ERR_LIBVIRT also: the output is too long or no text.
 */
must_check int agent_exec(struct domain *d, const char *const *argv,
                          int timeout_ms, char **ret_stdout, struct error *err);

#endif
