/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-agent.c - any text as an answer of the agent, which the guest writes
 *
 * How to build and run: fuzz.h.
 */
#include <string.h>

#include "base/cleanup.h"
#include "virt/agent.h"
#include "virt/agent_private.h"

#include "fuzz.h"

static void check_exit(const struct agent_exit *e)
{
    PROMISE(e->status >= 0 || e->signal >= 0);
    PROMISE(e->out && strlen(e->out) <= AGENT_OUTPUT_MAX);
    PROMISE(e->said && strlen(e->said) <= AGENT_OUTPUT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(agent_exit_free) struct agent_exit e = {0};
    _cleanup_free_ char *reply = strndup((const char *)data, size);
    _cleanup_free_ char *quote = NULL;
    int64_t pid = 0;

    if (!reply)
        return 0;
    quote = agent_quote(reply);
    PROMISE(quote && !strpbrk(quote, "\n\x1b\x7f"));
    if (agent_reply_frozen(reply, &err) < 0)
        PROMISE(err.kind == ERR_LIBVIRT);
    if (agent_reply_pid(reply, &pid, &err) < 0)
        PROMISE(err.kind == ERR_LIBVIRT);
    if (agent_reply_exit(reply, &e, &err) == 1)
        check_exit(&e);
    return 0;
}
