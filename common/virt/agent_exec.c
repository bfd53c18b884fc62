/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent_exec.c - the agent's own commands, for which libvirt has no function,
 * see agent.h
 *
 * Knows how commands get to the agent and that a program in the guest has to be
 * asked after; what answers mean knows agent_reply.c.
 */
#include <poll.h>
#include <string.h>

#include <libvirt/libvirt-qemu.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/stop.h"
#include "virt/agent.h"
#include "virt/agent_private.h"

/* How soon to ask whether the program has ended, at first and later. */
#define ASK_FIRST_MS 10
#define ASK_LAST_MS 500

/* args[0]: the request; flags: seconds -> text: the reply. */
static int command_run(struct call *call, virConnectPtr conn maybe_unused,
                       virDomainPtr domain, struct error *err)
{
    int64_t begin = clock_ms();

    call->text =
        virDomainQemuAgentCommand(domain, call->args[0], (int)call->flags, 0);
    return call->text ? 0 : agent_fail(call, begin, err);
}

/* The reply (owned) to a request; `what` is as in call_new. */
static int command(struct domain *d, const char *what, const char *request,
                   int timeout_ms, char **ret, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, command_run, what);

    call_flags(call, agent_seconds(timeout_ms));
    call_arg(call, 0, request);
    if (agent_wait(call, CALL_ASK, err) < 0)
        return -1;
    *ret = take(call->text);
    return 0;
}

int agent_is_frozen(struct domain *d, int timeout_ms, struct error *err)
{
    _cleanup_free_ char *reply = NULL;

    if (command(d, "ask whether the file systems are frozen",
                "{\"execute\":\"guest-fsfreeze-status\"}", timeout_ms, &reply,
                err) < 0)
        return -1;
    return agent_reply_frozen(reply, err);
}

/* ---- programs ---- */

/* Wait for `ms`; a stop ends it unless it means nothing any more. */
static int pause_for(struct domain *d, int64_t ms, struct error *err)
{
    if (session_ignores_stop(domain_session(d)))
        poll(NULL, 0, (int)ms);
    else if (stop_wait(-1, (int)ms) == STOP_NOW)
        return stop_check(err);
    return 0;
}

/* Ask after process `pid` until it has ended. */
static int wait_for_exit(struct domain *d, int64_t pid, int64_t deadline_ms,
                         struct agent_exit *ret, struct error *err)
{
    _cleanup_free_ char *request = agent_request_status(pid);
    int64_t pause = ASK_FIRST_MS;

    if (!request)
        return error_memory(err);
    for (;;) {
        _cleanup_free_ char *reply = NULL;
        int64_t left = deadline_ms - clock_ms();
        int ended = 0;

        if (left <= 0)
            return error_set(err, ERR_TIMEOUT,
                             "it has not ended in time and may go on running");
        if (command(d, "ask for the end of a program in the guest", request,
                    (int)left, &reply, err) < 0)
            return -1;
        ended = agent_reply_exit(reply, ret, err);
        if (ended != 0)
            return ended < 0 ? -1 : 0;
        if (pause_for(d, MIN_OF(pause, left), err) < 0)
            return -1;
        pause = MIN_OF(2 * pause, ASK_LAST_MS);
    }
}

/* Fail unless the program said that all went well. */
static int judge(const struct agent_exit *e, struct error *err)
{
    _cleanup_free_ char *said = agent_quote(e->said);
    const char *colon = said && said[0] ? ": " : "";

    if (!said)
        return error_memory(err);
    if (e->signal >= 0)
        return error_set_code(err, ERR_CHILD, -1, "signal %d ended it%s%s",
                              e->signal, colon, said);
    if (e->status != 0)
        return error_set_code(err, ERR_CHILD, e->status,
                              "it ended with status %d%s%s", e->status, colon,
                              said);
    return 0;
}

static int exec(struct domain *d, const char *const *argv, int64_t deadline_ms,
                struct agent_exit *ret, struct error *err)
{
    _cleanup_free_ char *request = NULL;
    _cleanup_free_ char *reply = NULL;
    int64_t pid = 0, left = deadline_ms - clock_ms();

    if (agent_request_exec(argv, &request, err) < 0 ||
        command(d, "run a program in the guest", request, (int)left, &reply,
                err) < 0 ||
        agent_reply_pid(reply, &pid, err) < 0 ||
        wait_for_exit(d, pid, deadline_ms, ret, err) < 0)
        return -1;
    return judge(ret, err);
}

int agent_exec(struct domain *d, const char *const *argv, int timeout_ms,
               char **ret_stdout, struct error *err)
{
    _cleanup_(agent_exit_free) struct agent_exit e = {0};

    if (exec(d, argv, clock_ms() + timeout_ms, &e, err) < 0)
        return error_prefix(err, "run '%s' inside domain '%s'", argv[0],
                            domain_name(d));
    *ret_stdout = take(e.out);
    return 0;
}
