/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job.c - the begin of a job, see job.h; knows libvirt through virt/call */
#include "virt/job.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "virt/checkpoint.h"
#include "virt/job_state.h"

/* libvirt waits 30 s for a domain that another call holds: a begin that is
 * given up before could still come true.
 */
#define BEGIN_TIMEOUT_MS 45000
#define LATE_TIMEOUT_MS 30000

/* From libvirt 11.10.0 on a guest that shuts down can be kept for its job. */
#define FIRST_TO_PRESERVE 11010000
#if LIBVIR_VERSION_NUMBER >= FIRST_TO_PRESERVE
#define PRESERVE_FLAG VIR_DOMAIN_BACKUP_BEGIN_PRESERVE_SHUTDOWN_DOMAIN
#else
#define PRESERVE_FLAG 0
#endif

int job_undo(struct domain *d, const struct job_request *request,
             int timeout_ms, struct error *err)
{
    _cleanup_error_ struct error failed = ERROR_INIT;
    _cleanup_free_ char *mark = job_mark(request);
    int ended = mark ? job_end(d, mark, timeout_ms, err) : error_memory(err);
    int deleted = 0;

    if (request->checkpoint && request->description)
        deleted = checkpoint_delete_own(d, request->checkpoint,
                                        request->description, &failed);
    if (deleted < 0 && ended >= 0 && !job_domain_is_gone(&failed)) {
        error_move(err, &failed);
        return -1;
    }
    return ended < 0 ? -1 : ended || deleted > 0;
}

enum begin_arg {
    BACKUP_XML,
    CHECKPOINT_XML,
    MARK,
    CHECKPOINT_NAME,
    DESCRIPTION
};

/* Nobody waits for this job any more.  (Over TCP the mark is no socket, but a
 * mark all the same.)
 */
static void begin_late(struct call *call)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct job_request request = {
        .socket_path = call->args[MARK],
        .checkpoint = call->args[CHECKPOINT_NAME],
        .description = call->args[DESCRIPTION],
    };

    if (domain_open_uuid(call_session(call), call->text, &d, &err) < 0 ||
        job_undo(d, &request, LATE_TIMEOUT_MS, &err) < 0)
        log_debug("a late backup job stays: %s", error_text(&err));
}

/* The flags for this daemon, or a refusal. */
static int prepare(struct call *call, virConnectPtr conn, virDomainPtr domain,
                   unsigned *ret_flags, struct error *err)
{
    _cleanup_free_ char *xml = NULL;
    unsigned long version = 0;

    if (virConnectGetLibVersion(conn, &version) < 0)
        return call_fail(call, err);
    /* NOLINTNEXTLINE(bugprone-branch-clone): old headers lack the flag, 0. */
    *ret_flags = version >= FIRST_TO_PRESERVE ? PRESERVE_FLAG : 0;
    xml = virDomainGetXMLDesc(domain, 0);
    if (!xml)
        return call_fail(call, err);
    if (job_lacks_capability(version, xml))
        return error_set(err, ERR_INPUT,
                         "Cannot %s: libvirt %lu.%lu.%lu is older than 7.6.0 "
                         "and wants "
                         "<qemu:capabilities><qemu:add "
                         "capability='incremental-backup'/>"
                         "</qemu:capabilities> in the domain's XML (and the "
                         "guest started with it); use a newer libvirt or the "
                         "level copy",
                         call_what(call), version / 1000000,
                         version / 1000 % 1000, version % 1000);
    return 0;
}

/* 0, and the UUID in text. */
static int begin_run(struct call *call, virConnectPtr conn, virDomainPtr domain,
                     struct error *err)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    struct job_stats stats;
    unsigned flags = 0;

    if (virDomainGetUUIDString(domain, uuid) < 0)
        return call_fail(call, err);
    call->text = strdup(uuid);
    if (!call->text)
        return error_memory(err);
    if (job_get_stats(call, domain, &stats, err) < 0)
        return -1;
    if (stats.active)
        return error_set(err, ERR_BUSY,
                         "Cannot %s: it has an active job already (%s)",
                         call_what(call), stats.operation);
    if (prepare(call, conn, domain, &flags, err) < 0)
        return -1;
    if (virDomainBackupBegin(domain, call->args[BACKUP_XML],
                             call->args[CHECKPOINT_XML], flags) == 0)
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
    _cleanup_free_ char *mark = job_mark(request);
    _cleanup_(call_freep) struct call *call = NULL;
    int timeout_ms = request->timeout_ms;

    if (!mark)
        return error_memory(err);
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
    call_arg(call, MARK, mark);
    call_arg(call, CHECKPOINT_NAME, request->checkpoint);
    call_arg(call, DESCRIPTION, request->description);
    if (call)
        call->late = begin_late;
    return call_wait(call, CALL_CHANGE, timeout_ms, err);
}
