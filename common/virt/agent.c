/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent.c - freezing, thawing and asking who it is, see agent.h
 *
 * Knows libvirt's own functions for the agent; commands that libvirt has none
 * for are in agent_exec.c.
 */
#include "virt/agent.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "virt/agent_private.h"
#include "virt/xml.h"

/* So that libvirt's own report of a missed deadline comes first. */
#define GRACE_MS 2000

/* libvirt says of an agent that is not there at once that it does not answer;
 * of one that does not answer it says so after a second at the least.
 */
#define ANSWER_LATE_MS 900

#define LATE_THAW_TIMEOUT_MS 30000

#define QUOTE_MAX 300

/* The name of the channel, by which guest and host know each other. */
#define AGENT_CHANNEL "org.qemu.guest_agent.0"

/* ---- waiting ---- */

unsigned agent_seconds(int timeout_ms)
{
    return timeout_ms > 1000 ? ((unsigned)timeout_ms + 999) / 1000 : 1;
}

int agent_wait(struct call *call, enum call_kind kind, struct error *err)
{
    unsigned seconds = call ? MIN_OF(call->flags, 1000000) : 0;

    return call_wait(call, kind, (int)seconds * 1000 + GRACE_MS, err);
}

void agent_limit(virDomainPtr domain, unsigned seconds)
{
    int value =
        seconds > 0 ? (int)seconds : VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK;

    if (virDomainAgentSetResponseTimeout(domain, value, 0) < 0)
        virResetLastError();
}

char *agent_quote(const char *text)
{
    _cleanup_free_ char *front = strndup(text, QUOTE_MAX);

    return front ? text_escape(front) : NULL;
}

int agent_fail(struct call *call, int64_t asked_ms, struct error *err)
{
    _cleanup_free_ char *quoted = NULL;
    int code = call_error_code();

    if ((code == VIR_ERR_AGENT_UNRESPONSIVE ||
         code == VIR_ERR_AGENT_UNSYNCED) &&
        clock_ms() - asked_ms >= ANSWER_LATE_MS)
        return error_set_code(err, ERR_TIMEOUT, code,
                              "Cannot %s: the guest agent did not answer "
                              "within %u s",
                              call_what(call), call->flags);
    call_fail(call, err);
    quoted = agent_quote(error_text(err));
    if (!quoted)
        return error_memory(err);
    return error_set_code(err, err->kind, err->code, "%s", quoted);
}

/* ---- freeze and thaw ---- */

/* Nobody waits for this freeze any more, and perhaps nobody thaws it. */
static void freeze_late(struct call *call)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    if (domain_open_uuid(call_session(call), call->args[0], &d, &err) < 0 ||
        agent_thaw(d, LATE_THAW_TIMEOUT_MS, &err) < 0)
        log_debug("a late freeze stays: %s", error_text(&err));
}

/* flags: seconds; texts: mount points -> numbers[0]: file systems. */
static int freeze_run(struct call *call, virConnectPtr conn maybe_unused,
                      virDomainPtr domain, struct error *err)
{
    int64_t begin = 0;
    int count = 0;

    agent_limit(domain, call->flags);
    begin = clock_ms();
    count = virDomainFSFreeze(domain, (const char **)call->texts,
                              (unsigned)call->text_count, 0);
    if (count < 0)
        return agent_fail(call, begin, err);
    call->numbers[0] = (uint64_t)count;
    return 0;
}

/* Copy the mount points into `call`. */
static int set_mountpoints(struct call *call, const char *const *mountpoints,
                           struct error *err)
{
    size_t count = 0;

    while (mountpoints && mountpoints[count])
        count++;
    if (count == 0)
        return 0;
    call->texts = calloc(count, sizeof(*call->texts));
    if (!call->texts)
        return error_memory(err);
    for (; call->text_count < count; call->text_count++) {
        char *copy = strdup(mountpoints[call->text_count]);

        if (!copy)
            return error_memory(err);
        call->texts[call->text_count] = copy;
    }
    return 0;
}

int agent_freeze(struct domain *d, const char *const *mountpoints,
                 int timeout_ms, unsigned *ret_count, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, freeze_run, "freeze the file systems");

    if (!call)
        return error_memory(err);
    call_arg(call, 0, domain_uuid(d));
    if (set_mountpoints(call, mountpoints, err) < 0)
        return -1;
    call->flags = agent_seconds(timeout_ms);
    call->late = freeze_late;
    if (agent_wait(call, CALL_ASK, err) < 0)
        return -1;
    *ret_count = (unsigned)call->numbers[0];
    return 0;
}

/* flags: seconds. */
static int thaw_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    int64_t begin = 0;
    int result = 0;

    agent_limit(domain, call->flags);
    begin = clock_ms();
    result = virDomainFSThaw(domain, NULL, 0, 0);
    result = result < 0 ? agent_fail(call, begin, err) : result > 0;
    agent_limit(domain, 0);
    return result;
}

int agent_thaw(struct domain *d, int timeout_ms, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, thaw_run, "thaw the file systems");

    call_flags(call, agent_seconds(timeout_ms));
    return agent_wait(call, CALL_UNDO, err);
}

/* ---- what the guest says of itself ---- */

/* libvirt's numbers for no agent, or none that talks. */
static bool is_absence(int code)
{
    switch (code) {
    case VIR_ERR_AGENT_UNRESPONSIVE:
    case VIR_ERR_AGENT_UNSYNCED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED: /* no channel for it */
    case VIR_ERR_OPERATION_INVALID:    /* the guest does not run */
    case VIR_ERR_NO_SUPPORT:
        return true;
    default:
        return false;
    }
}

/* The agent's channel in a domain XML, or NULL. */
static struct xml_node *find_channel(const struct xml *xml)
{
    struct xml_node *devices = xml_child(xml_root(xml), "devices");
    struct xml_node *channel = devices ? xml_child(devices, "channel") : NULL;

    for (; channel; channel = xml_next(channel, "channel")) {
        struct xml_node *target = xml_child(channel, "target");
        const char *name = target ? xml_attr(target, "name") : NULL;

        if (name && strcmp(name, AGENT_CHANNEL) == 0)
            return target;
    }
    return NULL;
}

int agent_is_connected(struct domain *d, const char **ret_why,
                       struct error *err)
{
    _cleanup_(xml_freep) struct xml *xml = NULL;
    _cleanup_free_ char *text = NULL;
    struct xml_node *target;
    const char *state;

    if (domain_xml(d, &text, err) < 0 ||
        xml_parse_as(text, "domain XML", "domain", &xml, err) < 0)
        return -1;
    target = find_channel(xml);
    if (!target) {
        *ret_why = "the domain has no channel for the guest agent";
        return 0;
    }
    state = xml_attr(target, "state");
    if (!state || strcmp(state, "connected") != 0) {
        *ret_why = "no guest agent runs in the guest";
        return 0;
    }
    return 1;
}

static json_t *member_value(const virTypedParameter *p)
{
    char number[32];

    switch (p->type) {
    case VIR_TYPED_PARAM_INT:
        return json_integer(p->value.i);
    case VIR_TYPED_PARAM_UINT:
        return json_integer(p->value.ui);
    case VIR_TYPED_PARAM_LLONG:
        return json_integer(p->value.l);
    case VIR_TYPED_PARAM_ULLONG:
        if (p->value.ul <= INT64_MAX)
            return json_integer((json_int_t)p->value.ul);
        /* JSON libraries have no such numbers. */
        snprintf(number, sizeof(number), "%llu", p->value.ul);
        return json_string(number);
    case VIR_TYPED_PARAM_BOOLEAN:
        return json_boolean(p->value.b);
    case VIR_TYPED_PARAM_STRING:
        return json_string(p->value.s ? p->value.s : "");
    default:
        return NULL; /* a double: there is none */
    }
}

/* Put what libvirt tells into the object; what JSON cannot hold stays out. */
static void add_members(json_t *object, const virTypedParameter *params,
                        int count)
{
    for (int i = 0; i < count; i++)
        json_object_set_new(object, params[i].field, member_value(&params[i]));
}

/* Outcome 1 = asked, 0 = no agent. */
static int info_of(struct call *call, virDomainPtr domain, unsigned type,
                   json_t *object, struct error *err)
{
    virTypedParameterPtr params = NULL;
    int64_t begin = clock_ms();
    int count = 0;

    if (virDomainGetGuestInfo(domain, type, &params, &count, 0) == 0) {
        add_members(object, params, count);
        virTypedParamsFree(params, count);
        return 1;
    }
    if (is_absence(call_error_code()))
        return 0;
    /* An old agent does not know everything; a broken libvirt is another
     * matter.
     */
    agent_fail(call, begin, err);
    if (call_is_cut(call) || err->kind == ERR_BUSY || err->kind == ERR_INPUT)
        return -1;
    log_debug("%s", error_text(err));
    error_clear(err);
    return 1;
}

/* flags: seconds; args[0]: not NULL: the operating system only -> text: JSON.
 */
static int info_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    static const unsigned types[] = {VIR_DOMAIN_GUEST_INFO_OS,
                                     VIR_DOMAIN_GUEST_INFO_HOSTNAME,
                                     VIR_DOMAIN_GUEST_INFO_FILESYSTEM};
    json_auto_t *object = json_object();
    size_t count = call->args[0] ? 1 : array_size(types);
    int result = 1;

    agent_limit(domain, call->flags);
    for (size_t i = 0; object && result > 0 && i < count; i++)
        result = info_of(call, domain, types[i], object, err);
    agent_limit(domain, 0);
    if (result <= 0)
        return result;
    if (json_object_size(object) == 0)
        return 0;
    call->text = json_print(object, JSON_INDENT(4) | JSON_ENSURE_ASCII);
    return call->text ? 1 : error_memory(err);
}

static int get_info(struct domain *d, bool os_only, int timeout_ms, char **ret,
                    struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, info_run, "ask the guest agent");
    int found = 0;

    call_flags(call, agent_seconds(timeout_ms));
    call_arg(call, 0, os_only ? "os" : NULL);
    found = agent_wait(call, CALL_ASK, err);
    if (found > 0)
        *ret = take(call->text);
    return found;
}

int agent_guest_info(struct domain *d, int timeout_ms, char **ret_text,
                     struct error *err)
{
    return get_info(d, false, timeout_ms, ret_text, err);
}

/* As os-release(5) has it. */
static bool is_os_id(const char *id)
{
    size_t length = id ? strlen(id) : 0;

    return length > 0 && length <= 64 &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

int agent_os_id(struct domain *d, int timeout_ms, char **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    json_auto_t *object = NULL;
    const char *id = NULL;
    int found = get_info(d, true, timeout_ms, &text, err);

    if (found <= 0)
        return found;
    object = json_read(text, strlen(text), ERR_LIBVIRT, err);
    if (!object)
        return -1;
    id = json_string_value(json_object_get(object, "os.id"));
    if (!is_os_id(id))
        return 0;
    *ret = strdup(id);
    return *ret ? 1 : error_memory(err);
}
