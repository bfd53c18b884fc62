/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* place.c - see place.h */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/patience.h"
#include "base/text.h"

#define CONNECT_TIMEOUT_MS 30000
#define QCOW2_MAGIC "QFI\xfb"

void place_done(struct place *p)
{
    free(p->name);
    free(p->path);
    closep(&p->fd);
    nbd_conn_close(p->conn);
    *p = (struct place)PLACE_INIT;
}

const char *place_text(const struct place *p)
{
    return p->path ? p->path : p->uri;
}

/* Is the file one of the set's?  It would be overwritten while it is read. */
static bool is_of_set(const struct backup_set *set, const struct stat *file)
{
    PATIENCE_SCOPE("looking at files");
    const struct chain *chain = set->chain;

    for (size_t i = 0; i < chain->point_count; i++)
        for (size_t k = 0; k < chain->points[i].file_count; k++) {
            const char *name = chain->points[i].files[k].file;
            struct stat st;

            if (fstatat(set->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                st.st_dev == file->st_dev && st.st_ino == file->st_ino)
                return true;
        }
    return false;
}

/* Over a file goes the plain disk, which would make a qcow2 image useless. */
static int check_file(const struct place *p, const struct backup_set *set,
                      const struct stat *st, struct error *err)
{
    char magic[4] = "";

    if (is_of_set(set, st))
        return error_set(err, ERR_INPUT, "'%s' is a file of the backup itself",
                         p->path);
    if (file_pread_full(p->fd, magic, sizeof(magic), 0) < 0)
        return error_errno(err, errno, "read '%s'", p->path);
    if (memcmp(magic, QCOW2_MAGIC, sizeof(magic)) == 0)
        return error_set(err, ERR_INPUT,
                         "'%s' is a qcow2 image; only raw images can be "
                         "written over (without --target a new image is made)",
                         p->path);
    return 0;
}

static int open_path(struct place *p, struct error *err)
{
    PATIENCE_SCOPE("opening the target");
    /* Of a device, O_EXCL keeps others from mounting it meanwhile. */
    p->fd = open(p->path, O_RDWR | O_EXCL | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (p->fd >= 0)
        return 0;
    switch (errno) {
    case EBUSY:
        return error_set(err, ERR_BUSY,
                         "'%s' is in use: it is mounted, or part of something "
                         "that is",
                         p->path);
    case ENOENT:
        return error_set(err, ERR_INPUT,
                         "'%s' is not there; --target writes onto what is "
                         "there, new images are made without it",
                         p->path);
    default:
        return error_errno(err, errno, "open '%s' for writing", p->path);
    }
}

/* A device or a file, and its size. */
static int open_local(struct place *p, const struct backup_set *set,
                      uint64_t *ret_size, struct error *err)
{
    struct stat st;

    if (open_path(p, err) < 0)
        return -1;
    if (fstat(p->fd, &st) < 0)
        return error_errno(err, errno, "examine '%s'", p->path);
    if (S_ISREG(st.st_mode)) {
        p->kind = PLACE_FILE;
        *ret_size = (uint64_t)st.st_size;
        return check_file(p, set, &st, err);
    }
    if (!S_ISBLK(st.st_mode))
        return error_set(err, ERR_INPUT,
                         "'%s' is neither a block device nor a file", p->path);
    p->kind = PLACE_DEVICE;
    if (ioctl(p->fd, BLKGETSIZE64, ret_size) < 0)
        return error_errno(err, errno, "ask for the size of '%s'", p->path);
    return 0;
}

static int open_export(struct place *p, uint64_t *ret_size, struct error *err)
{
    struct nbd_target target = {.uri = p->uri};

    p->kind = PLACE_EXPORT;
    if (nbd_conn_open(&target, NULL, CONNECT_TIMEOUT_MS, &p->conn, err) < 0)
        return -1;
    if (nbd_conn_is_read_only(p->conn))
        return error_set(err, ERR_INPUT, "the export '%s' is read-only",
                         p->uri);
    if (!nbd_conn_can_flush(p->conn))
        return error_set(err, ERR_INPUT,
                         "the server of '%s' cannot flush, so nothing would "
                         "tell that the disk is safe there",
                         p->uri);
    *ret_size = nbd_conn_size(p->conn);
    return 0;
}

static int check_size(const struct place *p, uint64_t size, struct error *err)
{
    uint64_t needed = p->disk->virtual_size;

    if (size < needed)
        return error_set(err, ERR_INPUT,
                         "'%s' has %llu bytes, the disk needs %llu",
                         place_text(p), (unsigned long long)size,
                         (unsigned long long)needed);
    log_warning("%s: %llu bytes of '%s' are going to be overwritten; nothing "
                "brings back what it holds now, even if the restore fails",
                p->disk->disk, (unsigned long long)needed, place_text(p));
    if (size > needed)
        log_warning("%s: the last %llu bytes of '%s', behind the end of the "
                    "disk, stay as they are",
                    p->disk->disk, (unsigned long long)(size - needed),
                    place_text(p));
    return 0;
}

int place_open(const char *text, const struct selection_disk *disk,
               const struct backup_set *set, struct place *ret,
               struct error *err)
{
    _cleanup_(place_done) struct place p = PLACE_INIT;
    uint64_t size = 0;
    int r;

    p.disk = disk;
    p.format = "raw";
    if (nbd_uri_is(text)) {
        p.uri = text;
        r = open_export(&p, &size, err);
    } else {
        p.path = strdup(text);
        r = p.path ? open_local(&p, set, &size, err) : error_memory(err);
    }
    if (r < 0 || check_size(&p, size, err) < 0)
        return error_prefix(err, "disk %s", disk->disk);
    *ret = p;
    p = (struct place)PLACE_INIT;
    return 0;
}

/* (A device that is held by one place cannot be opened by another.) */
static bool is_same(const struct place *a, const struct place *b)
{
    struct stat x, y;

    if (a->uri && b->uri)
        return strcmp(a->uri, b->uri) == 0;
    if (a->fd < 0 || b->fd < 0 || fstat(a->fd, &x) < 0 || fstat(b->fd, &y) < 0)
        return false;
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int places_check(const struct place *places, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (is_same(&places[k], &places[i]))
                return error_set(err, ERR_INPUT,
                                 "the disks %s and %s cannot both go to '%s'",
                                 places[k].disk->disk, places[i].disk->disk,
                                 place_text(&places[i]));
    return 0;
}
