/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain_disk.c - libvirt's part of the disks of a domain, see domain.h */
#include <string.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "virt/call.h"
#include "virt/domain.h"

/* ---- which, and where ---- */

/* args[0]: pool, args[1]: volume -> text: path; numbers[0]: type of volume. */
static int volume_run(struct call *call, virConnectPtr conn,
                      virDomainPtr none maybe_unused, struct error *err)
{
    _cleanup_(virStoragePoolFreep) virStoragePoolPtr pool = NULL;
    _cleanup_(virStorageVolFreep) virStorageVolPtr volume = NULL;
    virStorageVolInfo info;

    pool = virStoragePoolLookupByName(conn, call->args[0]);
    if (!pool)
        return call_fail(call, err);
    volume = virStorageVolLookupByName(pool, call->args[1]);
    if (!volume || virStorageVolGetInfo(volume, &info) < 0)
        return call_fail(call, err);
    call->text = virStorageVolGetPath(volume);
    if (!call->text)
        return call_fail(call, err);
    call->numbers[0] = (uint64_t)info.type;
    return 0;
}

static int resolve(struct domain *d, struct domain_disk *disk,
                   struct error *err)
{
    _cleanup_(call_freep) struct call *call = call_new(
        domain_session(d), NULL, volume_run, "find the volume of a disk");
    const char *type = NULL;

    call_arg(call, 0, disk->pool);
    call_arg(call, 1, disk->volume);
    if (call_wait(call, CALL_ASK, 0, err) < 0)
        return error_prefix(err, "disk %s, volume '%s' of pool '%s'",
                            disk->target, disk->volume, disk->pool);
    switch (call->numbers[0]) {
    case VIR_STORAGE_VOL_FILE:
        type = "file";
        break;
    case VIR_STORAGE_VOL_BLOCK:
        type = "block";
        break;
    default:
        return disk_judge(disk, "network", err);
    }
    free(disk->source);
    disk->source = take(call->text);
    return disk_judge(disk, type, err);
}

int domain_disks(struct domain *d, struct domain_disk_list *ret,
                 struct error *err)
{
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_free_ char *xml = NULL;

    if (domain_xml(d, &xml, err) < 0 || disk_list_parse(xml, &list, err) < 0)
        return -1;
    vec_foreach (disk, &list) {
        if (strcmp(disk->type, "volume") != 0 || disk->empty)
            continue;
        if (disk->skip_kind == DISK_SKIP_INFO)
            continue; /* a CD: nobody needs to know where it is */
        if (resolve(d, disk, err) < 0)
            return -1;
    }
    *ret = list;
    list = (struct domain_disk_list){0};
    return 0;
}

/* ---- how large ---- */

/* args[0]: target -> numbers[0]: bytes. */
static int size_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    virDomainBlockInfo info = {0};

    if (virDomainGetBlockInfo(domain, call->args[0], &info, 0) < 0)
        return call_fail(call, err);
    call->numbers[0] = info.capacity;
    return 0;
}

int domain_disk_size(struct domain *d, const char *target, int timeout_ms,
                     uint64_t *ret, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, size_run, "ask for the size of a disk");

    call_arg(call, 0, target);
    if (call_wait(call, CALL_ASK, timeout_ms, err) < 0)
        return error_prefix(err, "disk %s", target);
    *ret = call->numbers[0];
    return 0;
}

/* ---- block jobs ---- */

/* libvirt's VIR_DOMAIN_BLOCK_JOB_TYPE_*, in its order. */
static const char *const block_jobs[] = {"unknown", "pull",   "copy",
                                         "commit",  "commit", "backup"};

/* args[0]: target -> 1 and its kind in constant, or 0. */
static int block_job_run(struct call *call, virConnectPtr conn maybe_unused,
                         virDomainPtr domain, struct error *err)
{
    virDomainBlockJobInfo info = {0};
    int found = virDomainGetBlockJobInfo(domain, call->args[0], &info, 0);

    if (found < 0 && call_error_code() == VIR_ERR_OPERATION_INVALID &&
        virDomainIsActive(domain) == 0)
        return 0;
    if (found < 0)
        return call_fail(call, err);
    call->constant = block_jobs[0];
    if (info.type > 0 && (size_t)info.type < array_size(block_jobs))
        call->constant = block_jobs[info.type];
    return found;
}

int domain_block_job(struct domain *d, const char *target, char **ret_what,
                     struct error *err)
{
    _cleanup_(call_freep) struct call *call = call_new(
        domain_session(d), d, block_job_run, "look for the block jobs");
    char *what = NULL;
    int found = 0;

    call_arg(call, 0, target);
    found = call_wait(call, CALL_ASK, 0, err);
    if (found < 0)
        return error_prefix(err, "disk %s", target);
    if (found == 0 || !ret_what)
        return found;
    what = strdup(call->constant);
    if (!what)
        return error_memory(err);
    *ret_what = what;
    return 1;
}
