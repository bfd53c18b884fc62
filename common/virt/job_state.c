/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job_state.c - what job runs now, see job_state.h and job.h */
#include "virt/job_state.h"

#include <string.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "virt/xml.h"

/* libvirt's VIR_DOMAIN_JOB_OPERATION_*, in its order. */
static const char *const operations[] = {
    "unknown job", "start",           "save",
    "restore",     "migration in",    "migration out",
    "snapshot",    "snapshot revert", "dump",
    "backup",      "snapshot delete",
};

int job_get_stats(struct call *call, virDomainPtr domain, struct job_stats *ret,
                  struct error *err)
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

    if (job_get_stats(call, domain, &stats, err) < 0)
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

/* The scratch file without the name of the disk; NULL: no disk has one. */
static char *scratch_mark(const struct xml *x)
{
    const struct xml_node *disks = xml_child(xml_root(x), "disks");
    const struct xml_node *disk = xml_child(disks, "disk");

    for (; disk; disk = xml_next(disk, "disk")) {
        const char *file = xml_attr(xml_child(disk, "scratch"), "file");
        const char *dot = file ? strrchr(file, '.') : NULL;

        if (dot)
            return strndup(file, (size_t)(dot - file));
    }
    return strdup("");
}

int job_get_mark(struct call *call, virDomainPtr domain, char **ret,
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
    *ret = path ? strdup(path) : scratch_mark(x);
    return *ret ? 1 : error_memory(err);
}

static int find_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    return job_get_mark(call, domain, &call->text, err);
}

int job_find(struct domain *d, char **ret_mark, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, find_run, "look for a backup job");
    int found = call_wait(call, CALL_ASK, 0, err);

    if (found > 0 && ret_mark)
        *ret_mark = take(call->text);
    return found;
}

bool job_domain_is_gone(const struct error *err)
{
    return err->kind == ERR_INPUT && err->code == VIR_ERR_NO_DOMAIN;
}
