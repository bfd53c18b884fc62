/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach.c - see attach.h */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "device.h"
#include "facts.h"
#include "fuse.h"

/* Longer than it takes to end by itself, which nbdfuse does on SIGTERM. */
#define END_GRACE_MS 10000

struct attachment {
    const char *name; /* of the file, or of the device; borrowed */
    struct child *child;
    bool gone; /* the user has taken it away */
};

struct attachments {
    const struct map_options *options;
    char *dir; /* for files, absolute */
    bool made; /* the directory is ours */
    struct attachment *items;
    size_t count;
};

static int check_devices(const struct words *devices, const struct words *disks,
                         struct error *err)
{
    if (devices->count != disks->count)
        return error_set(err, ERR_INPUT,
                         "%zu %s cannot be %zu %s: give one -d for each disk, "
                         "or choose disks with --disk",
                         disks->count, disks->count == 1 ? "disk" : "disks",
                         devices->count,
                         devices->count == 1 ? "device" : "devices");
    for (size_t i = 0; i < devices->count; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcmp(devices->items[i], devices->items[k]) == 0)
                return error_set(err, ERR_INPUT, "'%s' is given twice",
                                 devices->items[i]);
        if (device_check(devices->items[i], err) < 0)
            return -1;
    }
    return 0;
}

static int check_files(const char *dir, const struct words *disks,
                       struct error *err)
{
    for (size_t i = 0; i < disks->count; i++) {
        _cleanup_free_ char *path =
            text_dup_printf("%s/%s", dir, disks->items[i]);
        struct stat st;

        if (!path)
            return error_memory(err);
        if (lstat(path, &st) == 0)
            return error_set(err, ERR_EXISTS,
                             "'%s' exists already; choose another directory",
                             path);
    }
    return 0;
}

int attach_check(const struct map_options *o, const struct words *disks,
                 struct error *err)
{
    switch (o->place) {
    case PLACE_DEVICE:
        return check_devices(&o->devices, disks, err);
    case PLACE_FUSE:
        return check_files(o->fuse, disks, err);
    case PLACE_URI:
    default:
        return 0;
    }
}

static char *absolute(const char *path)
{
    _cleanup_free_ char *here = NULL;

    if (path[0] == '/')
        return strdup(path);
    here = getcwd(NULL, 0);
    return here ? text_dup_printf("%s/%s", here, path) : NULL;
}

/* Tell the guardian of the files to come, and make their directory. */
static int make_dir(struct attachments *a, const struct words *disks,
                    struct guardian *guardian, struct error *err)
{
    _cleanup_free_ char *names = words_join(disks, "/");
    struct stat st;
    bool missing;

    a->dir = absolute(a->options->fuse);
    if (!a->dir || !names)
        return error_memory(err);
    if (guardian_tell(guardian, FACT_FUSE, a->dir, err) < 0 ||
        guardian_tell(guardian, FACT_FUSE_FILES, names, err) < 0)
        return -1;
    missing = stat(a->dir, &st) < 0 && errno == ENOENT;
    if (!missing)
        return 0;
    if (guardian_tell(guardian, FACT_FUSE_MADE, "1", err) < 0)
        return -1;
    if (mkdir(a->dir, 0700) < 0)
        return error_errno(err, errno, "make the directory '%s'", a->dir);
    a->made = true;
    return 0;
}

static int start_files(struct attachments *a, const struct words *disks,
                       const struct words *uris, struct follow *follow,
                       struct guardian *guardian, struct error *err)
{
    if (make_dir(a, disks, guardian, err) < 0)
        return -1;
    for (size_t i = 0; i < disks->count; i++) {
        struct attachment *one = &a->items[i];

        one->name = disks->items[i];
        if (fuse_start(a->dir, one->name, uris->items[i], !a->options->writable,
                       follow_fd(follow), &one->child, err) < 0) {
            follow_explain(follow, err);
            return error_prefix(err, "show '%s/%s'", a->options->fuse,
                                one->name);
        }
        a->count++;
        log_info("%s: '%s/%s'", disks->items[i], a->options->fuse, one->name);
    }
    return 0;
}

static int start_devices(struct attachments *a, const struct words *disks,
                         const struct words *uris, const char *runtime_dir,
                         struct follow *follow, struct guardian *guardian,
                         struct error *err)
{
    for (size_t i = 0; i < disks->count; i++) {
        struct attachment *one = &a->items[i];
        _cleanup_free_ char *socket =
            text_dup_printf("%s/device%zu", runtime_dir, i);
        char key[GUARDIAN_KEY_MAX];
        char pid[24];

        if (!socket)
            return error_memory(err);
        one->name = a->options->devices.items[i];
        snprintf(key, sizeof(key), FACT_DEVICE, i);
        if (guardian_tell(guardian, key, one->name, err) < 0 ||
            device_start(one->name, uris->items[i], socket,
                         !a->options->writable, follow, &one->child, err) < 0)
            return -1;
        a->count++;
        snprintf(key, sizeof(key), FACT_DEVICE_PID, i);
        snprintf(pid, sizeof(pid), "%d", (int)child_pid(one->child));
        if (guardian_tell(guardian, key, pid, err) < 0)
            return -1;
        log_info("%s: '%s'", disks->items[i], one->name);
    }
    return 0;
}

int attach_start(const struct map_options *o, const struct words *disks,
                 const struct words *uris, const char *runtime_dir,
                 struct follow *follow, struct guardian *guardian,
                 struct attachments **ret, struct error *err)
{
    _cleanup_(attach_freep) struct attachments *a = calloc(1, sizeof(*a));
    int r = 0;

    if (a)
        a->items = calloc(disks->count, sizeof(*a->items));
    if (!a || !a->items)
        return error_memory(err);
    a->options = o;
    if (o->place == PLACE_FUSE)
        r = start_files(a, disks, uris, follow, guardian, err);
    else if (o->place == PLACE_DEVICE)
        r = start_devices(a, disks, uris, runtime_dir, follow, guardian, err);
    if (r < 0)
        return -1;
    *ret = take(a);
    return 0;
}

int attach_watch(const struct attachments *a, struct watch *w,
                 struct error *err)
{
    for (size_t i = 0; i < a->count; i++)
        if (!a->items[i].gone &&
            watch_add(w, child_fd(a->items[i].child), err) < 0)
            return -1;
    return 0;
}

int attach_look(struct attachments *a, struct error *err)
{
    size_t gone = 0;

    for (size_t i = 0; i < a->count; i++) {
        struct attachment *one = &a->items[i];

        if (!one->gone && !child_running(one->child)) {
            /* Status 0: it was unmounted, or detached. */
            if (child_wait(one->child, 0, err) < 0)
                return error_prefix(err, "'%s' is gone", one->name);
            log_info("'%s' was taken away", one->name);
            one->gone = true;
        }
        gone += one->gone;
    }
    return a->count > 0 && gone == a->count ? ATTACH_GONE : ATTACH_GOOD;
}

static int stop_one(struct attachments *a, struct attachment *one,
                    struct error *err)
{
    _cleanup_(child_freep) struct child *child = take(one->child);
    int r = 0;

    if (a->options->place == PLACE_DEVICE)
        return device_stop(one->name, child, err);
    r = child_stop(child, END_GRACE_MS, NULL);
    (void)r; /* what counts is whether it is still there */
    return fuse_release(a->dir, one->name, err);
}

int attach_stop(struct attachments *own_attachments, struct error *err)
{
    struct attachments *a = own_attachments;
    int r = 0;

    if (!a)
        return 0;
    for (size_t i = a->count; i-- > 0;) {
        _cleanup_error_ struct error e = ERROR_INIT;

        if (stop_one(a, &a->items[i], &e) < 0 && r == 0) {
            error_move(err, &e);
            r = -1;
        }
    }
    if (a->made && rmdir(a->dir) < 0 && errno != ENOENT && r == 0)
        r = error_errno(err, errno, "remove the directory '%s'", a->dir);
    free(a->items);
    free(a->dir);
    free(a);
    return r;
}

void attach_free(struct attachments *a)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (attach_stop(a, &err) < 0)
        log_error("%s", error_text(&err));
}
