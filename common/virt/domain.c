/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain.c - see domain.h; knows libvirt through virt/call */
#include "virt/domain.h"

#include <string.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "virt/call.h"

struct domain {
    struct session *session; /* borrowed */
    char *name;
    char uuid[VIR_UUID_STRING_BUFLEN];
    int64_t started_id; /* libvirt's number of the run that we began, or -1 */
};

/* ---- opening ---- */

/* args[0]: name or UUID; flags: 1 = it is a UUID. */
static int open_run(struct call *call, virConnectPtr conn,
                    virDomainPtr none maybe_unused, struct error *err)
{
    _cleanup_(virDomainFreep) virDomainPtr domain = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN];

    domain = call->flags ? virDomainLookupByUUIDString(conn, call->args[0])
                         : virDomainLookupByName(conn, call->args[0]);
    if (!domain && call_error_code() == VIR_ERR_NO_DOMAIN)
        return error_set_code(err, ERR_INPUT, VIR_ERR_NO_DOMAIN,
                              "There is no domain '%s' at '%s'", call->args[0],
                              session_uri(call_session(call)));
    if (!domain || virDomainGetUUIDString(domain, uuid) < 0)
        return call_fail(call, err);
    call->text = strdup(virDomainGetName(domain));
    call->texts = calloc(1, sizeof(*call->texts));
    if (!call->text || !call->texts)
        return error_memory(err);
    call->texts[0] = strdup(uuid);
    call->text_count = 1;
    return call->texts[0] ? 0 : error_memory(err);
}

static int open_as(struct session *s, const char *key, bool is_uuid,
                   struct domain **ret, struct error *err)
{
    _cleanup_(domain_closep) struct domain *d = calloc(1, sizeof(*d));
    _cleanup_(call_freep) struct call *call = NULL;

    if (!d)
        return error_memory(err);
    call = call_new(s, NULL, open_run, "look up the domain");
    call_arg(call, 0, key);
    call_flags(call, is_uuid);
    if (call_wait(call, is_uuid ? CALL_UNDO : CALL_ASK, 0, err) < 0)
        return -1;
    d->session = s;
    d->started_id = -1;
    d->name = take(call->text);
    memcpy(d->uuid, call->texts[0], sizeof(d->uuid));
    *ret = take(d);
    return 0;
}

int domain_open(struct session *s, const char *name, struct domain **ret,
                struct error *err)
{
    return open_as(s, name, false, ret, err);
}

int domain_open_uuid(struct session *s, const char *uuid, struct domain **ret,
                     struct error *err)
{
    return open_as(s, uuid, true, ret, err);
}

void domain_close(struct domain *d)
{
    if (!d)
        return;
    free(d->name);
    free(d);
}

const char *domain_name(const struct domain *d)
{
    return d->name;
}

const char *domain_uuid(const struct domain *d)
{
    return d->uuid;
}

struct session *domain_session(const struct domain *d)
{
    return d->session;
}

int64_t domain_started_id(const struct domain *d)
{
    return d->started_id;
}

void domain_set_started_id(struct domain *d, int64_t id)
{
    d->started_id = id;
}

/* ---- XML ---- */

static int xml_run(struct call *call, virConnectPtr conn maybe_unused,
                   virDomainPtr domain, struct error *err)
{
    call->text = virDomainGetXMLDesc(domain, call->flags);
    return call->text ? 0 : call_fail(call, err);
}

static int get_xml(struct domain *d, unsigned flags, char **ret,
                   struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(d->session, d, xml_run, "get the XML");

    call_flags(call, flags);
    if (call_wait(call, CALL_ASK, 0, err) < 0)
        return -1;
    *ret = take(call->text);
    return 0;
}

int domain_xml(struct domain *d, char **ret, struct error *err)
{
    return get_xml(d, 0, ret, err);
}

int domain_xml_inactive(struct domain *d, char **ret, struct error *err)
{
    return get_xml(d, VIR_DOMAIN_XML_INACTIVE, ret, err);
}

/* ---- state ---- */

enum question { IS_ACTIVE, IS_PERSISTENT, IS_PAUSED, HAS_AUTOSTART };

static int ask_run(struct call *call, virConnectPtr conn maybe_unused,
                   virDomainPtr domain, struct error *err)
{
    int answer = -1, state = 0, reason = 0, autostart = 0;

    switch ((enum question)call->flags) {
    case IS_ACTIVE:
        answer = virDomainIsActive(domain);
        break;
    case IS_PERSISTENT:
        answer = virDomainIsPersistent(domain);
        break;
    case IS_PAUSED:
        if (virDomainGetState(domain, &state, &reason, 0) == 0)
            answer = state == VIR_DOMAIN_PAUSED;
        break;
    case HAS_AUTOSTART:
        if (virDomainGetAutostart(domain, &autostart) == 0)
            answer = autostart != 0;
        break;
    }
    return answer < 0 ? call_fail(call, err) : answer;
}

static int ask(struct domain *d, enum question question, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(d->session, d, ask_run, "get the state");

    call_flags(call, question);
    return call_wait(call, CALL_ASK, 0, err);
}

int domain_is_active(struct domain *d, struct error *err)
{
    return ask(d, IS_ACTIVE, err);
}

int domain_is_persistent(struct domain *d, struct error *err)
{
    return ask(d, IS_PERSISTENT, err);
}

int domain_is_paused(struct domain *d, struct error *err)
{
    return ask(d, IS_PAUSED, err);
}

int domain_has_autostart(struct domain *d, struct error *err)
{
    return ask(d, HAS_AUTOSTART, err);
}

static int suspend_run(struct call *call, virConnectPtr conn maybe_unused,
                       virDomainPtr domain, struct error *err)
{
    return virDomainSuspend(domain) < 0 ? call_fail(call, err) : 0;
}

static int resume_run(struct call *call, virConnectPtr conn maybe_unused,
                      virDomainPtr domain, struct error *err)
{
    int state = 0, reason = 0;

    if (virDomainGetState(domain, &state, &reason, 0) < 0)
        return call_fail(call, err);
    if (state == VIR_DOMAIN_RUNNING)
        return 0;
    return virDomainResume(domain) < 0 ? call_fail(call, err) : 1;
}

int domain_suspend(struct domain *d, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(d->session, d, suspend_run, "suspend the CPUs");

    return call_wait(call, CALL_CHANGE, 0, err);
}

int domain_resume(struct domain *d, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(d->session, d, resume_run, "resume the CPUs");

    return call_wait(call, CALL_UNDO, 0, err);
}

/* ---- its process ---- */

int domain_qemu_user(struct domain *d, uid_t *ret_uid, gid_t *ret_gid,
                     struct error *err)
{
    _cleanup_free_ char *xml = NULL;
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;

    if (domain_xml(d, &xml, err) < 0 ||
        disk_owner_parse(xml, &uid, &gid, err) < 0)
        return -1;
    *ret_uid = uid;
    if (ret_gid)
        *ret_gid = gid;
    return 0;
}
