/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image.c - see image.h
 *
 * Images are made by qemu-img and written through qemu-nbd: both know the
 * formats best.  Devices and raw files go through qemu-nbd too, which writes
 * past the page cache and knows how to make each of them zero.
 */
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
#define CONNECT_TIMEOUT_MS 30000

/* The largest block of a disk: files of other sizes cannot be written past the
 * page cache everywhere.
 */
#define BLOCK_MAX 4096

static const struct chain_file *last_file(const struct selection_disk *disk)
{
    return disk->files[disk->file_count - 1];
}

/* The format that the disk had in the domain. */
static const char *original_format(const struct selection_disk *disk)
{
    const struct chain_file *last = last_file(disk);

    if (last->entry)
        return last->entry->format;
    if (last->raw)
        return "raw";
    return last->meta.disk_format ? last->meta.disk_format : "qcow2";
}

const char *image_format(const struct selection_disk *disk)
{
    bool raw =
        last_file(disk)->raw || strcmp(original_format(disk), "raw") == 0;

    return raw ? "raw" : "qcow2";
}

/* What the set says about the original image; without it, QEMU's defaults. */
static int read_options(const struct image_task *task, struct qemu_create *ret,
                        struct error *err)
{
    const struct selection_disk *disk = task->place->disk;
    const struct chain_point *point = &task->set->chain->points[disk->point];
    _cleanup_free_ char *json = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;
    struct qemu_image image = {0};
    size_t length;
    int r;

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
    else if (strcmp(image.format, "qcow2") == 0)
        *ret = qemu_create_like(&image, disk->virtual_size);
    if (image.has_data_file)
        log_info("%s: the original kept its data in another file; the image "
                 "keeps it itself",
                 disk->disk);
    return 0;
}

static int choose_options(const struct image_task *task,
                          struct qemu_create *ret, struct error *err)
{
    const struct place *p = task->place;
    struct qemu_create create = {
        .format = p->format,
        .virtual_size = p->disk->virtual_size,
    };

    if (strcmp(p->format, "qcow2") == 0 &&
        strcmp(original_format(p->disk), "raw") != 0 &&
        read_options(task, &create, err) < 0)
        return -1;
    create.preallocate = task->options->preallocate;
    create.on = task->on;
    *ret = create;
    return 0;
}

/* Messages about a socket of ours do not help. */
static int explain(const char *path, struct error *err)
{
    if (err->kind != ERR_NBD)
        return -1;
    if (err->code == ENOSPC)
        return error_set(err, ERR_SYSTEM,
                         "no space left for '%s'; free some, or choose another "
                         "place for it",
                         path);
    return error_prefix(err, "write '%s'", path);
}

static int connect_and_fill(const struct image_task *task,
                            const struct nbd_target *server,
                            const struct source *source,
                            struct progress_disk *progress, struct error *err)
{
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    struct disk_target target = {
        .server = *server,
        .io_timeout_ms = task->options->io_seconds * 1000,
        .blank = task->place->kind == PLACE_IMAGE,
        .touched = task->touched,
    };

    if (nbd_conn_open(&target.server, NULL, CONNECT_TIMEOUT_MS, &conn, err) < 0)
        return -1;
    target.conn = conn;
    return disk_restore(source, &target, progress, err);
}

/* Through a server of ours, until everything is in the file or device. */
static int fill_path(const struct image_task *task, const struct source *source,
                     const char *path, struct progress_disk *progress,
                     struct error *err)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    struct qemu_nbd_options options = {
        .on = task->on,
        .directory = task->servers,
        .discard = true,
        .shared = CLIENTS,
    };
    struct nbd_target target;

    if (source->size % BLOCK_MAX != 0 && task->place->kind != PLACE_DEVICE)
        options.cache = QEMU_CACHE_WRITEBACK;
    if (transport_serve(task->transport, path, task->place->format,
                        task->socket, &options, &server, &target, err) < 0)
        return -1;
    if (connect_and_fill(task, &target, source, progress, err) < 0)
        return explain(path, err);
    if (qemu_nbd_stop(take(server), err) < 0)
        return -1;
    return host_sync_file(task->on, path, err);
}

static int fill_export(const struct image_task *task,
                       const struct source *source,
                       struct progress_disk *progress, struct error *err)
{
    struct disk_target target = {
        .server = {.uri = task->place->uri},
        .conn = task->place->conn,
        .io_timeout_ms = task->options->io_seconds * 1000,
        .touched = task->touched,
    };

    return disk_restore(source, &target, progress, err);
}

static int make_image(const struct image_task *task,
                      const struct source *source,
                      struct progress_disk *progress, struct error *err)
{
    _cleanup_free_ char *path =
        text_dup_printf("%s/%s", task->dir, task->place->name);
    _cleanup_free_ char *plain = text_dup_printf("%s/" IMAGE_PLAIN, task->dir);
    bool compress =
        task->options->compress && strcmp(task->place->format, "qcow2") == 0;
    struct qemu_create create;

    if (!path || !plain)
        return error_memory(err);
    if (choose_options(task, &create, err) < 0 ||
        qemu_img_create(compress ? plain : path, &create, err) < 0 ||
        fill_path(task, source, compress ? plain : path, progress, err) < 0)
        return -1;
    if (!compress)
        return 0;
    log_info("%s: compressing the image", task->place->disk->disk);
    if (qemu_img_compress(plain, path, &create, err) < 0)
        return -1;
    /* (The plain one there goes with its directory.) */
    if (!task->on && unlink(plain) < 0)
        return error_errno(err, errno, "remove '%s'", plain);
    return host_sync_file(task->on, path, err);
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

static int fill(const struct image_task *task, const struct source *source,
                struct progress_disk *progress, struct error *err)
{
    switch (task->place->kind) {
    case PLACE_IMAGE:
        return make_image(task, source, progress, err);
    case PLACE_EXPORT:
        return fill_export(task, source, progress, err);
    case PLACE_DEVICE:
    case PLACE_FILE:
    default:
        return fill_path(task, source, task->place->path, progress, err);
    }
}

int image_restore(const struct image_task *task, struct error *err)
{
    _cleanup_(source_done) struct source source = {0};
    struct progress_disk *progress;

    if (source_open(task->set->chain, task->place->disk, &source, err) < 0 ||
        check_sums(task->set, &source, err) < 0)
        return -1;
    progress =
        progress_add(task->progress, task->place->disk->disk, source.data_size);
    if (fill(task, &source, progress, err) < 0)
        return -1;
    progress_done(progress);
    return 0;
}
