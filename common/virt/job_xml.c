/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job_xml.c - the XML that starts a job, see job.h; knows virt/xml, no libvirt
 */
#include "virt/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "virt/xml.h"

/* libvirt 7.6.0, as virConnectGetLibVersion tells versions. */
#define FIRST_WITH_BACKUPS 7006000

static const char *export_name(const struct job_disk *disk)
{
    return disk->export_name ? disk->export_name : disk->target;
}

char *job_bitmap_context(const struct job_disk *disk)
{
    return text_dup_printf("qemu:dirty-bitmap:backup-%s", export_name(disk));
}

/* The path that the scratch files of a job begin with. */
static char *scratch_front(const struct job_request *request)
{
    return text_dup_printf("%s/%s", request->scratch_dir, request->prefix);
}

char *job_mark(const struct job_request *request)
{
    return request->socket_path ? strdup(request->socket_path)
                                : scratch_front(request);
}

/* QEMU's words; libvirt starts it in the C locale. */
bool job_port_is_taken(const struct error *err)
{
    return err->kind == ERR_LIBVIRT &&
           strstr(error_text(err), "Address already in use");
}

static int add_backup_disk(struct xml *x, struct xml_node *disks,
                           const struct job_request *request,
                           const struct job_disk *disk, struct error *err)
{
    _cleanup_free_ char *front = scratch_front(request);
    _cleanup_free_ char *scratch =
        front ? text_dup_printf("%s.%s", front, disk->target) : NULL;
    _cleanup_free_ char *bitmap =
        text_dup_printf("backup-%s", export_name(disk));
    struct xml_node *node = xml_add(x, disks, "disk", NULL);

    if (!scratch || !bitmap)
        return error_memory(err);
    xml_set(x, node, "name", disk->target);
    xml_set(x, node, "backup", "yes");
    xml_set(x, node, "type", "file");
    xml_set(x, node, "backupmode", disk->incremental ? "incremental" : "full");
    if (disk->incremental)
        xml_set(x, node, "incremental", disk->incremental);
    xml_set(x, node, "exportname", export_name(disk));
    if (disk->incremental)
        xml_set(x, node, "exportbitmap", bitmap);
    xml_set(x, xml_add(x, node, "scratch", NULL), "file", scratch);
    return 0;
}

static void add_server(struct xml *x, const struct job_request *request)
{
    struct xml_node *server = xml_add(x, xml_root(x), "server", NULL);
    char port[8];

    if (request->socket_path) {
        xml_set(x, server, "transport", "unix");
        xml_set(x, server, "socket", request->socket_path);
        return;
    }
    snprintf(port, sizeof(port), "%u", (unsigned)request->tcp_port);
    xml_set(x, server, "transport", "tcp");
    xml_set(x, server, "name", request->tcp_host);
    xml_set(x, server, "port", port);
    if (request->tls)
        xml_set(x, server, "tls", "yes");
}

int job_backup_xml(const struct job_request *request, char **ret,
                   struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = xml_new("domainbackup");
    struct xml_node *disks = NULL;

    if (!x)
        return error_memory(err);
    xml_set(x, xml_root(x), "mode", "pull");
    add_server(x, request);
    disks = xml_add(x, xml_root(x), "disks", NULL);
    for (size_t i = 0; i < request->disk_count; i++)
        if (add_backup_disk(x, disks, request, &request->disks[i], err) < 0)
            return -1;
    return xml_write(x, ret, err);
}

int job_checkpoint_xml(const struct job_request *request, char **ret,
                       struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = xml_new("domaincheckpoint");
    struct xml_node *root = NULL, *disks = NULL;

    if (!x)
        return error_memory(err);
    root = xml_root(x);
    xml_add(x, root, "name", request->checkpoint);
    if (request->description)
        xml_add(x, root, "description", request->description);
    if (request->parent)
        xml_add(x, xml_add(x, root, "parent", NULL), "name", request->parent);
    disks = xml_add(x, root, "disks", NULL);
    for (size_t i = 0; i < request->disk_count; i++) {
        const struct job_disk *disk = &request->disks[i];
        struct xml_node *node = NULL;

        if (disk->no_checkpoint)
            continue;
        node = xml_add(x, disks, "disk", NULL);
        xml_set(x, node, "name", disk->target);
        xml_set(x, node, "checkpoint", "bitmap");
    }
    return xml_write(x, ret, err);
}

/* The element is one of QEMU's name space, which virt/xml does not see; and the
 * text is libvirt's own, which puts its name nowhere else.
 */
bool job_lacks_capability(unsigned long version, const char *domain_xml)
{
    return version < FIRST_WITH_BACKUPS &&
           !strstr(domain_xml, "capability='incremental-backup'") &&
           !strstr(domain_xml, "capability=\"incremental-backup\"");
}
