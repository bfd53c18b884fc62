/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot.c - see snapshot.h; knows libvirt through virt/call, and virt/xml */
#include "virt/snapshot.h"

#include <string.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "virt/call.h"
#include "virt/xml.h"

void domain_snapshots_free(struct domain_snapshot_list *list)
{
    vec_foreach (s, list)
        free(s->name);
    vec_free(list);
}

static void free_snapshots(virDomainSnapshotPtr *all, int count)
{
    for (int i = 0; i < count; i++)
        virDomainSnapshotFree(all[i]);
    free(all);
}

/* texts: the XML of each. */
static int list_run(struct call *call, virConnectPtr conn maybe_unused,
                    virDomainPtr domain, struct error *err)
{
    virDomainSnapshotPtr *all = NULL;
    int count = virDomainListAllSnapshots(domain, &all,
                                          VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL);
    int result = 0;

    if (count < 0)
        return call_fail(call, err);
    call->texts = calloc((size_t)count + 1, sizeof(*call->texts));
    if (!call->texts)
        result = error_memory(err);
    for (int i = 0; i < count && result == 0; i++) {
        char *xml = virDomainSnapshotGetXMLDesc(all[i], 0);

        if (xml)
            call->texts[call->text_count++] = xml;
        else if (call_error_code() != VIR_ERR_NO_DOMAIN_SNAPSHOT)
            result = call_fail(call, err);
    }
    free_snapshots(all, count);
    return result;
}

static bool is_external(const struct xml_node *node)
{
    const char *where = xml_attr(node, "snapshot");

    return where && strcmp(where, "external") == 0;
}

static int add_snapshot(const char *text, struct domain_snapshot_list *list,
                        struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *root = NULL, *disk = NULL;
    struct domain_snapshot s = {0};
    const char *name = NULL;

    if (xml_parse_as(text, "The snapshot's XML", "domainsnapshot", &x, err) < 0)
        return -1;
    root = xml_root(x);
    name = xml_content(xml_child(root, "name"));
    if (!name || !name[0])
        return error_set(err, ERR_INPUT, "The snapshot's XML has no name");
    s.external = is_external(xml_child(root, "memory"));
    disk = xml_child(xml_child(root, "disks"), "disk");
    for (; disk; disk = xml_next(disk, "disk"))
        s.external = s.external || is_external(disk);
    s.name = strdup(name);
    if (!s.name)
        return error_memory(err);
    if (vec_push(list, s) < 0) {
        free(s.name);
        return error_memory(err);
    }
    return 0;
}

int domain_snapshots(struct domain *d, struct domain_snapshot_list *ret,
                     struct error *err)
{
    _cleanup_(domain_snapshots_free) struct domain_snapshot_list list = {0};
    _cleanup_(call_freep) struct call *call =
        call_new(domain_session(d), d, list_run, "list the snapshots");

    if (call_wait(call, CALL_ASK, 0, err) < 0)
        return -1;
    for (size_t i = 0; i < call->text_count; i++)
        if (add_snapshot(call->texts[i], &list, err) < 0)
            return -1;
    *ret = list;
    list = (struct domain_snapshot_list){0};
    return 0;
}
