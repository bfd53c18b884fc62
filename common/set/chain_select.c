/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain_select.c - what has to be applied for a point, see chain.h */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "set/chain_private.h"

void selection_done(struct selection *selection)
{
    for (size_t i = 0; i < selection->disk_count; i++)
        free(selection->disks[i].files);
    free(selection->disks);
    *selection = (struct selection)SELECTION_INIT;
}

/* Damage of the directory may hide points that are newer than all we see. */
static int check_newest(const struct chain *chain, struct error *err)
{
    for (size_t i = 0; i < chain->note_count; i++)
        if (chain->notes[i].kind == CHAIN_DAMAGE)
            return error_set(err, ERR_DAMAGED,
                             "%s; a point in front of the damage can be "
                             "selected by its name",
                             chain->notes[i].text);
    return 0;
}

static int find_point(const struct chain *chain, const char *until, size_t *ret,
                      struct error *err)
{
    ssize_t found = -1;

    if (!until) {
        if (check_newest(chain, err) < 0)
            return -1;
        if (chain->point_count == 0)
            return error_set(err, ERR_INPUT,
                             "there is no complete backup in the directory");
        *ret = chain->point_count - 1;
        return 0;
    }
    found = chain_find(chain, until);
    if (found < 0)
        return error_set(err, ERR_INPUT, "there is no point '%s'", until);
    *ret = (size_t)found;
    return 0;
}

static int push(struct selection_disk *d, const struct chain_file *f,
                struct error *err)
{
    const struct chain_file **files =
        reallocarray(d->files, d->file_count + 1, sizeof(*files));

    if (!files)
        return error_memory(err);
    d->files = files;
    files[d->file_count++] = f;
    return 0;
}

/* Walk from the last file of a disk to the one that needs no other. */
static int walk(const struct chain *chain, struct selection_disk *d,
                struct error *err)
{
    size_t number = d->point;

    for (;;) {
        const struct chain_point *p = &chain->points[number];
        const struct chain_file *f = chain_point_file(p, d->disk);

        if (!f)
            return error_set(err, ERR_DAMAGED,
                             "point '%s' has no data of disk '%s'", p->name,
                             d->disk);
        if (p->damage || f->damage)
            return error_set(err, ERR_DAMAGED, "point '%s': %s", p->name,
                             p->damage ? p->damage : f->damage);
        if (push(d, f, err) < 0)
            return -1;
        if (f->level == LEVEL_FULL || f->level == LEVEL_COPY)
            break;
        /* A parent always stands in front, so this ends. */
        if (f->parent < 0 || (size_t)f->parent >= number)
            return error_set(err, ERR_DAMAGED,
                             "'%s' does not say what it builds upon", f->file);
        number = (size_t)f->parent;
    }
    d->virtual_size = d->files[0]->virtual_size;
    for (size_t i = 0; i < d->file_count / 2; i++) {
        const struct chain_file *f = d->files[i];

        d->files[i] = d->files[d->file_count - 1 - i];
        d->files[d->file_count - 1 - i] = f;
    }
    return 0;
}

static const struct selection_disk *find_disk(const struct selection *s,
                                              const char *disk)
{
    for (size_t i = 0; i < s->disk_count; i++)
        if (strcmp(s->disks[i].disk, disk) == 0)
            return &s->disks[i];
    return NULL;
}

/* Add every disk of a point that is not in the selection yet. */
static int add_point(const struct chain *chain, size_t number, const char *only,
                     struct selection *s, struct error *err)
{
    const struct chain_point *p = &chain->points[number];

    for (size_t i = 0; i < p->file_count; i++) {
        const char *disk = p->files[i].disk;
        struct selection_disk *disks = NULL;

        if ((only && strcmp(only, disk) != 0) || find_disk(s, disk))
            continue;
        disks = reallocarray(s->disks, s->disk_count + 1, sizeof(*disks));
        if (!disks)
            return error_memory(err);
        s->disks = disks;
        disks[s->disk_count] = (struct selection_disk){
            .disk = disk,
            .point = number,
        };
        s->disk_count++;
        if (walk(chain, &disks[s->disk_count - 1], err) < 0)
            return error_prefix(err, "disk '%s'", disk);
    }
    return 0;
}

static int select_disks(const struct chain *chain, const char *until,
                        const char *only, struct selection *ret,
                        struct error *err)
{
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    if (find_point(chain, until, &s.point, err) < 0)
        return -1;
    if (chain->points[s.point].damage)
        return error_set(err, ERR_DAMAGED, "point '%s': %s",
                         chain->points[s.point].name,
                         chain->points[s.point].damage);
    for (size_t i = s.point + 1; i-- > 0;)
        if (add_point(chain, i, only, &s, err) < 0)
            return -1;
    if (s.disk_count == 0 && only)
        return error_set(err, ERR_INPUT,
                         "there is no disk '%s' in the backup up to the point "
                         "'%s'",
                         only, chain->points[s.point].name);
    *ret = s;
    s = (struct selection)SELECTION_INIT;
    return 0;
}

int chain_check_newest(const struct chain *chain, struct error *err)
{
    if (chain_count_notes(chain, CHAIN_INTENT) > 0)
        return 0;
    for (size_t i = 0; i < chain->note_count; i++) {
        const struct chain_note *n = &chain->notes[i];

        if (n->kind == CHAIN_UNCOMMITTED || n->kind == CHAIN_FOREIGN)
            return error_set(err, ERR_DAMAGED,
                             "'%s' belongs to no point of this backup; move it "
                             "away if it does not belong here, or name the "
                             "point that is wanted",
                             n->name);
    }
    return 0;
}

int chain_select(const struct chain *chain, const char *until,
                 struct selection *ret, struct error *err)
{
    return select_disks(chain, until, NULL, ret, err);
}

int chain_select_disk(const struct chain *chain, const char *until,
                      const char *disk, struct selection *ret,
                      struct error *err)
{
    return select_disks(chain, until, disk, ret, err);
}

static int check_size(const struct chain_file *f, uint64_t size,
                      struct error *err)
{
    if (size != f->file_size)
        return error_set(
            err, ERR_DAMAGED, "'%s' has %llu bytes instead of %llu", f->file,
            (unsigned long long)size, (unsigned long long)f->file_size);
    return 0;
}

/* Can files of disks be here at all? */
static int check_here(const struct chain *chain, const struct chain_file *f,
                      struct error *err)
{
    if (chain->archived)
        return error_set(err, ERR_INPUT,
                         "cannot open '%s': it went into an archive on "
                         "stdout; unzip all archives of the chain into one "
                         "directory and use that",
                         f->file);
    return 0;
}

int chain_file_open(const struct chain *chain, const struct chain_file *file,
                    int *ret_fd, struct error *err)
{
    _cleanup_close_ int fd = -1;
    uint64_t size = 0;

    if (check_here(chain, file, err) < 0 ||
        files_open(chain->dirfd, file->file, &fd, &size, err) < 0 ||
        check_size(file, size, err) < 0)
        return -1;
    *ret_fd = take_fd(fd);
    return 0;
}

int chain_file_meta(const struct chain *chain, const struct chain_file *file,
                    struct meta *ret, struct error *err)
{
    _cleanup_meta_ struct meta meta = META_INIT;
    const struct manifest_disk *d = file->entry;
    bool incremental = file->level == LEVEL_INC || file->level == LEVEL_DIFF;
    uint64_t size = 0;
    int found = 0;

    if (check_here(chain, file, err) < 0)
        return -1;
    found = chain_read_meta(chain->dirfd, file->file, &meta, &size, err);
    if (found < 0 || check_size(file, size, err) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERR_DAMAGED, "'%s' is not a backup stream",
                         file->file);
    if (strcmp(meta.disk_name, file->disk) != 0 ||
        meta.virtual_size != file->virtual_size ||
        meta.incremental != incremental ||
        (d &&
         (meta.data_size != d->data_size || meta.compressed != d->compressed)))
        return error_set(err, ERR_DAMAGED,
                         "the metadata of '%s' is not what was backed up "
                         "under this name",
                         file->file);
    *ret = meta;
    meta = (struct meta)META_INIT;
    return 0;
}

int chain_file_index(const struct chain *chain, const struct chain_file *file,
                     struct index **ret, struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;
    const struct manifest_disk *d = file->entry;
    int result = 0;

    if (check_here(chain, file, err) < 0)
        return -1;
    if (d)
        result = index_open(chain->dirfd, d->index, d->index_hash, &idx, err);
    else if (file->raw)
        result = index_scan_raw(chain->dirfd, file->file, &idx, err);
    else
        result = index_scan(chain->dirfd, file->file, &idx, err);
    if (result < 0 || check_size(file, index_file_size(idx), err) < 0)
        return -1;
    if (d && manifest_check_index(d, idx, err) < 0)
        return -1;
    *ret = take(idx);
    return 0;
}
