/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forget.c - see forget.h
 *
 * The manifests go first: from then on the points do not exist, and what is
 * left of them is in nobody's way (a run replaces small files that no manifest
 * names).
 */
#include "set/forget.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "set/chain_private.h"

/* How many points a message lists. */
#define LIST_MAX 20

void forgotten_done(struct forgotten_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].checkpoint);
    free(list->items);
    *list = (struct forgotten_list)FORGOTTEN_INIT;
}

/* "; points with one: 'c', 'b', 'a'", the newest first. */
static int append_points(const struct chain *chain, struct error *err)
{
    size_t listed = 0, owners = 0;

    for (size_t i = chain->point_count; i-- > 0;) {
        const struct chain_point *p = &chain->points[i];

        if (!manifest_checkpoint(&p->manifest) || owners++ >= LIST_MAX)
            continue;
        error_append(err, "%s'%s'",
                     listed++ == 0 ? "; it can be one of: " : ", ", p->name);
    }
    if (owners > listed)
        error_append(err, " and %zu older ones", owners - listed);
    if (owners == 0)
        error_append(err, "; there is none that has one: a full is needed");
    return -1;
}

/* May the points behind `point` be forgotten?  `*ret` is how many stay. */
static int find_point(const struct chain *chain, const char *point, size_t *ret,
                      struct error *err)
{
    ssize_t found = chain_find(chain, point);

    if (!chain->archived)
        return error_set(err, ERR_INPUT,
                         "points whose data is in the directory are not "
                         "forgotten");
    if (chain_check(chain, err) < 0)
        return -1;
    if (found < 0) {
        error_set(err, ERR_INPUT, "there is no point '%s'", point);
        return append_points(chain, err);
    }
    if (!manifest_checkpoint(&chain->points[found].manifest)) {
        error_set(err, ERR_INPUT,
                  "the point '%s' has no checkpoint to build upon", point);
        return append_points(chain, err);
    }
    *ret = (size_t)found + 1;
    return 0;
}

/* The checkpoints of all points but the first `kept`, the newest first. */
static int list_forgotten(const struct chain *chain, size_t kept,
                          struct forgotten_list *ret, struct error *err)
{
    _cleanup_forgotten_ struct forgotten_list list = FORGOTTEN_INIT;

    list.items = calloc(chain->point_count + 1, sizeof(*list.items));
    if (!list.items)
        return error_memory(err);
    for (size_t i = chain->point_count; i-- > kept;) {
        const struct manifest *m = &chain->points[i].manifest;
        const char *checkpoint = manifest_checkpoint(m);
        struct forgotten *f = &list.items[list.count];

        if (!checkpoint)
            continue;
        f->checkpoint = strdup(checkpoint);
        if (!f->checkpoint)
            return error_memory(err);
        memcpy(f->point, m->point, sizeof(f->point));
        list.count++;
    }
    *ret = list;
    list = (struct forgotten_list)FORGOTTEN_INIT;
    return 0;
}

/* One after the other, so that what is left is the start of a chain whenever
 * this ends.
 */
static int remove_manifests(int dirfd, const struct chain *chain, size_t kept,
                            struct error *err)
{
    for (size_t i = chain->point_count; i-- > kept;) {
        struct name_text name = {""};

        if (name_manifest(chain->points[i].name, &name, err) < 0 ||
            files_remove(dirfd, name.text, err) < 0 ||
            file_sync_dir(dirfd, err) < 0)
            return error_prefix(err, "cannot forget the point '%s'",
                                chain->points[i].name);
    }
    return 0;
}

/* Does a point that stays list the file? */
static bool is_needed(const struct chain *chain, size_t kept, const char *name)
{
    for (size_t i = 0; i < kept; i++) {
        const struct manifest *m = &chain->points[i].manifest;

        for (size_t k = 0; k < m->file_count; k++)
            if (strcmp(m->files[k].name, name) == 0)
                return true;
    }
    return false;
}

/* Remove a small file, unless it is not what the point listed: when in doubt,
 * keep.
 */
static int remove_file(int dirfd, const struct manifest_file *f,
                       struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    struct name name = {0};
    char hash[HASH_TEXT_SIZE] = "";
    uint64_t size = 0;

    if (name_parse(f->name, &name) && name.kind != NAME_CHECKSUM)
        return 0;
    if (files_hash(dirfd, f->name, &size, hash, &why) < 0)
        return 0;
    if (size != f->size || strcmp(hash, f->hash) != 0)
        return 0;
    return files_remove(dirfd, f->name, err) < 0 ? -1 : 0;
}

static int remove_files(int dirfd, const struct chain *chain, size_t kept,
                        struct error *err)
{
    _cleanup_close_ int checkpoints = -1;

    for (size_t i = chain->point_count; i-- > kept;) {
        const struct manifest *m = &chain->points[i].manifest;

        for (size_t k = 0; k < m->file_count; k++)
            if (!is_needed(chain, kept, m->files[k].name) &&
                remove_file(dirfd, &m->files[k], err) < 0)
                return -1;
    }
    if (files_open_checkpoints(dirfd, &checkpoints, err) < 0 ||
        (checkpoints >= 0 && file_sync_dir(checkpoints, err) < 0))
        return -1;
    return file_sync_dir(dirfd, err);
}

static int forget(int dirfd, const struct chain *chain, size_t kept,
                  struct error *err)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;

    if (chain_cpt(chain, kept, NULL, &cpt, err) < 0 ||
        remove_manifests(dirfd, chain, kept, err) < 0 ||
        remove_files(dirfd, chain, kept, err) < 0)
        return -1;
    return cpt_write(dirfd, chain->domain_name, &cpt, err);
}

int chain_forget_list(const struct chain *chain, const char *point,
                      struct forgotten_list *ret, struct error *err)
{
    size_t kept = 0;

    if (find_point(chain, point, &kept, err) < 0 ||
        list_forgotten(chain, kept, ret, err) < 0)
        return -1;
    return kept < chain->point_count;
}

int chain_forget_after(int dirfd, const struct chain *chain, const char *point,
                       struct forgotten_list *ret, struct error *err)
{
    _cleanup_forgotten_ struct forgotten_list list = FORGOTTEN_INIT;
    size_t kept = 0;

    if (find_point(chain, point, &kept, err) < 0 ||
        list_forgotten(chain, kept, &list, err) < 0 ||
        forget(dirfd, chain, kept, err) < 0)
        return -1;
    *ret = list;
    list = (struct forgotten_list)FORGOTTEN_INIT;
    return kept < chain->point_count;
}

int chain_forget_all(int dirfd, const struct chain *chain, struct error *err)
{
    if (chain->point_count == 0)
        return 0;
    if (!chain->archived)
        return error_set(err, ERR_INPUT,
                         "points whose data is in the directory are not "
                         "forgotten");
    return forget(dirfd, chain, 0, err);
}
