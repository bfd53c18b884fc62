/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint.c - libvirt's part of checkpoint.h, through virt/call */
#include "virt/checkpoint.h"

#include <string.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "virt/call.h"

/* ---- asking ---- */

#define XML_PLAIN VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN
#define XML_SIZES (XML_PLAIN | VIR_DOMAIN_CHECKPOINT_XML_SIZE)

static void free_checkpoints(virDomainCheckpointPtr *all, int count)
{
    for (int i = 0; i < count; i++)
        virDomainCheckpointFree(all[i]);
    free(all);
}

static int list_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    virDomainCheckpointPtr *all = NULL;
    int count = virDomainListAllCheckpoints(
        domain, &all, VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL);
    int result = 0;

    if (count < 0)
        return call_fail(call, err);
    call->texts = calloc((size_t)count + 1, sizeof(*call->texts));
    if (!call->texts)
        result = error_memory(err);
    for (int i = 0; i < count && result == 0; i++) {
        char *xml = virDomainCheckpointGetXMLDesc(all[i], XML_PLAIN);

        if (xml)
            call->texts[call->text_count++] = xml;
        else if (call_error_code() != VIR_ERR_NO_DOMAIN_CHECKPOINT)
            result = call_fail(call, err);
    }
    free_checkpoints(all, count);
    return result;
}

int checkpoint_list(struct domain *d, struct checkpoint_list *ret,
                    struct error *err)
{
    _cleanup_(checkpoint_list_free) struct checkpoint_list list = {0};
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, list_run, "list the checkpoints");

    if (call_wait(call, CALL_ASK, 0, err) < 0)
        return -1;
    for (size_t i = 0; i < call->text_count; i++) {
        if (vec_push(&list, (struct checkpoint){0}) < 0)
            return error_memory(err);
        if (checkpoint_parse(call->texts[i], vec_last(&list), err) < 0)
            return -1;
    }
    *ret = list;
    list = (struct checkpoint_list){0};
    return 0;
}

/* args[0]: name; flags: of the XML.  1 and its XML, or 0. */
static int xml_run(struct call *call, virConnectPtr conn maybe_unused,
                   virDomainPtr domain, struct error *err)
{
    _cleanup_(virDomainCheckpointFreep) virDomainCheckpointPtr c =
        virDomainCheckpointLookupByName(domain, call->args[0], 0);

    if (!c && call_error_code() == VIR_ERR_NO_DOMAIN_CHECKPOINT)
        return 0;
    if (!c)
        return call_fail(call, err);
    call->text = virDomainCheckpointGetXMLDesc(c, call->flags);
    /* Sizes are known of running guests only, and not by every libvirt. */
    if (!call->text && call->flags != XML_PLAIN)
        call->text = virDomainCheckpointGetXMLDesc(c, XML_PLAIN);
    return call->text ? 1 : call_fail(call, err);
}

/* Outcome 1 = `*ret` is its XML, 0 = there is no such checkpoint. */
static int get_xml(struct domain *d, const char *name, unsigned flags,
                   int timeout_ms, char **ret, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, xml_run, "get a checkpoint");
    int found = 0;

    call_arg(call, 0, name);
    call_flags(call, flags);
    found = call_wait(call, CALL_ASK, timeout_ms, err);
    if (found > 0)
        *ret = take(call->text);
    return found;
}

int checkpoint_find(struct domain *d, const char *name, struct checkpoint *ret,
                    struct error *err)
{
    _cleanup_free_ char *xml = NULL;
    int found = get_xml(d, name, XML_PLAIN, 0, &xml, err);

    if (found > 0 && ret && checkpoint_parse(xml, ret, err) < 0)
        return -1;
    return found;
}

static int no_such(struct domain *d, const char *name, struct error *err)
{
    return error_set(err, ERR_INPUT, "Domain '%s' has no checkpoint '%s'",
                     domain_name(d), name);
}

int checkpoint_xml(struct domain *d, const char *name, int timeout_ms,
                   char **ret, struct error *err)
{
    int found = get_xml(d, name, XML_SIZES, timeout_ms, ret, err);

    return found == 0 ? no_such(d, name, err) : MIN_OF(found, 0);
}

int checkpoint_size(struct domain *d, const char *name, const char *target,
                    uint64_t *ret_bytes, struct error *err)
{
    _cleanup_free_ char *text = NULL;

    if (checkpoint_xml(d, name, 0, &text, err) < 0)
        return -1;
    return checkpoint_parse_size(text, target, ret_bytes, err);
}

/* args[0]: name -> text: its XML with the sizes; refuses to leave them out. */
static int sizes_run(struct call *call, virConnectPtr conn maybe_unused,
                     virDomainPtr domain, struct error *err)
{
    _cleanup_(virDomainCheckpointFreep) virDomainCheckpointPtr c =
        virDomainCheckpointLookupByName(domain, call->args[0], 0);

    if (!c && call_error_code() == VIR_ERR_NO_DOMAIN_CHECKPOINT)
        return 0;
    if (!c)
        return call_fail(call, err);
    call->text = virDomainCheckpointGetXMLDesc(c, XML_SIZES);
    if (call->text)
        return 1;
    call_fail(call, err);
    if (virDomainIsActive(domain) == 0)
        return error_set(err, ERR_INPUT, "Cannot %s: it is not running",
                         call_what(call));
    return -1;
}

int checkpoint_changed_size(struct domain *d, const char *name, uint64_t *ret,
                            struct error *err)
{
    _cleanup_(call_freep) struct call *call = call_new(
        domain_session(d), d, sizes_run, "get the size of a checkpoint");
    int found = 0;

    call_arg(call, 0, name);
    found = call_wait(call, CALL_ASK, 0, err);
    if (found < 0)
        return error_prefix(err, "checkpoint '%s'", name);
    if (found == 0)
        return no_such(d, name, err);
    return checkpoint_parse_sizes(call->text, ret, err);
}

/* ---- changing ---- */

/* Does the error say that the bitmap is gone or broken? */
static bool bitmap_is_bad(int code)
{
    return code == VIR_ERR_CHECKPOINT_INCONSISTENT;
}

/* args[0]: XML; flags: of the creation.  1, or 0 and the reason in text. */
static int create_run(struct call *call, virConnectPtr conn maybe_unused,
                      virDomainPtr domain, struct error *err)
{
    _cleanup_(virDomainCheckpointFreep) virDomainCheckpointPtr c =
        virDomainCheckpointCreateXML(domain, call->args[0], call->flags);

    if (c)
        return 1;
    if (!bitmap_is_bad(call_error_code()))
        return call_fail(call, err);
    call->text = call_error_message();
    return call->text ? 0 : error_memory(err);
}

int checkpoint_redefine(struct domain *d, const char *xml, bool validate,
                        char **ret_why, struct error *err)
{
    _cleanup_(checkpoint_free) struct checkpoint c = {0};
    _cleanup_(call_freep) struct call *call = NULL;
    unsigned flags = VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE;
    int done = 0;

    if (checkpoint_parse(xml, &c, err) < 0)
        return -1;
    call = call_new(domain_session(d), d, create_run, "redefine a checkpoint");
    call_arg(call, 0, xml);
    if (validate)
        flags |= VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE;
    call_flags(call, flags);
    done = call_wait(call, CALL_CHANGE, 0, err);
    if (done < 0)
        return error_prefix(err, "checkpoint '%s'", c.name);
    if (done == 0 && ret_why)
        *ret_why = take(call->text);
    return done;
}

int checkpoint_validate(struct domain *d, const char *name, char **ret_why,
                        struct error *err)
{
    _cleanup_free_ char *xml = NULL;
    int found = get_xml(d, name, XML_PLAIN, 0, &xml, err);

    if (found <= 0)
        return found < 0 ? -1 : no_such(d, name, err);
    return checkpoint_redefine(d, xml, true, ret_why, err);
}

/* args[0]: name, args[1]: description it must have, or NULL; flags: of the
 * deletion.  1 = deleted, 0 = none.
 */
static int delete_run(struct call *call, virConnectPtr conn maybe_unused,
                      virDomainPtr domain, struct error *err)
{
    _cleanup_(virDomainCheckpointFreep) virDomainCheckpointPtr c =
        virDomainCheckpointLookupByName(domain, call->args[0], 0);
    _cleanup_(checkpoint_free) struct checkpoint found = {0};
    _cleanup_free_ char *xml = NULL;

    if (!c && call_error_code() == VIR_ERR_NO_DOMAIN_CHECKPOINT)
        return 0;
    if (!c)
        return call_fail(call, err);
    if (call->args[1]) {
        xml = virDomainCheckpointGetXMLDesc(c, XML_PLAIN);
        if (!xml)
            return call_fail(call, err);
        if (checkpoint_parse(xml, &found, err) < 0)
            return -1;
        if (strcmp(found.description, call->args[1]) != 0)
            return 0;
    }
    return virDomainCheckpointDelete(c, call->flags) < 0 ? call_fail(call, err)
                                                         : 1;
}

static int remove_one(struct domain *d, const char *name,
                      const char *description, unsigned flags,
                      enum call_kind kind, struct error *err)
{
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, delete_run, "delete a checkpoint");
    int done = 0;

    call_arg(call, 0, name);
    call_arg(call, 1, description);
    call_flags(call, flags);
    done = call_wait(call, kind, 0, err);
    return done < 0 ? error_prefix(err, "checkpoint '%s'", name) : done;
}

int checkpoint_delete(struct domain *d, const char *name, bool metadata_only,
                      struct error *err)
{
    return remove_one(d, name, NULL,
                      metadata_only ? VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY
                                    : 0,
                      CALL_CHANGE, err);
}

int checkpoint_delete_own(struct domain *d, const char *name,
                          const char *description, struct error *err)
{
    _cleanup_error_ struct error first = ERROR_INIT;
    _cleanup_error_ struct error other = ERROR_INIT;
    int r = remove_one(d, name, description, 0, CALL_UNDO, &first);

    if (r >= 0)
        return r;
    /* A guest that was killed has lost the bitmap: there is nothing to merge,
     * and libvirt can only forget the checkpoint. */
    if (first.kind == ERR_LIBVIRT &&
        checkpoint_validate(d, name, NULL, &other) == 0)
        return remove_one(d, name, description,
                          VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY, CALL_UNDO,
                          err);
    error_move(err, &first);
    return -1;
}

static bool is_named(const char *name, const char *const *names, size_t count,
                     size_t *ret_index)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

/* Delete one; if its bitmap is bad, let libvirt forget it.  1 = forced. */
static int delete_somehow(struct domain *d, const char *name, struct error *err)
{
    _cleanup_error_ struct error first = ERROR_INIT;
    _cleanup_error_ struct error other = ERROR_INIT;
    int valid = 0;

    if (checkpoint_delete(d, name, false, &first) >= 0)
        return 0;
    if (first.kind == ERR_LIBVIRT)
        valid = checkpoint_validate(d, name, NULL, &other);
    if (first.kind != ERR_LIBVIRT || valid != 0) {
        error_move(err, &first);
        return -1;
    }
    return checkpoint_delete(d, name, true, err) < 0 ? -1 : 1;
}

int checkpoint_delete_many(struct domain *d, const char *const *names,
                           size_t count, bool *ret_forced, struct error *err)
{
    _cleanup_(checkpoint_list_free) struct checkpoint_list list = {0};

    if (checkpoint_list(d, &list, err) < 0)
        return -1;
    if (ret_forced)
        memset(ret_forced, 0, count * sizeof(*ret_forced));
    /* libvirt lists parents first. */
    for (size_t i = list.count; i > 0; i--) {
        const char *name = list.items[i - 1].name;
        size_t index = 0;
        int forced = 0;

        if (!is_named(name, names, count, &index))
            continue;
        forced = delete_somehow(d, name, err);
        if (forced < 0)
            return -1;
        if (ret_forced)
            ret_forced[index] = forced > 0;
    }
    return 0;
}

int checkpoint_purge(struct domain *d, const char *name, const char *target,
                     struct error *err)
{
    _cleanup_free_ char *xml = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;

    if (checkpoint_stray_xml(name, target, &xml, err) < 0)
        return -1;
    if (checkpoint_redefine(d, xml, false, NULL, &why) <= 0) {
        if (why.kind == ERR_LIBVIRT || why.kind == ERR_NONE)
            return 0;
        error_move(err, &why);
        return -1;
    }
    if (checkpoint_delete(d, name, false, &why) > 0)
        return 1;
    /* There was no bitmap: only the definition has to go again. */
    return checkpoint_delete(d, name, true, err) < 0 ? -1 : 0;
}
