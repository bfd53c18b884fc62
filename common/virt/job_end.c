/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job_end.c - the end of a job, see job.h; knows libvirt through virt/call */
#include <string.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "virt/job_state.h"

/* How often to look although libvirt has said nothing: an event is lost when
 * its daemon is restarted.
 */
#define LOOK_AGAIN_MS 1000
#define RECONNECT_MS 100

/* So that the call's own report of a missed deadline comes first. */
#define END_GRACE_MS 500

/* MARK NULL: any job, then that of the job that was found. */
enum end_arg { MARK, UUID };

/* A job that began after ours had ended is not to be ended too: so whatever
 * job is there gets known by its mark when it is first seen.
 */
static int choose(struct call *call, virDomainPtr domain, struct error *err)
{
    struct job_stats stats;

    if (job_get_stats(call, domain, &stats, err) < 0)
        return -1;
    if (stats.active && !stats.backup)
        return error_set(err, ERR_BUSY,
                         "Cannot %s: its job is no backup but another "
                         "operation (%s), which is left alone",
                         call_what(call), stats.operation);
    return job_get_mark(call, domain, &call->args[MARK], err);
}

/* Outcome 1 = there is a backup job and it is the one to end, 0 = not. */
static int is_meant(struct call *call, virDomainPtr domain, struct error *err)
{
    _cleanup_free_ char *found_mark = NULL;
    int found = 0;

    if (!call->args[MARK])
        return choose(call, domain, err);
    found = job_get_mark(call, domain, &found_mark, err);
    return found > 0 ? strcmp(found_mark, call->args[MARK]) == 0 : found;
}

static void job_completed(virConnectPtr conn maybe_unused,
                          virDomainPtr domain maybe_unused,
                          virTypedParameterPtr params maybe_unused,
                          int count maybe_unused, void *opaque)
{
    call_wake(opaque);
}

static int watch(struct call *call, virConnectPtr conn, virDomainPtr domain)
{
    int id = virConnectDomainEventRegisterAny(
        conn, domain, VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
        VIR_DOMAIN_EVENT_CALLBACK(job_completed), call_ref(call), call_unref);

    if (id < 0)
        call_unref(call);
    return id;
}

/* Cancel the job and wait until it is gone. */
static int cancel(struct call *call, virDomainPtr domain, struct error *err)
{
    int meant = 1;

    if (virDomainAbortJob(domain) < 0 &&
        call_error_code() != VIR_ERR_OPERATION_INVALID)
        return call_fail(call, err);
    call->numbers[0] = 1;
    for (;;) {
        int64_t left = call->deadline_ms - clock_ms();

        meant = is_meant(call, domain, err);
        if (meant <= 0)
            return meant < 0 ? -1 : 1;
        if (left <= 0)
            return error_set(err, ERR_TIMEOUT, "Cannot %s: it is still active",
                             call_what(call));
        call_sleep(call, (int)MIN_OF(left, LOOK_AGAIN_MS));
    }
}

/* One attempt over one connection: 1 = ended, 0 = nothing to end. */
static int end_once(struct call *call, virConnectPtr conn, virDomainPtr domain,
                    struct error *err)
{
    int meant = is_meant(call, domain, err);
    int id = -1, result = 0;

    if (meant <= 0)
        return meant;
    id = watch(call, conn, domain);
    result = cancel(call, domain, err);
    /* Only over a live connection: a dead one has forgotten us. */
    if (id >= 0 && virConnectIsAlive(conn) == 1)
        virConnectDomainEventDeregisterAny(conn, id);
    return result;
}

/* The same with a connection of its own. */
static int end_try(struct call *call, const char *uuid, struct error *err)
{
    _cleanup_(virConnectClosep) virConnectPtr conn = NULL;
    _cleanup_(virDomainFreep) virDomainPtr domain = NULL;
    int result = 0;

    conn = call_reconnect(call, err);
    if (!conn)
        return -1;
    domain = virDomainLookupByUUIDString(conn, uuid);
    result = domain ? end_once(call, conn, domain, err) : call_fail(call, err);
    if (result < 0 && call_is_cut(call))
        session_drop(call_session(call), conn);
    return result;
}

/* deadline_ms is set; numbers[0] becomes 1 when the job was cancelled. Connects
 * by itself, as often as it takes.
 */
static int end_run(struct call *call, virConnectPtr none maybe_unused,
                   virDomainPtr domain maybe_unused, struct error *err)
{
    int result = end_try(call, call->args[UUID], err);

    while (result < 0 && call_is_cut(call) && clock_ms() < call->deadline_ms) {
        error_clear(err);
        call_sleep(call, RECONNECT_MS);
        result = end_try(call, call->args[UUID], err);
    }
    /* Found gone after a lost connection: it was us who cancelled it. */
    return result == 0 && call->numbers[0] ? 1 : result;
}

static int end(struct domain *d, const char *mark, int timeout_ms,
               struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, end_run, "end the backup job");
    _cleanup_error_ struct error failed = ERROR_INIT;
    int result = 0;

    call_arg(call, MARK, mark);
    call_arg(call, UUID, domain_uuid(d));
    if (call) {
        call->bare = true;
        call->deadline_ms = clock_ms() + timeout_ms;
    }
    result = call_wait(call, CALL_UNDO, timeout_ms + END_GRACE_MS, &failed);
    if (result >= 0 || job_domain_is_gone(&failed))
        return MAX_OF(result, 0);
    error_move(err, &failed);
    return -1;
}

int job_end(struct domain *d, const char *mark, int timeout_ms,
            struct error *err)
{
    return end(d, mark, timeout_ms, err);
}

int job_end_any(struct domain *d, int timeout_ms, struct error *err)
{
    return end(d, NULL, timeout_ms, err);
}
