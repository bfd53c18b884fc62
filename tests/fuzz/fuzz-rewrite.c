/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-rewrite.c - any configuration, rewritten for a copy of the guest
 *
 * Promises: it is refused, or the copy has the name and the UUID that it was to
 * have, and writes to no disk but those it was given; to rewrite the copy once
 * more changes nothing, and what was suspicious still is.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fuzz.h"
#include "virt/disk.h"
#include "virt/rewrite.h"
#include "virt/xml.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static const struct rewrite_disk disks[] = {
    {"vda", "/r/a.qcow2", "qcow2", false},
    {"vdb", "/dev/vg/b", "raw", true},
};

static const struct rewrite how = {
    .name = "copy",
    .uuid = UUID,
    .disks = disks,
    .disk_count = 2,
    .nvram = "/r/nvram",
};

static size_t count_trust(const struct rewrite_notes *notes)
{
    size_t count = 0;

    for (size_t i = 0; i < notes->count; i++)
        count += notes->items[i].kind == REWRITE_TRUST;
    return count;
}

static void check_disks(const char *xml)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};

    PROMISE(disk_list_parse(xml, &list, &err) == 0);
    for (size_t i = 0; i < list.count; i++) {
        const struct domain_disk *d = &list.items[i];
        bool first = strcmp(d->target, "vda") == 0;

        PROMISE(first || strcmp(d->target, "vdb") == 0);
        PROMISE(strcmp(d->source, disks[first ? 0 : 1].path) == 0);
        PROMISE(strcmp(d->device, "disk") == 0);
    }
}

/* Nothing else in a disk leads anywhere. */
static void check_sources(const struct xml *x)
{
    const struct xml_node *disk =
        xml_child(xml_child(xml_root(x), "devices"), "disk");

    for (; disk; disk = xml_next(disk, "disk")) {
        const struct xml_node *source = xml_child(disk, "source");

        PROMISE(!xml_next(source, "source") && !xml_first(source));
        PROMISE(!xml_attr_next(xml_attr_first(source)));
        PROMISE(!xml_child(disk, "backingStore") && !xml_child(disk, "mirror"));
    }
}

static void check_identity(const char *xml)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(xml_freep) struct xml *x = NULL;

    PROMISE(xml_parse(xml, "the copy", &x, &err) == 0);
    PROMISE(strcmp(xml_content(xml_child(xml_root(x), "name")), "copy") == 0);
    PROMISE(strcmp(xml_content(xml_child(xml_root(x), "uuid")), UUID) == 0);
    PROMISE(!xml_attr(xml_root(x), "id"));
    check_sources(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(rewrite_notes_free) struct rewrite_notes notes = {0};
    _cleanup_(rewrite_notes_free) struct rewrite_notes more = {0};
    _cleanup_free_ char *xml = strndup((const char *)data, size);
    _cleanup_free_ char *copy = NULL;
    _cleanup_free_ char *again = NULL;

    if (!xml || domain_rewrite(xml, &how, &copy, &notes, &err) < 0)
        return 0;
    check_disks(copy);
    check_identity(copy);
    PROMISE(domain_rewrite(copy, &how, &again, &more, &err) == 0);
    PROMISE(strcmp(copy, again) == 0);
    PROMISE(count_trust(&notes) == count_trust(&more));
    return 0;
}
