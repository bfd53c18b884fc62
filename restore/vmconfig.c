/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmconfig.c - see vmconfig.h */
#include "vmconfig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/patience.h"
#include "base/text.h"
#include "set/sealed.h"

#define XML_MAX (16 * MIB)
#define RUN_MAX_S 86400 /* no backup takes longer */

static const struct manifest_file *find_file(const struct chain_point *point,
                                             const char *name)
{
    for (size_t i = 0; point->ours && i < point->manifest.file_count; i++)
        if (strcmp(point->manifest.files[i].name, name) == 0)
            return &point->manifest.files[i];
    return NULL;
}

static int read_file(const struct backup_set *set,
                     const struct chain_point *point, const char *name,
                     size_t max, char **ret_text, size_t *ret_length,
                     struct error *err)
{
    const struct manifest_file *entry = find_file(point, name);
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;
    char hash[HASH_TEXT_SIZE];
    size_t length;

    if (file_read_all(set->dirfd, name, max, &text, &length, &why) < 0) {
        if (why.code != ENOENT) {
            error_move(err, &why);
            return -1;
        }
        return entry ? error_set(err, ERR_DAMAGED, "'%s/%s' is missing",
                                 set->path, name)
                     : 0;
    }
    if (entry) {
        hash_text(text, length, hash);
        if (strcmp(hash, entry->hash) != 0)
            return error_set(err, ERR_DAMAGED,
                             "'%s/%s' is not as it was written", set->path,
                             name);
    }
    *ret_text = take(text);
    *ret_length = length;
    return 1;
}

/* ---- names ---- */

/* 1 and the name, if something is called so; 0: nothing is. */
static int try_name(const struct backup_set *set,
                    const struct chain_point *point, const char *front,
                    const char *ident, const char *back, char **ret,
                    struct error *err)
{
    PATIENCE_SCOPE("looking at a file");
    _cleanup_free_ char *name = text_dup_printf("%s%s%s", front, ident, back);
    bool all_are_named = point->ours && !point->manifest.adopted;
    struct stat st;

    if (!name)
        return error_memory(err);
    /* One that is named and missing is damage, which the reader finds. */
    if (!find_file(point, name) &&
        (all_are_named ||
         fstatat(set->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0))
        return 0;
    *ret = take(name);
    return 1;
}

/* The number between `front` and `back` in a name: true, or it has none. */
static bool number_in(const char *name, const char *front, const char *back,
                      uint64_t *ret)
{
    size_t length = strlen(name), a = strlen(front), b = strlen(back);
    char digits[24] = "";

    if (length <= a + b || length - a - b >= sizeof(digits) ||
        strncmp(name, front, a) != 0 || strcmp(name + length - b, back) != 0)
        return false;
    memcpy(digits, name + a, length - a - b);
    return text_u64(digits, ret) == 0;
}

/* The first one that was written at `since` or soon after: in the same run. */
static int try_times(const struct backup_set *set, const char *front,
                     uint64_t since, const char *back, char **ret,
                     struct error *err)
{
    _cleanup_close_ int fd = dir_reopen(set->dirfd);
    _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e = NULL;
    uint64_t best = UINT64_MAX;

    PATIENCE_SCOPE("reading a directory");
    if (!dir)
        return error_errno(err, errno, "list '%s'", set->path);
    (void)take_fd(fd);
    while ((e = readdir(dir))) {
        uint64_t time = 0;

        if (number_in(e->d_name, front, back, &time) && time >= since &&
            time - since < RUN_MAX_S && time < best) {
            free(*ret);
            *ret = strdup(e->d_name);
            if (!*ret)
                return error_memory(err);
            best = time;
        }
    }
    return *ret != NULL;
}

int point_file_find(const struct backup_set *set,
                    const struct chain_point *point, const char *front,
                    const char *back, char **ret_name, struct error *err)
{
    bool diff =
        point->level == LEVEL_DIFF && strncmp(point->name, "diff.", 5) == 0;
    bool inc =
        point->level == LEVEL_INC && strncmp(point->name, "inc.", 4) == 0;
    uint64_t since = 0;
    int r = try_name(set, point, front, point->name, back, ret_name, err);

    if (r != 0)
        return r;
    if (inc)
        return try_name(set, point, front, point->name + 4, back, ret_name,
                        err);
    if (diff && !point->ours && text_u64(point->name + 5, &since) == 0)
        return try_times(set, front, since, back, ret_name, err);
    return 0;
}

int point_file_read(const struct backup_set *set,
                    const struct chain_point *point, const char *prefix,
                    const char *suffix, size_t max, char **ret_text,
                    size_t *ret_length, struct error *err)
{
    _cleanup_free_ char *front = text_dup_printf("%s.", prefix);
    _cleanup_free_ char *back = text_dup_printf(".%s", suffix);
    _cleanup_free_ char *name = NULL;
    int r;

    if (!front || !back)
        return error_memory(err);
    r = point_file_find(set, point, front, back, &name, err);
    return r <= 0 ? r
                  : read_file(set, point, name, max, ret_text, ret_length, err);
}

/* ---- the configuration ---- */

int vmconfig_load(const struct backup_set *set, const struct chain_point *point,
                  struct vmconfig *ret, struct error *err)
{
    _cleanup_(vmconfig_done) struct vmconfig config = VMCONFIG_INIT;
    _cleanup_error_ struct error why = ERROR_INIT;
    int r;

    r = point_file_read(set, point, "vmconfig", "xml", XML_MAX, &config.text,
                        &config.length, err);
    if (r < 0)
        return -1;
    if (r == 0)
        log_warning("the configuration of the domain ('vmconfig.%s.xml') is "
                    "not in the backup; images are named after their disks",
                    point->name);
    else if (disk_list_parse(config.text, &config.disks, &why) < 0 ||
             rewrite_origin_parse(config.text, &config.origin, &why) < 0)
        log_warning("the configuration of point '%s' makes no sense (%s); "
                    "images are named after their disks",
                    point->name, error_text(&why));
    *ret = config;
    config = (struct vmconfig)VMCONFIG_INIT;
    return 0;
}

void vmconfig_done(struct vmconfig *config)
{
    free(config->text);
    disk_list_free(&config->disks);
    rewrite_origin_free(&config->origin);
    *config = (struct vmconfig)VMCONFIG_INIT;
}

char *vmconfig_image_name(const struct vmconfig *config, const char *disk,
                          const char *format)
{
    const struct domain_disk *d = disk_list_find(&config->disks, disk);
    const char *base = d && d->source ? strrchr(d->source, '/') : NULL;

    if (base && name_is_leaf(base + 1) && base[1] != '.' &&
        strcmp(base + 1, VMCONFIG_NAME) != 0)
        return strdup(base + 1);
    return text_dup_printf("%s.%s", disk, format);
}
