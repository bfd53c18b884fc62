/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extras.c - see extras.h */
#include "extras.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "checkpoints.h"
#include "host/qemu.h"

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
    if (qemu_img_info(d->disk->source, &json, &why) < 0) {
        log_warning("%s: the image's options are not saved, a restore will "
                    "use defaults: %s",
                    d->disk->target, error_text(&why));
        return 0;
    }
    return write_file(run, m, d->info_file, json, err);
}

int extras_write(struct run *run, struct manifest *m, struct error *err)
{
    if (write_config(run, m, err) < 0 || checkpoints_save(run, m, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        if (write_info(run, &run->disks[i], m, err) < 0)
            return -1;
    return 0;
}

int extras_name(const struct run *run, struct intent *in, struct error *err)
{
    _cleanup_free_ char *config =
        text_dup_printf("vmconfig.%s.xml", run->point);
    _cleanup_free_ char *checkpoint = NULL;

    if (!config)
        return error_memory(err);
    if (checkpoints_name(run, &checkpoint, err) < 0 ||
        intent_add_file(in, config, err) < 0)
        return -1;
    if (checkpoint && intent_add_file(in, checkpoint, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        if (intent_add_file(in, run->disks[i].info_file, err) < 0)
            return -1;
    return 0;
}
