/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay.c - see overlay.h */
#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "facts.h"
#include "host/host.h"
#include "host/qemu.h"

#define CLIENTS 16

struct overlay {
    char *path;
    struct qemu_nbd *server;
};

static void overlay_free(struct overlay *o)
{
    qemu_nbd_free(o->server);
    free(o->path);
    free(o);
}

void overlay_abandon(struct overlay *o)
{
    if (!o)
        return;
    qemu_nbd_free(take(o->server));
    unlink(o->path);
    overlay_free(o);
}

static int tell_guardian(const char *dir, const struct words *files,
                         struct guardian *guardian, struct error *err)
{
    _cleanup_free_ char *path = realpath(dir, NULL);
    _cleanup_free_ char *names = words_join(files, "/");

    if (!path)
        return error_errno(err, errno, "find the path of '%s'", dir);
    if (!names)
        return error_memory(err);
    if (guardian_tell(guardian, FACT_OVERLAYS, path, err) < 0)
        return -1;
    return guardian_tell(guardian, FACT_OVERLAY_FILES, names, err);
}

int overlay_prepare(const char *dir, const struct words *disks,
                    struct guardian *guardian, struct error *err)
{
    _cleanup_words_ struct words files = WORDS_INIT;
    _cleanup_close_ int dirfd = -1;

    if (dir_make(dir, 0700, err) < 0)
        return -1;
    dirfd = dir_open(dir, err);
    if (dirfd < 0)
        return -1;
    for (size_t i = 0; i < disks->count; i++)
        words_add(&files, "%s.qcow2", disks->items[i]);
    if (words_end(&files, err) < 0)
        return -1;
    for (size_t i = 0; i < files.count; i++)
        if (faccessat(dirfd, files.items[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return error_set(err, ERR_EXISTS,
                             "'%s/%s' exists already, and may hold changes of "
                             "an earlier run; move it away or choose another "
                             "directory",
                             dir, files.items[i]);
    return tell_guardian(dir, &files, guardian, err);
}

int overlay_commit(struct guardian *guardian, struct error *err)
{
    return guardian_tell(guardian, FACT_OVERLAYS, NULL, err);
}

int overlay_start(const char *dir, const char *disk, const char *backing,
                  const char *socket, struct overlay **ret, struct error *err)
{
    const struct qemu_nbd_options options = {.discard = true,
                                             .shared = CLIENTS};
    const struct qemu_create create = {.format = "qcow2", .backing = backing};
    struct overlay *o = calloc(1, sizeof(*o));

    if (!o)
        return error_memory(err);
    o->path = text_dup_printf("%s/%s.qcow2", dir, disk);
    if (!o->path) {
        overlay_free(o);
        return error_memory(err);
    }
    if (qemu_img_create(o->path, &create, err) < 0) {
        overlay_free(o); /* what is there is not ours */
        return -1;
    }
    if (qemu_nbd_start(o->path, "qcow2", socket, &options, &o->server, err) <
        0) {
        overlay_abandon(o);
        return -1;
    }
    log_info("%s: changes are kept in '%s'", disk, o->path);
    *ret = o;
    return 0;
}

int overlay_fd(const struct overlay *o)
{
    return qemu_nbd_fd(o->server);
}

int overlay_why_ended(const struct overlay *o, struct error *err)
{
    return error_set(err, ERR_CHILD, "qemu-nbd, which kept '%s', has ended",
                     o->path);
}

int overlay_stop(struct overlay *own_overlay, struct error *err)
{
    struct overlay *o = own_overlay;
    int r;

    if (!o)
        return 0;
    r = qemu_nbd_stop(take(o->server), err);
    if (r == 0)
        r = host_sync_file(NULL, o->path, err);
    overlay_free(o);
    return r;
}
