/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extra.c - see extra.h */
#include "extra.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "set/files.h"

/* Names that belong here, sorted; borrowed, but for those made here. */
struct known {
    VEC(const char *) names;
    VEC(char *) owned;
};

static void known_done(struct known *k)
{
    vec_foreach (name, &k->owned)
        free(*name);
    vec_free(&k->owned);
    vec_free(&k->names);
}

static int add(struct known *k, const char *name, struct error *err)
{
    return vec_push(&k->names, name) < 0 ? error_memory(err) : 0;
}

static int add_made(struct known *k, char *own_name, struct error *err)
{
    if (!own_name || vec_push(&k->owned, own_name) < 0) {
        free(own_name);
        return error_memory(err);
    }
    return add(k, own_name, err);
}

static int add_point(struct known *k, const struct chain_point *p,
                     struct error *err)
{
    const struct manifest *m = &p->manifest;

    if (add_made(k, text_dup_printf("manifest.%s.json", p->name), err) < 0)
        return -1;
    for (size_t i = 0; i < m->disk_count; i++)
        if (add(k, m->disks[i].file, err) < 0 ||
            add(k, m->disks[i].index, err) < 0 ||
            add_made(k, text_dup_printf("%s.chksum", m->disks[i].file), err) <
                0)
            return -1;
    for (size_t i = 0; i < m->file_count; i++)
        if (add(k, m->files[i].name, err) < 0)
            return -1;
    return 0;
}

/* Data files that no manifest names, and what a failed run has left, are told
 * of elsewhere.
 */
static int add_noted(struct known *k, const struct chain *chain,
                     struct error *err)
{
    for (size_t i = 0; i < chain->note_count; i++)
        if (add(k, chain->notes[i].name, err) < 0)
            return -1;
    return chain->domain_name
               ? add_made(k, text_dup_printf("%s.cpt", chain->domain_name), err)
               : 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_log(const char *name)
{
    size_t length = strlen(name);

    return strncmp(name, "backup.", 7) == 0 && length > 11 &&
           strcmp(name + length - 4, ".log") == 0;
}

static bool is_known(const struct known *k, const char *name)
{
    return k->names.count > 0 && bsearch(&name, k->names.items, k->names.count,
                                         sizeof(name), compare) != NULL;
}

/* Log what is in a directory and not known; `below` stands in front of its
 * names.
 */
static int log_strange(const struct known *k, int dirfd, const char *below,
                       struct error *err)
{
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;

    if (files_list(dirfd, FILES_MAX_NAMES, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        _cleanup_free_ char *name =
            text_dup_printf("%s%s", below, names.names[i]);

        if (!name)
            return error_memory(err);
        if (is_known(k, name) || (!below[0] && is_log(name)) ||
            (!below[0] && strcmp(name, "checkpoints") == 0))
            continue;
        if (file_name_is_temporary(names.names[i]))
            log_warning("'%s' was left by a run that did not finish", name);
        else
            log_warning("'%s' is no part of the backup", name);
    }
    return 0;
}

static bool is_ours(const struct chain *chain)
{
    for (size_t i = 0; i < chain->point_count; i++)
        if (!chain->points[i].ours)
            return false;
    return chain->ours;
}

int extra_log(const struct backup_set *set, struct error *err)
{
    const struct chain *chain = set->chain;
    _cleanup_(known_done) struct known k = {0};
    _cleanup_close_ int checkpoints = -1;

    if (!is_ours(chain))
        return 0;
    for (size_t i = 0; i < chain->point_count; i++)
        if (add_point(&k, &chain->points[i], err) < 0)
            return -1;
    if (add_noted(&k, chain, err) < 0)
        return -1;
    if (k.names.count > 0)
        qsort(k.names.items, k.names.count, sizeof(k.names.items[0]), compare);
    if (log_strange(&k, set->dirfd, "", err) < 0 ||
        files_open_checkpoints(set->dirfd, &checkpoints, err) < 0)
        return -1;
    return checkpoints < 0 ? 0
                           : log_strange(&k, checkpoints, "checkpoints/", err);
}
