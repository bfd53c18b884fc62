/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.c - see disk.h; knows virt/xml */
#include "virt/disk.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "virt/xml.h"

#define DISKS_MAX 1024
#define TARGET_MAX 64

static void disk_free(struct domain_disk *disk)
{
    free(disk->target);
    free(disk->source);
    free(disk->format);
    free(disk->device);
    free(disk->type);
    free(disk->serial);
    free(disk->pool);
    free(disk->volume);
    free(disk->skip);
    *disk = (struct domain_disk){0};
}

void disk_list_free(struct domain_disk_list *list)
{
    vec_foreach (disk, list)
        disk_free(disk);
    vec_free(list);
}

struct domain_disk *disk_list_find(const struct domain_disk_list *list,
                                   const char *target)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].target, target) == 0)
            return &list->items[i];
    return NULL;
}

/* Targets become parts of file names. */
static bool target_is_plain(const char *target)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t length = strlen(target);

    return length > 0 && length <= TARGET_MAX && target[0] != '-' &&
           strspn(target, good) == length;
}

/* The reason not to back this disk up, or NULL; a static text. */
static const char *reason(const struct domain_disk *disk, const char *type,
                          enum disk_skip *kind, bool *raw)
{
    bool local = strcmp(type, "file") == 0 || strcmp(type, "block") == 0;

    *raw = false;
    *kind = DISK_SKIP_INFO;
    if (strcmp(disk->device, "cdrom") == 0)
        return "it is a CD-ROM drive";
    if (strcmp(disk->device, "floppy") == 0)
        return "it is a floppy drive";
    *kind = DISK_SKIP_ERROR;
    if (strcmp(type, "network") == 0)
        return "it is a network disk, which cannot be backed up";
    if (strcmp(type, "volume") != 0 && !local)
        return "disks of its type cannot be backed up";
    if (disk->empty)
        return "the domain's XML names no source for it";
    *kind = DISK_SKIP_WARNING;
    *raw = true;
    if (strcmp(disk->device, "lun") == 0)
        return "it is a LUN that is passed through to the guest; --raw saves "
               "it whole";
    if (strcmp(disk->format, "raw") == 0)
        return "it is a raw disk, which has no dirty bitmaps; --raw saves it "
               "whole";
    *raw = false;
    *kind = DISK_SKIP_ERROR;
    if (strcmp(disk->device, "disk") != 0)
        return "devices of its kind cannot be backed up";
    *kind = DISK_TAKEN;
    return NULL;
}

int disk_judge(struct domain_disk *disk, const char *type, struct error *err)
{
    enum disk_skip kind = DISK_TAKEN;
    bool raw = false;
    const char *why = reason(disk, type, &kind, &raw);
    char *copy = NULL;

    if (why) {
        copy = strdup(why);
        if (!copy)
            return error_memory(err);
    }
    free(disk->skip);
    disk->skip = copy;
    disk->skip_kind = kind;
    disk->raw = raw;
    return 0;
}

/* A copy of an attribute or text; `*ret` stays NULL if there is none. */
static int copy_text(const char *text, char **ret, struct error *err)
{
    if (!text)
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : error_memory(err);
}

/* Where libvirt puts the source, by type of disk. */
static int read_source(const struct xml_node *node, struct domain_disk *disk,
                       struct error *err)
{
    const struct xml_node *source = xml_child(node, "source");
    const char *path = NULL;

    if (strcmp(disk->type, "file") == 0)
        path = xml_attr(source, "file");
    else if (strcmp(disk->type, "block") == 0)
        path = xml_attr(source, "dev");
    if (path && path[0] && copy_text(path, &disk->source, err) < 0)
        return -1;
    if (copy_text(xml_attr(source, "pool"), &disk->pool, err) < 0 ||
        copy_text(xml_attr(source, "volume"), &disk->volume, err) < 0)
        return -1;
    if (strcmp(disk->type, "volume") == 0)
        disk->empty = !disk->pool || !disk->volume;
    else if (strcmp(disk->type, "file") == 0 ||
             strcmp(disk->type, "block") == 0)
        disk->empty = !disk->source;
    return 0;
}

static int read_disk(const struct xml_node *node, struct domain_disk *disk,
                     struct error *err)
{
    const char *target = xml_attr(xml_child(node, "target"), "dev");
    const char *device = xml_attr(node, "device");
    const char *type = xml_attr(node, "type");
    const char *format = xml_attr(xml_child(node, "driver"), "type");

    if (!target || !target_is_plain(target))
        return error_set(err, ERR_INPUT,
                         "The domain's XML has a disk whose target is missing "
                         "or no plain name");
    if (copy_text(target, &disk->target, err) < 0 ||
        copy_text(device ? device : "disk", &disk->device, err) < 0 ||
        copy_text(type ? type : "file", &disk->type, err) < 0 ||
        copy_text(format ? format : "raw", &disk->format, err) < 0 ||
        copy_text(xml_content(xml_child(node, "serial")), &disk->serial, err) <
            0)
        return -1;
    disk->readonly = xml_child(node, "readonly") != NULL;
    if (read_source(node, disk, err) < 0)
        return -1;
    return disk_judge(disk, disk->type, err);
}

int disk_list_parse(const char *xml, struct domain_disk_list *ret,
                    struct error *err)
{
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *node = NULL;

    if (xml_parse_as(xml, "The domain's XML", "domain", &x, err) < 0)
        return -1;
    node = xml_child(xml_child(xml_root(x), "devices"), "disk");
    for (; node; node = xml_next(node, "disk")) {
        struct domain_disk *disk = NULL;

        if (list.count == DISKS_MAX)
            return error_set(err, ERR_INPUT, "The domain has over %d disks",
                             DISKS_MAX);
        if (vec_push(&list, (struct domain_disk){0}) < 0)
            return error_memory(err);
        disk = vec_last(&list);
        if (read_disk(node, disk, err) < 0)
            return -1;
        if (disk_list_find(&list, disk->target) != disk)
            return error_set(err, ERR_INPUT,
                             "The domain's XML has two disks '%s'",
                             disk->target);
    }
    *ret = list;
    list = (struct domain_disk_list){0};
    return 0;
}

/* A user ("+107", "107", "libvirt-qemu") to its number: 1, or 0 if unknown. */
static int user_number(const char *name, uid_t *ret)
{
    char buffer[4096];
    struct passwd entry, *found = NULL;
    uint64_t number = 0;

    if (text_u64(name + (name[0] == '+'), &number) == 0) {
        if (number >= UINT32_MAX)
            return 0;
        *ret = (uid_t)number;
        return 1;
    }
    if (name[0] == '+' ||
        getpwnam_r(name, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
        return 0;
    *ret = entry.pw_uid;
    return 1;
}

static int group_number(const char *name, gid_t *ret)
{
    char buffer[16384];
    struct group entry, *found = NULL;
    uint64_t number = 0;

    if (text_u64(name + (name[0] == '+'), &number) == 0) {
        if (number >= UINT32_MAX)
            return 0;
        *ret = (gid_t)number;
        return 1;
    }
    if (name[0] == '+' ||
        getgrnam_r(name, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
        return 0;
    *ret = entry.gr_gid;
    return 1;
}

int disk_owner_parse(const char *xml, uid_t *ret_uid, gid_t *ret_gid,
                     struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *node = NULL;

    if (xml_parse_as(xml, "The domain's XML", "domain", &x, err) < 0)
        return -1;
    node = xml_child(xml_root(x), "seclabel");
    for (; node; node = xml_next(node, "seclabel")) {
        const char *model = xml_attr(node, "model");
        const char *label = xml_content(xml_child(node, "label"));
        const char *colon = label ? strchr(label, ':') : NULL;
        _cleanup_free_ char *user = NULL;
        uid_t uid = 0;
        gid_t gid = 0;

        if (!model || strcmp(model, "dac") != 0 || !colon)
            continue;
        user = strndup(label, (size_t)(colon - label));
        if (!user)
            return error_memory(err);
        if (!user_number(user, &uid) || !group_number(colon + 1, &gid))
            return error_set(err, ERR_INPUT,
                             "The domain's XML has a DAC label for an unknown "
                             "user, '%.80s'",
                             label);
        *ret_uid = uid;
        *ret_gid = gid;
        return 1;
    }
    return 0;
}
