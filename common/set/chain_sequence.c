/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain_sequence.c - files in an order that somebody chose, see chain.h
 *
 * Each file becomes a point of its own that builds upon the one before.  What
 * manifests say does not matter; what a file says of itself does, and an index
 * beside it has to fit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "set/chain_private.h"

/* Describe the file as a manifest would, from the index beside it.  Outcome 1:
 * done; 0: there is no index.
 */
static int read_index(int dirfd, const char *file, const struct meta *meta,
                      struct manifest *m, struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;
    struct name_text name = {""};
    struct manifest_disk *d = NULL;
    uint64_t size = 0;
    struct name parsed;
    int there;

    if (!name_parse(file, &parsed) || parsed.kind != NAME_DATA)
        return 0;
    if (name_index(file, &name, err) < 0)
        return -1;
    there = files_exists(dirfd, name.text, err);
    if (there <= 0)
        return there;
    d = manifest_add_disk(m, err);
    if (!d || files_hash(dirfd, name.text, &size, d->index_hash, err) < 0 ||
        index_open(dirfd, name.text, d->index_hash, &idx, err) < 0 ||
        manifest_set(&d->index, name.text, err) < 0 ||
        manifest_set(&d->format, meta ? meta->disk_format : "raw", err) < 0)
        return -1;
    d->virtual_size = index_virtual_size(idx);
    d->file_size = index_file_size(idx);
    d->zero_size = index_zero_size(idx);
    d->raw = !meta;
    d->level = meta && meta->incremental ? LEVEL_INC : LEVEL_FULL;
    if (meta) {
        d->data_size = meta->data_size;
        d->compressed = meta->compressed;
    }
    return 1;
}

/* What the file says it is. */
static int describe(struct chain *chain, struct chain_point *point,
                    struct chain_file *f, struct error *err)
{
    const struct meta *meta = f->raw ? NULL : &f->meta;
    int indexed =
        read_index(chain->dirfd, f->file, meta, &point->manifest, err);

    if (indexed < 0)
        return error_append(err, "; without the index, moved away, the file is "
                                 "checked by its structure only");
    f->virtual_size = meta ? meta->virtual_size : f->file_size;
    f->level = meta && meta->incremental ? LEVEL_INC : LEVEL_FULL;
    point->level = f->level;
    if (!indexed)
        return 0;
    f->entry = &point->manifest.disks[0];
    if (f->entry->virtual_size != f->virtual_size ||
        f->entry->file_size != f->file_size)
        return error_set(err, ERR_DAMAGED,
                         "'%s' is not the index of '%s', which is beside it",
                         f->entry->index, f->file);
    return 0;
}

/* Name of the disk of a raw image: its file's name has to tell. */
static int name_raw(const char *file, char disk[NAME_DISK_MAX + 1],
                    struct error *err)
{
    struct name name;

    if (!name_parse(file, &name) || name.kind != NAME_DATA)
        return error_set(err, ERR_INPUT,
                         "'%s' is no backup stream, and its name does not say "
                         "of which disk it is an image",
                         file);
    memcpy(disk, name.disk, NAME_DISK_MAX + 1);
    return 0;
}

static int add_file(struct chain *chain, const char *file, struct error *err)
{
    _cleanup_meta_ struct meta meta = META_INIT;
    char disk[NAME_DISK_MAX + 1] = "";
    struct chain_point *point = NULL;
    struct chain_file *f = NULL;
    uint64_t size = 0;
    int stream = 0;

    if (!name_is_safe(file))
        return error_set(err, ERR_INPUT,
                         "'%s' is not the name of a file of a backup", file);
    stream = chain_read_meta(chain->dirfd, file, &meta, &size, err);
    if (stream < 0 ||
        (stream == 0 && (name_raw(file, disk, err) < 0 ||
                         chain_check_raw(chain->dirfd, file, err) < 0)))
        return -1;
    point = chain_add_point(
        chain, strdup(stream ? meta.checkpoint_name : "copy"), LEVEL_FULL, err);
    if (!point)
        return -1;
    f = chain_add_file(point, stream ? meta.disk_name : disk, file, err);
    if (!f)
        return -1;
    f->raw = !stream;
    f->owner = true;
    f->file_size = size;
    f->meta = meta;
    meta = (struct meta)META_INIT;
    return describe(chain, point, f, err);
}

/* Does the last file go on top of the one before? */
static int link_last(struct chain *chain, struct error *err)
{
    size_t last = chain->point_count - 1;
    struct chain_file *f = &chain->points[last].files[0];
    const struct chain_file *before = NULL;

    if (last == 0)
        return f->level == LEVEL_FULL
                   ? 0
                   : error_set(err, ERR_INPUT,
                               "'%s' is an increment; the first file has to "
                               "hold all of its disk",
                               f->file);
    before = &chain->points[last - 1].files[0];
    if (strcmp(f->disk, before->disk) != 0)
        return error_set(err, ERR_INPUT,
                         "'%s' is of disk '%s', '%s' of disk '%s'",
                         before->file, before->disk, f->file, f->disk);
    if (f->level != LEVEL_FULL)
        f->parent = (ssize_t)last - 1;
    return 0;
}

int chain_open_sequence(int dirfd, const char *files, struct chain **ret,
                        struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = calloc(1, sizeof(*chain));
    _cleanup_free_ char *list = strdup(files);
    char *rest = list, *file = NULL;

    if (chain)
        chain->dirfd = -1; /* whoever frees it closes that */
    if (!chain || !list)
        return error_memory(err);
    chain->dirfd = dir_reopen(dirfd);
    if (chain->dirfd < 0)
        return error_errno(err, errno, "cannot open the backup directory");
    while ((file = strsep(&rest, ",")))
        if (add_file(chain, file, err) < 0 || link_last(chain, err) < 0)
            return -1;
    *ret = take(chain);
    return 0;
}
