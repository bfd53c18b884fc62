/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot.c - see boot.h; knows virt/xml */
#include "virt/boot.h"

#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/vec.h"
#include "virt/xml.h"

static const char *const roles[] = {"loader", "nvram", "kernel", "initrd"};

void boot_files_free(struct boot_file_list *list)
{
    vec_foreach (file, list)
        free(file->path);
    vec_free(list);
    free(take(list->note));
}

/* The path in an element of <os>: its text, or what a <source> within names;
 * NULL if it names none on this host.
 */
static const char *path_of(const struct xml_node *node)
{
    const struct xml_node *source = xml_child(node, "source");
    const char *type = xml_attr(node, "type");
    const char *path = NULL;

    if (!source)
        path = xml_content(node);
    else if (!type || strcmp(type, "file") == 0)
        path = xml_attr(source, "file");
    else if (strcmp(type, "block") == 0)
        path = xml_attr(source, "dev");
    return path && path[0] ? path : NULL;
}

/* Say, after what was said of others, that a file is left out. */
static int leave_out(const char *role, const char *path,
                     struct boot_file_list *list, struct error *err)
{
    char *note = text_dup_printf(
        "%s%sthe %s '%.200s' is no absolute path and is left out",
        list->note ? list->note : "", list->note ? "; " : "", role, path);

    if (!note)
        return error_memory(err);
    free(list->note);
    list->note = note;
    return 0;
}

static int add_file(const char *role, const char *path,
                    struct boot_file_list *list, struct error *err)
{
    char *copy = NULL;

    if (path[0] != '/' || strlen(path) >= PATH_MAX)
        return leave_out(role, path, list, err);
    copy = strdup(path);
    if (!copy)
        return error_memory(err);
    if (vec_push(list, (struct boot_file){role, copy}) < 0) {
        free(copy);
        return error_memory(err);
    }
    return 0;
}

int boot_files_parse(const char *xml, struct boot_file_list *ret,
                     struct error *err)
{
    _cleanup_(boot_files_free) struct boot_file_list list = {0};
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *os = NULL;

    if (xml_parse_as(xml, "The domain's XML", "domain", &x, err) < 0)
        return -1;
    os = xml_child(xml_root(x), "os");
    for (size_t i = 0; i < array_size(roles); i++) {
        const char *path = path_of(xml_child(os, roles[i]));

        if (path && add_file(roles[i], path, &list, err) < 0)
            return -1;
    }
    *ret = list;
    list = (struct boot_file_list){0};
    return 0;
}

int domain_xml_has_tpm(const char *xml, struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *tpm = NULL;

    if (xml_parse_as(xml, "The domain's XML", "domain", &x, err) < 0)
        return -1;
    tpm = xml_child(xml_child(xml_root(x), "devices"), "tpm");
    for (; tpm; tpm = xml_next(tpm, "tpm")) {
        const char *type = xml_attr(xml_child(tpm, "backend"), "type");

        if (type && strcmp(type, "emulator") == 0)
            return 1;
    }
    return 0;
}
