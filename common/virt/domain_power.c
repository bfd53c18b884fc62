/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain_power.c - starting a guest for a backup, and stopping it again, see
 * domain.h
 *
 * Knows libvirt through virt/call, and one question to QEMU's monitor: libvirt
 * says "paused by the user" of a guest that was started so and of one that
 * somebody has resumed and suspended since.  QEMU tells them apart.
 */
#include <string.h>

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "virt/call.h"
#include "virt/domain.h"

/* Memory of hundreds of gigabytes takes its time to be got (this many times the
 * session's), and the bitmaps of large disks to be written.
 */
#define START_PATIENCE 4
#define STOP_TIMEOUT_MS 120000
#define STOP_AGAIN_MS 100

/* So that the call's own report of a missed deadline comes first. */
#define STOP_GRACE_MS 500

/* ---- start ---- */

/* numbers[0]: libvirt's number of the run; text: the UUID. */
static int start_run(struct call *call, virConnectPtr conn maybe_unused,
                     virDomainPtr domain, struct error *err)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    int saved = virDomainHasManagedSaveImage(domain, 0);

    if (saved < 0 || virDomainGetUUIDString(domain, uuid) < 0)
        return call_fail(call, err);
    if (saved > 0)
        return error_set(err, ERR_BUSY,
                         "Cannot %s: it has a saved state (virsh managedsave), "
                         "which that would use up",
                         call_what(call));
    call->text = strdup(uuid);
    if (!call->text)
        return error_memory(err);
    if (virDomainCreateWithFlags(domain, VIR_DOMAIN_START_PAUSED) < 0)
        return call_fail(call, err);
    call->numbers[0] = virDomainGetID(domain);
    return 0;
}

/* Nobody waits for this guest any more. */
static void start_late(struct call *call)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    if (domain_open_uuid(call_session(call), call->text, &d, &err) >= 0) {
        domain_set_started_id(d, (int64_t)call->numbers[0]);
        if (domain_stop_if_untouched(d, &err) >= 0)
            return;
    }
    log_debug("a guest that started late stays: %s", error_text(&err));
}

int domain_start_paused(struct domain *d, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, start_run, "make a paused start");
    int timeout_ms = session_timeout(domain_session(d)) * START_PATIENCE;

    if (call)
        call->late = start_late;
    if (call_wait(call, CALL_CHANGE, timeout_ms, err) < 0)
        return -1;
    /* NOLINTNEXTLINE(clang-analyzer-*): NULL has failed in call_wait. */
    domain_set_started_id(d, (int64_t)call->numbers[0]);
    return 0;
}

/* ---- stop ---- */

/* Has no CPU of the guest run since its QEMU was started?  QEMU calls that
 * "prelaunch"; later it is "paused", for ever.
 */
static int is_prelaunch(struct call *call, virDomainPtr domain,
                        struct error *err)
{
    _cleanup_free_ char *answer = NULL;

    if (virDomainQemuMonitorCommand(
            domain, "{\"execute\":\"query-status\"}", &answer,
            VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT) < 0)
        return call_fail(call, err);
    return strstr(answer, "\"prelaunch\"") != NULL;
}

/* Is it the guest that we have started, as we have left it? */
static int is_untouched(struct call *call, virDomainPtr domain,
                        struct error *err)
{
    int64_t started = (int64_t)call->numbers[0];
    int state = 0, reason = 0;

    if (virDomainGetState(domain, &state, &reason, 0) < 0)
        return call_fail(call, err);
    if (state != VIR_DOMAIN_PAUSED)
        return 0;
    if (started >= 0 && (int64_t)virDomainGetID(domain) != started)
        return 0;
    return is_prelaunch(call, domain, err);
}

/* deadline_ms is set; numbers[0]: the run that is meant, or -1. */
static int stop_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    int untouched = is_untouched(call, domain, err);

    if (untouched <= 0)
        return untouched;
    /* libvirt waits some seconds each time. */
    while (virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_GRACEFUL) < 0) {
        int active = virDomainIsActive(domain);

        if (active == 0)
            return 1;
        if (clock_ms() >= call->deadline_ms || active < 0)
            return call_fail(call, err);
        call_sleep(call, STOP_AGAIN_MS);
    }
    return 1;
}

int domain_stop_if_untouched(struct domain *d, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, stop_run, "end the run");
    _cleanup_error_ struct error failed = ERROR_INIT;
    int result = 0;

    if (call) {
        call->numbers[0] = (uint64_t)domain_started_id(d);
        call->deadline_ms = clock_ms() + STOP_TIMEOUT_MS;
    }
    result =
        call_wait(call, CALL_UNDO, STOP_TIMEOUT_MS + STOP_GRACE_MS, &failed);
    /* A guest that is gone altogether needs no stop. */
    if (result >= 0 ||
        (failed.kind == ERR_INPUT && failed.code == VIR_ERR_NO_DOMAIN))
        return MAX_OF(result, 0);
    error_move(err, &failed);
    return -1;
}
