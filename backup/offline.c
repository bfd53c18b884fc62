/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* offline.c - exports of a powered-off domain: a qemu-nbd each; see exports.h
 *
 * All are started before anything is read: each holds its image locked against
 * writers, so that the disks fit each other.
 */
#include "exports.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "track.h"

/* One connection for the bitmap, and those for the data. */
#define CLIENTS (1 + DISK_CONNECTIONS_MAX)

static int start(struct run *run, struct run_disk *d, const char *bitmap,
                 struct error *err)
{
    const struct qemu_nbd_options options = {
        .on = run->remote,
        .directory = run->runtime_dir,
        .read_only = true,
        .shared = CLIENTS,
        .bitmap = bitmap,
    };

    return transport_serve(run, (size_t)(d - run->disks), &options, &d->server,
                           err);
}

/* qemu-nbd shows a bitmap that was switched off for a while as any other. */
static int is_bitmap_sound(const struct run *run, const struct run_disk *d,
                           const char *checkpoint, const char **ret_why,
                           struct error *err)
{
    _cleanup_free_ char *json = NULL;

    if (qemu_img_info(run->remote, d->disk->source, &json, err) < 0)
        return -1;
    return qemu_info_bitmap(json, checkpoint, ret_why, err);
}

/* A bitmap that cannot be used costs the increment, not the backup; an image
 * that cannot be opened at all is an error.
 */
static int start_with_bitmap(struct run *run, struct run_disk *d,
                             struct error *err)
{
    const char *checkpoint = run->chain->points[d->parent].name;
    _cleanup_error_ struct error why = ERROR_INIT;
    const char *reason = NULL;
    int r = is_bitmap_sound(run, d, checkpoint, &reason, err);

    if (r < 0)
        return -1;
    if (r == 0)
        return start(run, d, NULL, err) < 0
                   ? -1
                   : track_give_up(run, d, reason, err);
    d->bitmap = text_dup_printf("qemu:dirty-bitmap:%s", checkpoint);
    if (!d->bitmap)
        return error_memory(err);
    if (start(run, d, checkpoint, &why) == 0)
        return 0;
    if (why.kind != ERR_CHILD) {
        error_move(err, &why);
        return -1;
    }
    if (start(run, d, NULL, err) < 0)
        return -1;
    free(take(d->bitmap));
    return track_give_up(run, d, error_text(&why), err);
}

static int serve(struct run *run, size_t number, struct error *err)
{
    struct run_disk *d = &run->disks[number];

    if (!d->disk->source)
        return error_set(err, ERR_INPUT, "its image is not known");
    d->export_name = transport_export(run, d->disk->target);
    if (!d->export_name)
        return error_memory(err);
    return d->parent < 0 ? start(run, d, NULL, err)
                         : start_with_bitmap(run, d, err);
}

/* It may have been started, and have written, before the last image was locked.
 */
static int check_off(struct run *run, struct error *err)
{
    int active = domain_is_active(run->domain, err);

    if (active < 0)
        return -1;
    if (active)
        return error_set(err, ERR_BUSY,
                         "domain '%s' has been started meanwhile; run the "
                         "backup again",
                         domain_name(run->domain));
    return 0;
}

int offline_open(struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->disk_count; i++)
        if (serve(run, i, err) < 0)
            return error_prefix(err, "disk %s", run->disks[i].disk->target);
    return check_off(run, err);
}

void offline_close(struct run *run)
{
    for (size_t i = 0; i < run->disk_count; i++) {
        struct run_disk *d = &run->disks[i];
        _cleanup_error_ struct error err = ERROR_INIT;

        if (d->server && qemu_nbd_stop(take(d->server), &err) < 0)
            log_warning("%s: %s", d->disk->target, error_text(&err));
    }
}

void offline_break(struct run *run)
{
    for (size_t i = 0; i < run->disk_count; i++)
        qemu_nbd_free(take(run->disks[i].server));
}
