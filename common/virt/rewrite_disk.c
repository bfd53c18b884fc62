/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rewrite_disk.c - the disks of the copy, see rewrite.h
 *
 * What is known to be good stays, everything else goes: a part that only a
 * newer libvirt knows could name a second place to read from or write to.
 */
#include <string.h>

#include "base/macro.h"
#include "virt/rewrite_private.h"

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

static const struct rewrite_disk *find(const struct rewrite *how,
                                       const char *target)
{
    for (size_t i = 0; i < how->disk_count; i++)
        if (strcmp(how->disks[i].target, target) == 0)
            return &how->disks[i];
    return NULL;
}

/* Remove the attributes that are not in the list. */
static void keep_attributes(struct xml_node *node, const char *const *list,
                            size_t count)
{
    const struct xml_attribute *next = NULL;

    for (const struct xml_attribute *a = xml_attr_first(node); a; a = next) {
        next = xml_attr_next(a);
        if (!is_one_of(xml_attr_name(a), list, count))
            xml_unset(node, xml_attr_name(a));
    }
}

/* Remove the elements that are not in the list, and second ones. */
static void keep_elements(struct xml_node *node, const char *const *list,
                          size_t count)
{
    struct xml_node *next = NULL;

    for (struct xml_node *c = xml_first(node); c; c = next) {
        next = xml_following(c);
        if (!is_one_of(xml_name(c), list, count) ||
            xml_child(node, xml_name(c)) != c)
            xml_remove(c);
    }
}

static void rewrite_driver(struct rewriting *r, struct xml_node *disk,
                           const char *format)
{
    static const char *const attributes[] = {
        "name",
        "type",
        "cache",
        "error_policy",
        "rerror_policy",
        "io",
        "ioeventfd",
        "event_idx",
        "copy_on_read",
        "discard",
        "iothread",
        "detect_zeroes",
        "queues",
        "queue_size",
        "iommu",
        "ats",
        "packed",
        "page_per_vq",
        "discard_no_unref",
    };
    static const char *const elements[] = {"metadata_cache", "iothreads",
                                           "statistics"};
    struct xml_node *driver = xml_child(disk, "driver");

    if (!driver)
        driver = xml_add(r->xml, disk, "driver", NULL);
    if (!driver)
        return; /* told by xml_write */
    keep_attributes(driver, attributes, array_size(attributes));
    keep_elements(driver, elements, array_size(elements));
    xml_set(r->xml, driver, "name", "qemu");
    xml_set(r->xml, driver, "type", format);
    if (strcmp(format, "qcow2") != 0) {
        xml_unset(driver, "discard_no_unref");
        rewrite_drop(driver, "metadata_cache");
    }
}

static void rewrite_source(struct rewriting *r, struct xml_node *disk,
                           const struct rewrite_disk *wanted)
{
    struct xml_node *source = xml_child(disk, "source");

    if (source)
        xml_clear(source);
    else
        source = xml_add(r->xml, disk, "source", NULL);
    xml_set(r->xml, source, wanted->is_device ? "dev" : "file", wanted->path);
    xml_set(r->xml, disk, "type", wanted->is_device ? "block" : "file");
}

static void rewrite_disk(struct rewriting *r, struct xml_node *disk,
                         const struct rewrite_disk *wanted)
{
    static const char *const attributes[] = {"type", "device", "model",
                                             "snapshot"};
    static const char *const elements[] = {
        "driver",  "source",   "target",   "iotune",    "throttlefilters",
        "serial",  "wwn",      "vendor",   "product",   "boot",
        "alias",   "address",  "readonly", "shareable", "transient",
        "blockio", "geometry",
    };

    if (xml_child(disk, "encryption") ||
        xml_child(xml_child(disk, "source"), "encryption"))
        rewrite_note(r, REWRITE_MISSING,
                     "disk %s was encrypted: the backup holds what the guest "
                     "saw, and the restored image is not encrypted",
                     wanted->target);
    if (rewrite_attr_is(disk, "device", "lun"))
        rewrite_note(r, REWRITE_CHANGED,
                     "disk %s was a LUN passed through, and is a disk now",
                     wanted->target);
    if (xml_child(disk, "shareable") && strcmp(wanted->format, "raw") != 0) {
        rewrite_note(r, REWRITE_CHANGED,
                     "disk %s is not shareable any more: only raw images are",
                     wanted->target);
        rewrite_drop(disk, "shareable");
    }
    keep_attributes(disk, attributes, array_size(attributes));
    keep_elements(disk, elements, array_size(elements));
    xml_set(r->xml, disk, "device", "disk");
    rewrite_driver(r, disk, wanted->format);
    rewrite_source(r, disk, wanted);
}

static void leave_out(struct rewriting *r, struct xml_node *disk,
                      const char *target)
{
    if (rewrite_attr_is(disk, "device", "cdrom") ||
        rewrite_attr_is(disk, "device", "floppy"))
        rewrite_note(r, REWRITE_CHANGED, "the %s drive %s is left out",
                     xml_attr(disk, "device"), target);
    else
        rewrite_note(r, REWRITE_MISSING,
                     "disk %s is not restored, so it is left out", target);
    xml_remove(disk);
}

static const char *target_of(const struct xml_node *disk)
{
    return xml_attr(xml_child(disk, "target"), "dev");
}

/* Name the restored disks that the configuration does not know. */
static void look_for_all(struct rewriting *r, const struct xml_node *devices)
{
    for (size_t i = 0; i < r->how->disk_count; i++) {
        const char *wanted = r->how->disks[i].target;
        const struct xml_node *disk = xml_child(devices, "disk");

        while (disk && strcmp(target_of(disk), wanted) != 0)
            disk = xml_next(disk, "disk");
        if (!disk)
            rewrite_note(r, REWRITE_MISSING,
                         "disk %s is restored, but the configuration has no "
                         "such disk",
                         wanted);
    }
}

void rewrite_disks(struct rewriting *r, struct xml_node *devices)
{
    struct xml_node *next = NULL;

    for (struct xml_node *disk = xml_child(devices, "disk"); disk;
         disk = next) {
        const char *target = target_of(disk);
        const struct rewrite_disk *wanted = find(r->how, target);

        next = xml_next(disk, "disk");
        if (wanted)
            rewrite_disk(r, disk, wanted);
        else
            leave_out(r, disk, target);
    }
    look_for_all(r, devices);
}
