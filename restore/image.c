/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image.c - see image.h
 *
 * The image is made by qemu-img and written through qemu-nbd: both know the
 * format best.
 */
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "disk.h"
#include "host/host.h"
#include "host/qemu.h"
#include "set/source.h"
#include "sum.h"
#include "vmconfig.h"

#define INFO_MAX MIB
#define CLIENTS 4 /* connections of disk_restore */

/* What the set says about the original image; without it, QEMU's defaults. */
static int choose_options(const struct image_task *task, const char *format,
                          struct qemu_create *ret, struct error *err)
{
    const struct selection_disk *disk = task->disk;
    const struct chain_point *point = &task->set->chain->points[disk->point];
    _cleanup_free_ char *json = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;
    struct qemu_image image;
    size_t length;
    int r;

    *ret = (struct qemu_create){
        .format = strcmp(format, "raw") == 0 ? "raw" : "qcow2",
        .virtual_size = disk->virtual_size,
    };
    r = point_file_read(task->set, point, disk->disk, "qcow.json", INFO_MAX,
                        &json, &length, err);
    if (r < 0)
        return -1;
    if (r == 0)
        log_warning("'%s.%s.qcow.json' is not in the backup; the image gets "
                    "default options",
                    disk->disk, point->name);
    else if (qemu_info_parse(json, &image, &why) < 0)
        log_warning("'%s.%s.qcow.json' makes no sense (%s); the image gets "
                    "default options",
                    disk->disk, point->name, error_text(&why));
    else
        *ret = qemu_create_like(&image, disk->virtual_size);
    return 0;
}

static const char *format_of(const struct selection_disk *disk)
{
    const struct chain_file *last = disk->files[disk->file_count - 1];

    if (last->entry)
        return last->entry->format;
    return last->meta.disk_format ? last->meta.disk_format : "qcow2";
}

/* Through the server, until everything is in the file. */
static int fill(const struct image_task *task, const struct source *source,
                const char *format, struct error *err)
{
    static const struct qemu_nbd_options options = {.discard = true,
                                                    .shared = CLIENTS};
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_free_ char *socket =
        text_dup_printf("%s/%s", task->runtime_dir, task->disk->disk);
    struct nbd_target target = {.socket_path = socket};
    struct progress_disk *progress;

    if (!socket)
        return error_memory(err);
    if (qemu_nbd_start(task->path, format, socket, &options, &server, err) < 0)
        return -1;
    progress =
        progress_add(task->progress, task->disk->disk, source->data_size);
    if (disk_restore(source, &target, progress, err) < 0) {
        /* The path that the error names is that of a socket. */
        if (err->kind == ERR_NBD && err->code == ENOSPC)
            error_set(err, ERR_SYSTEM,
                      "no space left for the image '%s'; free some, or choose "
                      "another target directory",
                      task->path);
        return -1;
    }
    if (qemu_nbd_stop(take(server), err) < 0 ||
        host_sync_file(task->path, err) < 0)
        return -1;
    progress_done(progress);
    return 0;
}

/* Data without an index has no hashes that could be checked on the way; its
 * only checksum is that of the whole file.
 */
static int check_sums(const struct backup_set *set, const struct source *source,
                      struct error *err)
{
    for (size_t i = 0; i < source->count; i++) {
        const struct source_file *f = &source->files[i];

        if (!f->file->entry && sum_check(set, f->file, f->fd, err) < 0)
            return -1;
    }
    return 0;
}

int image_restore(const struct image_task *task, struct error *err)
{
    _cleanup_(source_done) struct source source = {0};
    struct qemu_create create;

    if (source_open(task->set->chain, task->disk, &source, err) < 0 ||
        check_sums(task->set, &source, err) < 0 ||
        choose_options(task, format_of(task->disk), &create, err) < 0 ||
        qemu_img_create(task->path, &create, err) < 0)
        return -1;
    return fill(task, &source, create.format, err);
}
