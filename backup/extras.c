/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extras.c - see extras.h */
#include "extras.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "boot.h"
#include "checkpoints.h"
#include "guest.h"
#include "host/qemu.h"
#include "virt/boot.h"
#include "virt/snapshot.h"

static int write_file(struct run *run, struct manifest *m, const char *name,
                      const char *text, struct error *err)
{
    if (file_replace(run->dirfd, name, text, strlen(text), 0600, err) < 0)
        return -1;
    return manifest_add_file(m, run->dirfd, name, err);
}

static int write_config(struct run *run, struct manifest *m, struct error *err)
{
    _cleanup_free_ char *name = text_dup_printf("vmconfig.%s.xml", run->point);

    if (!name)
        return error_memory(err);
    return write_file(run, m, name, run->xml, err);
}

/* Missing information costs a restore its exact image options, not its data,
 * so it is a warning only.
 */
static int write_info(struct run *run, const struct run_disk *d,
                      struct manifest *m, struct error *err)
{
    _cleanup_free_ char *json = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;

    if (!d->disk->source)
        return 0;
    if (run->unseen) {
        log_info("%s: the image's options cannot be asked for over this "
                 "connection, a restore will use defaults",
                 d->disk->target);
        return 0;
    }
    if (qemu_img_info(run->remote, d->disk->source, &json, &why) < 0) {
        log_warning("%s: the image's options are not saved, a restore will "
                    "use defaults: %s",
                    d->disk->target, error_text(&why));
        return 0;
    }
    return write_file(run, m, d->info_file, json, err);
}

/* A disk without qcow2's options has nothing to be told. */
static bool has_info(const struct run_disk *d)
{
    return strncmp(d->disk->format, "qcow", 4) == 0;
}

int extras_ask(struct run *run, struct error *err)
{
    int autostart = domain_has_autostart(run->domain, err);

    if (autostart < 0)
        return -1;
    run->autostart = autostart > 0;
    return domain_xml(run->domain, &run->xml, err);
}

static char *autostart_name(const struct run *run)
{
    return text_dup_printf("autostart.%s", run->point);
}

static int write_autostart(struct run *run, struct manifest *m,
                           struct error *err)
{
    _cleanup_free_ char *name = autostart_name(run);

    if (!run->autostart)
        return 0;
    return name ? write_file(run, m, name, "True", err) : error_memory(err);
}

int extras_write(struct run *run, struct manifest *m, struct error *err)
{
    if (write_config(run, m, err) < 0 || checkpoints_save(run, m, err) < 0 ||
        write_autostart(run, m, err) < 0 || boot_write(run, m, err) < 0 ||
        guest_write(run, m, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        if (has_info(&run->disks[i]) &&
            write_info(run, &run->disks[i], m, err) < 0)
            return -1;
    return 0;
}

int extras_name(struct run *run, struct intent *in, struct error *err)
{
    _cleanup_free_ char *config =
        text_dup_printf("vmconfig.%s.xml", run->point);
    _cleanup_free_ char *autostart = autostart_name(run);
    _cleanup_free_ char *checkpoint = NULL;

    if (!config || !autostart)
        return error_memory(err);
    if (checkpoints_name(run, &checkpoint, err) < 0 ||
        intent_add_file(in, config, err) < 0 ||
        intent_add_file(in, autostart, err) < 0 ||
        boot_name(run, in, err) < 0 || guest_name(run, in, err) < 0)
        return -1;
    if (checkpoint && intent_add_file(in, checkpoint, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        if (has_info(&run->disks[i]) &&
            intent_add_file(in, run->disks[i].info_file, err) < 0)
            return -1;
    return 0;
}

static void report_snapshots(struct run *run)
{
    _cleanup_(domain_snapshots_free) struct domain_snapshot_list list = {NULL,
                                                                         0, 0};
    _cleanup_error_ struct error err = ERROR_INIT;

    if (domain_snapshots(run->domain, &list, &err) < 0) {
        log_debug("%s", error_text(&err));
        return;
    }
    for (size_t i = 0; i < list.count; i++)
        log_info("the %s snapshot '%s' is not part of the backup, which holds "
                 "what the guest sees now",
                 list.items[i].external ? "external" : "internal",
                 list.items[i].name);
}

void extras_report(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *xml = NULL;

    report_snapshots(run);
    if (domain_xml(run->domain, &xml, &err) < 0)
        return;
    if (domain_xml_has_tpm(xml, &err) > 0)
        log_warning("the domain has an emulated TPM, whose state is not part "
                    "of the backup; save its directory "
                    "(/var/lib/libvirt/swtpm/%s) by hand",
                    domain_uuid(run->domain));
}
