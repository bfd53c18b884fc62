/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job.c - libvirt's part of job.h, through virt/call */
#include "virt/job.h"

#include <string.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "virt/call.h"
#include "virt/checkpoint.h"
#include "virt/xml.h"

/* How often to look although libvirt has said nothing: an event is lost when
 * its daemon is restarted.
 */
#define LOOK_AGAIN_MS 1000
#define RECONNECT_MS 100

/* So that the call's own report of a missed deadline comes first. */
#define END_GRACE_MS 500

/* libvirt waits 30 s for a domain that another call holds: a begin that is
 * given up before could still come true.
 */
#define BEGIN_TIMEOUT_MS 45000
#define LATE_TIMEOUT_MS 30000

/* ---- what runs now ---- */

/* libvirt's VIR_DOMAIN_JOB_OPERATION_*, in its order. */
static const char *const operations[] = {
    "unknown job", "start",           "save",
    "restore",     "migration in",    "migration out",
    "snapshot",    "snapshot revert", "dump",
    "backup",      "snapshot delete",
};

/* Fill `ret` from libvirt; a domain that is off has no job. */
static int get_stats(struct call *call, virDomainPtr domain,
                     struct job_stats *ret, struct error *err)
{
    virTypedParameterPtr params = NULL;
    unsigned long long used = 0, total = 0, elapsed = 0;
    int type = VIR_DOMAIN_JOB_NONE, count = 0, operation = 0;

    *ret = (struct job_stats){.operation = operations[0]};
    if (virDomainGetJobStats(domain, &type, &params, &count, 0) < 0) {
        if (call_error_code() == VIR_ERR_OPERATION_INVALID &&
            virDomainIsActive(domain) == 0)
            return 0;
        return call_fail(call, err);
    }
    virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsGetULLong(params, count, VIR_DOMAIN_JOB_DISK_TEMP_USED,
                            &used);
    virTypedParamsGetULLong(params, count, VIR_DOMAIN_JOB_DISK_TEMP_TOTAL,
                            &total);
    virTypedParamsGetULLong(params, count, VIR_DOMAIN_JOB_TIME_ELAPSED,
                            &elapsed);
    virTypedParamsFree(params, count);
    ret->active = type != VIR_DOMAIN_JOB_NONE;
    ret->backup = ret->active && operation == VIR_DOMAIN_JOB_OPERATION_BACKUP;
    ret->scratch_used = used;
    ret->scratch_total = total;
    ret->elapsed_ms = elapsed;
    if (operation > 0 && (size_t)operation < array_size(operations))
        ret->operation = operations[operation];
    return 0;
}

static int stats_run(struct call *call, virConnectPtr conn maybe_unused,
                     virDomainPtr domain, struct error *err)
{
    struct job_stats stats;

    if (get_stats(call, domain, &stats, err) < 0)
        return -1;
    call->numbers[0] = stats.active | (unsigned)stats.backup << 1;
    call->numbers[1] = stats.scratch_used;
    call->numbers[2] = stats.scratch_total;
    call->numbers[3] = stats.elapsed_ms;
    call->constant = stats.operation;
    return 0;
}

int job_stats(struct domain *d, struct job_stats *ret, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, stats_run, "get the job");

    if (call_wait(call, CALL_ASK, 0, err) < 0)
        return -1;
    *ret = (struct job_stats){
        .active = call->numbers[0] & 1,
        .backup = call->numbers[0] & 2,
        .scratch_used = call->numbers[1],
        .scratch_total = call->numbers[2],
        .elapsed_ms = call->numbers[3],
        .operation = call->constant,
    };
    return 0;
}

/* The socket of the backup job: 1 and the path (owned, "" for TCP), or 0 if
 * there is no backup job.
 */
static int get_socket(struct call *call, virDomainPtr domain, char **ret,
                      struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_free_ char *text = virDomainBackupGetXMLDesc(domain, 0);
    const char *path = NULL;

    if (!text && (call_error_code() == VIR_ERR_NO_DOMAIN_BACKUP ||
                  call_error_code() == VIR_ERR_NO_DOMAIN))
        return 0;
    if (!text)
        return call_fail(call, err);
    if (xml_parse(text, "The XML of the backup job", &x, err) < 0)
        return -1;
    path = xml_attr(xml_child(xml_root(x), "server"), "socket");
    *ret = strdup(path ? path : "");
    return *ret ? 1 : error_memory(err);
}

static int find_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    return get_socket(call, domain, &call->text, err);
}

int job_find(struct domain *d, char **ret_socket, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, find_run, "look for a backup job");
    int found = call_wait(call, CALL_ASK, 0, err);

    if (found > 0 && ret_socket)
        *ret_socket = take(call->text);
    return found;
}

/* ---- end ---- */

/* Outcome 1 = there is a backup job and it has that socket, 0 = not. */
static int is_ours(struct call *call, virDomainPtr domain, struct error *err)
{
    _cleanup_free_ char *path = NULL;
    int found = get_socket(call, domain, &path, err);

    return found > 0 ? strcmp(path, call->args[0]) == 0 : found;
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

/* Cancel our job and wait until it is gone. */
static int cancel(struct call *call, virDomainPtr domain, struct error *err)
{
    int ours = 1;

    if (virDomainAbortJob(domain) < 0 &&
        call_error_code() != VIR_ERR_OPERATION_INVALID)
        return call_fail(call, err);
    call->numbers[0] = 1;
    for (;;) {
        int64_t left = call->deadline_ms - call_now_ms();

        ours = is_ours(call, domain, err);
        if (ours <= 0)
            return ours < 0 ? -1 : 1;
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
    int ours = is_ours(call, domain, err);
    int id = -1, result = 0;

    if (ours <= 0)
        return ours;
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

/* args[0]: the socket; args[1]: the domain's UUID; deadline_ms; numbers[0]: the
 * job was cancelled.  Connects by itself, as often as it takes.
 */
static int end_run(struct call *call, virConnectPtr none maybe_unused,
                   virDomainPtr domain maybe_unused, struct error *err)
{
    int result = end_try(call, call->args[1], err);

    while (result < 0 && call_is_cut(call) &&
           call_now_ms() < call->deadline_ms) {
        error_clear(err);
        call_sleep(call, RECONNECT_MS);
        result = end_try(call, call->args[1], err);
    }
    /* Found gone after a lost connection: it was us who cancelled it. */
    return result == 0 && call->numbers[0] ? 1 : result;
}

/* The domain itself is gone: a transient one that was shut down. */
static bool is_gone(const struct error *err)
{
    return err->kind == ERR_INPUT && err->code == VIR_ERR_NO_DOMAIN;
}

int job_end(struct domain *d, const char *socket_path, int timeout_ms,
            struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, end_run, "end the backup job");
    _cleanup_error_ struct error failed = ERROR_INIT;
    int result = 0;

    call_arg(call, 0, socket_path);
    call_arg(call, 1, domain_uuid(d));
    if (call) {
        call->bare = true;
        call->deadline_ms = call_now_ms() + timeout_ms;
    }
    result = call_wait(call, CALL_UNDO, timeout_ms + END_GRACE_MS, &failed);
    if (result >= 0 || is_gone(&failed))
        return MAX_OF(result, 0);
    error_move(err, &failed);
    return -1;
}

int job_undo(struct domain *d, const struct job_request *request,
             int timeout_ms, struct error *err)
{
    _cleanup_error_ struct error failed = ERROR_INIT;
    int ended = job_end(d, request->socket_path, timeout_ms, err);
    int deleted = 0;

    if (request->checkpoint && request->description)
        deleted = checkpoint_delete_own(d, request->checkpoint,
                                        request->description, &failed);
    if (deleted < 0 && ended >= 0 && !is_gone(&failed)) {
        error_move(err, &failed);
        return -1;
    }
    return ended < 0 ? -1 : ended || deleted > 0;
}

/* ---- begin ---- */

enum begin_arg {
    BACKUP_XML,
    CHECKPOINT_XML,
    SOCKET,
    CHECKPOINT_NAME,
    DESCRIPTION
};

/* Nobody waits for this job any more. */
static void begin_late(struct call *call)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct job_request request = {
        .socket_path = call->args[SOCKET],
        .checkpoint = call->args[CHECKPOINT_NAME],
        .description = call->args[DESCRIPTION],
    };

    if (domain_open_uuid(call_session(call), call->text, &d, &err) < 0 ||
        job_undo(d, &request, LATE_TIMEOUT_MS, &err) < 0)
        log_debug("a late backup job stays: %s", error_text(&err));
}

/* 0, and the UUID in text. */
static int begin_run(struct call *call, virConnectPtr conn maybe_unused,
                     virDomainPtr domain, struct error *err)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    struct job_stats stats;

    if (virDomainGetUUIDString(domain, uuid) < 0)
        return call_fail(call, err);
    call->text = strdup(uuid);
    if (!call->text)
        return error_memory(err);
    if (get_stats(call, domain, &stats, err) < 0)
        return -1;
    if (stats.active)
        return error_set(err, ERR_BUSY,
                         "Cannot %s: it has an active job already (%s)",
                         call_what(call), stats.operation);
    if (virDomainBackupBegin(domain, call->args[BACKUP_XML],
                             call->args[CHECKPOINT_XML], 0) == 0)
        return 0;
    call_fail(call, err);
    if (virDomainIsActive(domain) == 0)
        return error_set(err, ERR_INPUT, "Cannot %s: it is not running",
                         call_what(call));
    return -1;
}

int job_begin(struct domain *d, const struct job_request *request,
              struct error *err)
{
    _cleanup_free_ char *backup = NULL;
    _cleanup_free_ char *checkpoint = NULL;
    _cleanup_(call_freep) struct call *call = NULL;
    int timeout_ms = request->timeout_ms;

    if (job_backup_xml(request, &backup, err) < 0)
        return -1;
    if (request->checkpoint &&
        job_checkpoint_xml(request, &checkpoint, err) < 0)
        return -1;
    if (timeout_ms <= 0)
        timeout_ms =
            MAX_OF(session_timeout(domain_session(d)), BEGIN_TIMEOUT_MS);
    call = call_new(domain_session(d), d, begin_run, "start the backup job");
    call_arg(call, BACKUP_XML, backup);
    call_arg(call, CHECKPOINT_XML, checkpoint);
    call_arg(call, SOCKET, request->socket_path);
    call_arg(call, CHECKPOINT_NAME, request->checkpoint);
    call_arg(call, DESCRIPTION, request->description);
    if (call)
        call->late = begin_late;
    return call_wait(call, CALL_CHANGE, timeout_ms, err);
}
