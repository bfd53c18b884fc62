/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmconfig.c - see vmconfig.h */
#include "vmconfig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/text.h"
#include "set/sealed.h"

#define XML_MAX (16 * MIB)

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

/* What upstream calls the point in the names of small files. */
static const char *other_name(const struct chain_point *point)
{
    if (point->level == LEVEL_DIFF && strncmp(point->name, "diff.", 5) == 0)
        return point->name + 5;
    if (point->level == LEVEL_INC && strncmp(point->name, "inc.", 4) == 0)
        return point->name + 4;
    return NULL;
}

int point_file_read(const struct backup_set *set,
                    const struct chain_point *point, const char *prefix,
                    const char *suffix, size_t max, char **ret_text,
                    size_t *ret_length, struct error *err)
{
    const char *idents[] = {point->name, other_name(point)};

    for (size_t i = 0; i < array_size(idents) && idents[i]; i++) {
        _cleanup_free_ char *name =
            text_dup_printf("%s.%s.%s", prefix, idents[i], suffix);
        int r;

        if (!name)
            return error_memory(err);
        r = read_file(set, point, name, max, ret_text, ret_length, err);
        if (r != 0)
            return r;
    }
    return 0;
}

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
    else if (disk_list_parse(config.text, &config.disks, &why) < 0)
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
