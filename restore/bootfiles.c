/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bootfiles.c - see bootfiles.h; what to restore, and where to */
#include "bootfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/patience.h"
#include "base/text.h"
#include "bootfiles_copy.h"
#include "set/files.h"

static const enum file_role roles[BOOTFILES_MAX] = {FILE_LOADER, FILE_NVRAM,
                                                    FILE_KERNEL, FILE_INITRD};

static void bootfile_done(struct bootfile *f)
{
    free(f->file);
    free(f->name);
    free(f->staged);
    *f = (struct bootfile){0};
}

void bootfiles_done(struct bootfiles *files)
{
    for (size_t i = 0; i < files->count; i++)
        bootfile_done(&files->items[i]);
    files->count = 0;
}

const struct bootfile *bootfiles_get(const struct bootfiles *files,
                                     enum file_role role)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i].role == role)
            return &files->items[i];
    return NULL;
}

/* ---- finding ---- */

static const char *path_in_config(const struct vmconfig *config,
                                  enum file_role role)
{
    switch (role) {
    case FILE_LOADER:
        return config->origin.loader;
    case FILE_NVRAM:
        return config->origin.nvram;
    case FILE_KERNEL:
        return config->origin.kernel;
    case FILE_INITRD:
        return config->origin.initrd;
    case FILE_OTHER:
    default:
        return NULL;
    }
}

/* A name that a file may get, and that no option of a program looks like. */
static bool is_good_name(const char *name)
{
    return name_is_leaf(name) && name[0] != '.' && name[0] != '-';
}

/* The last part of a path, or NULL if it is no good name. */
static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash && is_good_name(slash + 1) ? slash + 1 : NULL;
}

/* By the manifest. */
static int find_by_role(const struct chain_point *point, enum file_role role,
                        const struct manifest_file **ret, struct error *err)
{
    const struct manifest_file *found = NULL;

    for (size_t i = 0; i < point->manifest.file_count; i++) {
        const struct manifest_file *f = &point->manifest.files[i];

        if (f->role != role)
            continue;
        if (found)
            return error_set(err, ERR_DAMAGED,
                             "point '%s' has two files for one purpose: '%s' "
                             "and '%s'",
                             point->name, found->name, f->name);
        found = f;
    }
    *ret = found;
    return 0;
}

/* What another program saved: `<base name>.<point>`, or in a copy the bare
 * name.
 */
static int find_by_name(const struct backup_set *set,
                        const struct chain_point *point, const char *base,
                        char **ret, struct error *err)
{
    PATIENCE_SCOPE("looking at a file");
    _cleanup_free_ char *front = text_dup_printf("%s.", base);
    struct stat st;
    int r;

    if (!front)
        return error_memory(err);
    r = point_file_find(set, point, front, "", ret, err);
    if (r != 0 || point->level != LEVEL_COPY ||
        fstatat(set->dirfd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return MIN_OF(r, 0);
    *ret = strdup(base);
    return *ret ? 0 : error_memory(err);
}

static int check_hash(const struct backup_set *set, const struct bootfile *f,
                      struct error *err)
{
    char hash[HASH_TEXT_SIZE] = "";
    uint64_t size = 0;

    if (!f->entry)
        return 0;
    if (files_hash(set->dirfd, f->file, &size, hash, err) < 0) {
        /* What a manifest names is missed, not just absent. */
        err->kind = err->kind == ERR_SYSTEM ? ERR_DAMAGED : err->kind;
        return error_prefix(err, "'%s'", set->path);
    }
    if (size != f->entry->size || strcmp(hash, f->entry->hash) != 0)
        return error_set(err, ERR_DAMAGED, "'%s/%s' is not as it was written",
                         set->path, f->file);
    return 0;
}

static int find_one(const struct backup_set *set,
                    const struct chain_point *point,
                    const struct vmconfig *config, struct bootfile *ret,
                    struct error *err)
{
    const char *base = NULL;

    ret->original = path_in_config(config, ret->role);
    base = base_name(ret->original);
    if (point->ours && find_by_role(point, ret->role, &ret->entry, err) < 0)
        return -1;
    if (ret->entry) {
        ret->file = strdup(ret->entry->name);
        return ret->file ? check_hash(set, ret, err) : error_memory(err);
    }
    if (base && (!point->ours || point->manifest.adopted) &&
        find_by_name(set, point, base, &ret->file, err) < 0)
        return -1;
    if (!ret->file && ret->original)
        log_warning("'%s', the %s of the guest, is not in the backup",
                    ret->original, file_role_text(ret->role));
    return 0;
}

int bootfiles_find(const struct backup_set *set,
                   const struct chain_point *point,
                   const struct vmconfig *config, struct bootfiles *ret,
                   struct error *err)
{
    for (size_t i = 0; i < BOOTFILES_MAX; i++) {
        _cleanup_(bootfile_done) struct bootfile f = {.role = roles[i]};

        if (find_one(set, point, config, &f, err) < 0)
            return -1;
        if (!f.file)
            continue;
        ret->items[ret->count++] = f;
        f = (struct bootfile){0};
    }
    return 0;
}

int bootfile_refers(const struct bootfile *file, const struct backup_set *set,
                    struct error *err)
{
    _cleanup_close_ int fd = bootfile_open(set->dirfd, file->file, err);
    unsigned char header[80] = {0};

    if (fd < 0)
        return error_prefix(err, "'%s'", set->path);
    if (file_pread_full(fd, header, sizeof(header), 0) < 0)
        return error_errno(err, errno, "read '%s/%s'", set->path, file->file);
    if (memcmp(header, "QFI\xfb", 4) != 0)
        return 0;
    /* The place of the backing file's name, and "has a data file". */
    for (size_t i = 8; i < 16; i++)
        if (header[i])
            return 1;
    return (header[79] & 4) != 0;
}

/* ---- where to ---- */

static bool is_taken(const char *name, char *const *taken, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(taken[i], name) == 0)
            return true;
    return false;
}

/* Its base name; `<role>-<base name>` if that is taken. */
static int choose_name(struct bootfiles *files, struct bootfile *f,
                       char *const *taken, size_t count, struct error *err)
{
    const char *base = base_name(f->original);
    bool used = false;

    if (!base)
        base = f->file;
    used = is_taken(base, taken, count);
    for (size_t i = 0; i < files->count; i++)
        used |= files->items[i].name && strcmp(files->items[i].name, base) == 0;
    f->name = used ? text_dup_printf("%s-%s", file_role_text(f->role), base)
                   : strdup(base);
    if (!f->name)
        return error_memory(err);
    if (used && (is_taken(f->name, taken, count) || !name_is_leaf(f->name)))
        return error_set(err, ERR_INPUT,
                         "there is no name left for the %s of the guest, "
                         "'%s'",
                         file_role_text(f->role), base);
    return 0;
}

int bootfiles_name(struct bootfiles *files, const struct backup_set *set,
                   int targetfd, char *const *taken, size_t count,
                   struct error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        struct bootfile *f = &files->items[i];
        int same;

        if (f->in_place)
            continue;
        if (choose_name(files, f, taken, count, err) < 0)
            return -1;
        same = bootfile_compare(set->dirfd, f->file, targetfd, f->name, err);
        if (same < 0)
            return -1;
        f->is_there = same == BOOTFILE_SAME;
    }
    return 0;
}

/* Something is where it should go. */
static int judge_existing(struct bootfile *f, bool same, bool alone,
                          struct error *err)
{
    const char *role = file_role_text(f->role);

    f->stays = true;
    if (f->role == FILE_NVRAM && alone)
        return error_set(err, ERR_EXISTS,
                         "'%s' exists: another guest may use it; move it away, "
                         "or leave out --boot-files-in-place",
                         f->original);
    if (same)
        return 0;
    if (f->role != FILE_LOADER)
        return error_set(err, ERR_EXISTS,
                         "'%s' exists, and is not the %s in the backup; it is "
                         "not replaced, so move it away, or leave out "
                         "--boot-files-in-place",
                         f->original, role);
    log_warning("'%s' is not the %s that is in the backup; it stays",
                f->original, role);
    return 0;
}

static int check_place(struct bootfile *f, const struct backup_set *set,
                       bool alone, struct error *err)
{
    _cleanup_close_ int dirfd = -1;
    int same;

    if (f->original[0] != '/' || strstr(f->original, "/../") ||
        !base_name(f->original))
        return error_set(err, ERR_INPUT,
                         "'%s', the %s of the guest, is not a place to restore "
                         "it to; leave out --boot-files-in-place",
                         f->original, file_role_text(f->role));
    dirfd = bootfile_open_parent(f->original, err);
    if (dirfd < 0)
        return -1;
    same = bootfile_compare(set->dirfd, f->file, dirfd, base_name(f->original),
                            err);
    if (same < 0)
        return -1;
    f->in_place = true;
    return same == BOOTFILE_ABSENT
               ? 0
               : judge_existing(f, same == BOOTFILE_SAME, alone, err);
}

int bootfiles_in_place(struct bootfiles *files, const struct backup_set *set,
                       bool alone, struct error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        struct bootfile *f = &files->items[i];

        if (!f->original)
            log_warning("nothing says where the %s of the guest was; it is "
                        "restored beside the disks",
                        file_role_text(f->role));
        else if (check_place(f, set, alone, err) < 0)
            return -1;
    }
    return 0;
}
