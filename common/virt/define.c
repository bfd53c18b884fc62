/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* define.c - see define.h; knows libvirt through virt/call */
#include "virt/define.h"

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "virt/call.h"

/* A call with one argument and no domain, and its outcome. */
static int ask(struct session *s, call_function run, const char *what,
               const char *argument, enum call_kind kind, struct error *err)
{
    _cleanup_(call_freep) struct call *call = call_new(s, NULL, run, what);

    call_arg(call, 0, argument);
    return call_wait(call, kind, 0, err);
}

static int known_run(struct call *call, virConnectPtr conn,
                     virDomainPtr none maybe_unused, struct error *err)
{
    _cleanup_(virDomainFreep) virDomainPtr domain =
        virDomainLookupByName(conn, call->args[0]);

    if (!domain && call_error_code() == VIR_ERR_NO_DOMAIN)
        return 0;
    return domain ? 1 : call_fail(call, err);
}

int define_is_known(struct session *s, const char *name, struct error *err)
{
    return ask(s, known_run, "look up the domain", name, CALL_ASK, err);
}

static int define_run(struct call *call, virConnectPtr conn,
                      virDomainPtr none maybe_unused, struct error *err)
{
    _cleanup_(virDomainFreep) virDomainPtr domain =
        virDomainDefineXML(conn, call->args[0]);

    return domain ? 0 : call_fail(call, err);
}

int define_domain(struct session *s, const char *xml, struct error *err)
{
    return ask(s, define_run, "define the domain", xml, CALL_CHANGE, err);
}

static int autostart_run(struct call *call, virConnectPtr conn,
                         virDomainPtr none maybe_unused, struct error *err)
{
    _cleanup_(virDomainFreep) virDomainPtr domain =
        virDomainLookupByName(conn, call->args[0]);

    if (!domain || virDomainSetAutostart(domain, 1) < 0)
        return call_fail(call, err);
    return 0;
}

int define_autostart(struct session *s, const char *name, struct error *err)
{
    return ask(s, autostart_run, "set the autostart of the domain", name,
               CALL_CHANGE, err);
}

static int refresh_run(struct call *call, virConnectPtr conn,
                       virDomainPtr none maybe_unused, struct error *err)
{
    _cleanup_(virStoragePoolFreep) virStoragePoolPtr pool =
        virStoragePoolLookupByTargetPath(conn, call->args[0]);
    int active = 0;

    if (!pool && call_error_code() == VIR_ERR_NO_STORAGE_POOL)
        return 0;
    active = pool ? virStoragePoolIsActive(pool) : -1;
    if (active < 0 || (active > 0 && virStoragePoolRefresh(pool, 0) < 0))
        return call_fail(call, err);
    return active > 0;
}

int define_refresh_pool(struct session *s, const char *path, struct error *err)
{
    return ask(s, refresh_run, "refresh the storage pool", path, CALL_CHANGE,
               err);
}
