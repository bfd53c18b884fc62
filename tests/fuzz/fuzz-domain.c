/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-domain.c - any text as the configuration of a domain
 *
 * What is found in it keeps the promises of disk.h and boot.h; to write the
 * tree and read it again changes nothing.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "base/cleanup.h"
#include "set/name.h"
#include "virt/boot.h"
#include "virt/disk.h"
#include "virt/xml.h"

#include "fuzz.h"

static void check_disks(const struct domain_disk_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct domain_disk *d = &list->items[i];

        PROMISE(name_is_safe(d->target));
        PROMISE(d->format && d->device && d->type);
        PROMISE((d->skip == NULL) == (d->skip_kind == DISK_TAKEN));
        PROMISE(disk_list_find(list, d->target) == d);
    }
}

static void check_boot(const struct boot_file_list *list)
{
    PROMISE(list->count <= 4);
    for (size_t i = 0; i < list->count; i++)
        PROMISE(list->items[i].role && list->items[i].path[0] == '/');
}

static void check_again(const char *xml)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_(xml_freep) struct xml *y = NULL;
    _cleanup_free_ char *once = NULL;
    _cleanup_free_ char *twice = NULL;

    PROMISE(xml_parse(xml, "it", &x, &err) == 0);
    xml_strip(x);
    PROMISE(xml_write(x, &once, &err) == 0);
    PROMISE(xml_parse(once, "it", &y, &err) == 0);
    xml_strip(y);
    PROMISE(xml_write(y, &twice, &err) == 0);
    PROMISE(strcmp(once, twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(disk_list_free) struct domain_disk_list disks = {0};
    _cleanup_(boot_files_free) struct boot_file_list boot = {0};
    _cleanup_free_ char *xml = strndup((const char *)data, size);
    uid_t uid = 0;
    gid_t gid = 0;
    int tpm;

    if (!xml)
        return 0;
    tpm = domain_xml_has_tpm(xml, &err);
    if (tpm < 0) { /* no XML, or not of a domain; then so say the others */
        PROMISE(err.kind == ERR_INPUT);
        PROMISE(size > 64 || disk_list_parse(xml, &disks, NULL) < 0);
        return 0;
    }
    if (disk_list_parse(xml, &disks, &err) == 0)
        check_disks(&disks);
    else
        PROMISE(err.kind == ERR_INPUT);
    PROMISE(boot_files_parse(xml, &boot, NULL) == 0);
    check_boot(&boot);
    error_clear(&err);
    if (disk_owner_parse(xml, &uid, &gid, &err) < 0)
        PROMISE(err.kind == ERR_INPUT);
    check_again(xml);
    return 0;
}
