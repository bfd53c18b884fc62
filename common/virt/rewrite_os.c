/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rewrite_os.c - what the guest boots from, see rewrite.h */
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "virt/rewrite_private.h"

/* The path in an element: libvirt knows two ways to write it. */
static const char *path_of(const struct xml_node *node)
{
    const struct xml_node *source = xml_child(node, "source");
    const char *path = source ? xml_attr(source, "file") : xml_content(node);

    return path && path[0] ? path : NULL;
}

/* A path instead of whatever source there was. */
static void set_path(struct rewriting *r, struct xml_node *node,
                     const char *path)
{
    xml_unset(node, "type");
    xml_set_content(r->xml, node, path);
}

static void rewrite_nvram(struct rewriting *r, struct xml_node *nvram)
{
    if (r->how->nvram) {
        set_path(r, nvram, r->how->nvram);
        return;
    }
    rewrite_note(r, REWRITE_MISSING,
                 "the UEFI variables (NVRAM) are not in the backup: the guest "
                 "starts with new ones, which may not know how to boot it");
    set_path(r, nvram, "");
}

/* A loader of this host's has a template for NVRAM that libvirt knows; a copy
 * of it has none.
 */
static bool needs_known_loader(const struct rewriting *r,
                               const struct xml_node *nvram)
{
    return nvram && !r->how->nvram && !xml_attr(nvram, "template");
}

static void rewrite_loader(struct rewriting *r, struct xml_node *os)
{
    struct xml_node *loader = xml_child(os, "loader");
    struct xml_node *nvram = xml_child(os, "nvram");

    if (loader && r->how->loader && !needs_known_loader(r, nvram))
        /* Not set_path: the type of a loader is that of the flash. */
        xml_set_content(r->xml, loader, r->how->loader);
    if (nvram)
        rewrite_nvram(r, nvram);
    else if (xml_attr(os, "firmware"))
        rewrite_note(r, REWRITE_MISSING,
                     "libvirt chooses the firmware of the guest, and makes it "
                     "new UEFI variables (NVRAM)");
    if (path_of(loader)) {
        /* What was chosen once must not be chosen again. */
        xml_unset(os, "firmware");
        rewrite_drop(os, "firmware");
    }
}

static void rewrite_direct(struct rewriting *r, struct xml_node *os,
                           const char *name, const char *path)
{
    struct xml_node *node = xml_child(os, name);

    if (!node)
        return;
    if (path)
        xml_set_content(r->xml, node, path);
    else
        rewrite_note(r, REWRITE_MISSING,
                     "the %s '%.200s' is not in the backup: that of this host "
                     "is used, if there is one",
                     name, path_of(node) ? path_of(node) : "");
}

void rewrite_os(struct rewriting *r, struct xml_node *os)
{
    if (!os)
        return;
    rewrite_loader(r, os);
    rewrite_direct(r, os, "kernel", r->how->kernel);
    rewrite_direct(r, os, "initrd", r->how->initrd);
}

/* ---- the original ---- */

static bool copy_path(const struct xml_node *os, const char *name, char **ret)
{
    const char *path = path_of(xml_child(os, name));

    if (!path)
        return true;
    *ret = strdup(path);
    return *ret != NULL;
}

/* A backing store that is not the end of the chain. */
static bool has_backing(const struct xml_node *domain)
{
    const struct xml_node *disk =
        xml_child(xml_child(domain, "devices"), "disk");

    for (; disk; disk = xml_next(disk, "disk"))
        if (xml_child(xml_child(disk, "backingStore"), "source"))
            return true;
    return false;
}

int rewrite_origin_parse(const char *xml, struct rewrite_origin *ret,
                         struct error *err)
{
    _cleanup_(rewrite_origin_free) struct rewrite_origin origin = {0};
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *domain = NULL, *os = NULL;
    const char *name = NULL;

    if (xml_parse(xml, "The domain's XML", &x, err) < 0)
        return -1;
    xml_strip(x);
    domain = xml_root(x);
    os = xml_child(domain, "os");
    name = xml_content(xml_child(domain, "name"));
    if (strcmp(xml_name(domain), "domain") != 0 || !name || !name[0])
        return error_set(err, ERR_INPUT, "The domain's XML names no domain");
    origin.name = strdup(name);
    if (!origin.name || !copy_path(os, "loader", &origin.loader) ||
        !copy_path(os, "nvram", &origin.nvram) ||
        !copy_path(os, "kernel", &origin.kernel) ||
        !copy_path(os, "initrd", &origin.initrd))
        return error_memory(err);
    origin.has_backing = has_backing(domain);
    *ret = origin;
    origin = (struct rewrite_origin){0};
    return 0;
}

void rewrite_origin_free(struct rewrite_origin *origin)
{
    free(origin->name);
    free(origin->loader);
    free(origin->nvram);
    free(origin->kernel);
    free(origin->initrd);
    *origin = (struct rewrite_origin){0};
}
