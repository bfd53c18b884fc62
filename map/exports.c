/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exports.c - see exports.h */
#include "exports.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "set/chain.h"
#include "set/sequence.h"
#include "set/until.h"

/* One disk, with what its view stands on. */
struct disk {
    struct export_disk export;
    char *name;
    char *description;
    struct source source;
};

struct exports {
    struct chain *chain;       /* of the directory, or NULL */
    const char *point;         /* the one that was chosen; NULL: the newest */
    struct sequence *sequence; /* of the files, or NULL */
    struct cache *cache;
    struct readers *readers;
    struct disk **disks;
    size_t count;
};

static void disk_free(struct disk *d)
{
    view_free(d->export.view);
    source_done(&d->source);
    free(d->name);
    free(d->description);
    free(d);
}

void exports_free(struct exports *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->count; i++)
        disk_free(e->disks[i]);
    free(e->disks);
    cache_free(e->cache);
    readers_free(e->readers);
    sequence_free(e->sequence);
    chain_free(e->chain);
    free(e);
}

void exports_freep(struct exports **e)
{
    exports_free(*e);
}

size_t exports_count(const struct exports *e)
{
    return e->count;
}

const struct export_disk *exports_get(const struct exports *e, size_t i)
{
    return &e->disks[i]->export;
}

const struct export_disk *exports_find(const struct exports *e,
                                       const char *name)
{
    if (!*name && e->count == 1)
        return &e->disks[0]->export;
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(e->disks[i]->name, name) == 0)
            return &e->disks[i]->export;
    return NULL;
}

/* Append a disk, which takes over source (emptied) and description (NULL: no
 * memory).
 */
static int add_disk(struct exports *e, struct source *own_source,
                    const char *name, char *own_description, struct error *err)
{
    _cleanup_free_ char *description = own_description;
    struct disk **grown =
        reallocarray(e->disks, e->count + 1, sizeof(struct disk *));
    struct disk *d = NULL;

    if (grown) {
        e->disks = grown;
        d = calloc(1, sizeof(*d));
    }
    if (!d || !description) {
        free(d);
        return error_memory(err);
    }
    e->disks[e->count++] = d;
    d->source = *own_source;
    *own_source = (struct source){0};
    d->export.description = d->description = take(description);
    d->export.name = d->name = strdup(name);
    if (!d->name)
        return error_memory(err);
    return view_new(&d->source, e->cache, e->readers, &d->export.view, err);
}

static int add_selected(struct exports *e, const struct selection_disk *disk,
                        const char *name, struct error *err)
{
    const struct chain_point *point = &e->chain->points[disk->point];
    _cleanup_(source_done) struct source source = {0};
    char *description = NULL;

    if (source_open(e->chain, disk, &source, err) < 0)
        return error_prefix(err, "disk '%s'", disk->disk);
    if (e->chain->domain_name)
        description = text_dup_printf("disk %s of %s at point %s", disk->disk,
                                      e->chain->domain_name, point->name);
    else
        description =
            text_dup_printf("disk %s at point %s", disk->disk, point->name);
    return add_disk(e, &source, name ? name : disk->disk, description, err);
}

/* One of the disks that the user named, or all of the point (NULL). */
static int add_disks(struct exports *e, const struct exports_request *request,
                     const char *only, struct error *err)
{
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    if (only && exports_find(e, only))
        return error_set(err, ERR_INPUT, "disk '%s' is named twice", only);
    if (only ? chain_select_disk(e->chain, e->point, only, &s, err) < 0
             : chain_select(e->chain, e->point, &s, err) < 0)
        return -1;
    if (s.disk_count == 0)
        return error_set(err, ERR_INPUT, "the point '%s' has no disks",
                         e->chain->points[s.point].name);
    for (size_t i = 0; i < s.disk_count; i++)
        if (add_selected(e, &s.disks[i], request->name, err) < 0)
            return -1;
    return 0;
}

static int open_dir(struct exports *e, const struct exports_request *request,
                    struct error *err)
{
    _cleanup_close_ int dirfd = dir_open(request->dir, err);

    if (dirfd < 0)
        return -1;
    if (chain_open(dirfd, &e->chain, err) < 0)
        return -1;
    if (request->point
            ? until_find(e->chain, request->point, &e->point, err) < 0
            : chain_check_newest(e->chain, err) < 0)
        return -1;
    if (request->disk_count == 0)
        return add_disks(e, request, NULL, err);
    for (size_t i = 0; i < request->disk_count; i++)
        if (add_disks(e, request, request->disks[i], err) < 0)
            return -1;
    return 0;
}

static int open_files(struct exports *e, const struct exports_request *request,
                      struct error *err)
{
    _cleanup_(source_done) struct source source = {0};
    const char *disk = NULL;

    if (sequence_open(request->files, request->file_count, &e->sequence, err) <
            0 ||
        sequence_source(e->sequence, &source, err) < 0)
        return -1;
    disk = sequence_disk(e->sequence);
    return add_disk(e, &source, request->name ? request->name : disk,
                    text_dup_printf("disk %s", disk), err);
}

static int check_request(const struct exports_request *r, struct error *err)
{
    if (r->dir ? r->file_count > 0 : r->file_count == 0)
        return error_set(err, ERR_INPUT,
                         "either a backup directory or data files are needed");
    if (!r->dir && (r->point || r->disk_count > 0))
        return error_set(err, ERR_INPUT,
                         "a point, or a disk, can be chosen of a directory "
                         "only");
    return 0;
}

int exports_open(const struct exports_request *request, struct exports **ret,
                 struct error *err)
{
    _cleanup_(exports_freep) struct exports *e = calloc(1, sizeof(*e));

    if (!e)
        return error_memory(err);
    if (check_request(request, err) < 0 ||
        cache_new(request->cache_size, &e->cache, err) < 0 ||
        readers_new(&e->readers, err) < 0)
        return -1;
    if (request->dir) {
        if (open_dir(e, request, err) < 0)
            return error_prefix(err, "'%s'", request->dir);
    } else if (open_files(e, request, err) < 0) {
        return -1;
    }
    if (request->name && e->count != 1)
        return error_set(
            err, ERR_INPUT,
            "a name for the export can be given for one disk only");
    *ret = take(e);
    return 0;
}
