/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* places.c - see places.h */
#include "places.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "image.h"

void place_list_done(struct place_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        place_done(&list->items[i]);
    free(list->items);
    *list = (struct place_list){0};
}

static const struct chain_point *point_of(const struct places_request *r)
{
    return &r->set->chain->points[r->selection->point];
}

/* Without a manifest nothing tells a disk that was left out of a run from one
 * whose file is gone.
 */
static int check_gap(const struct places_request *r, const char *disk,
                     struct error *err)
{
    if (point_of(r)->ours || r->options->allow_missing || r->options->disk)
        return 0;
    return error_set(err, ERR_DAMAGED,
                     "point '%s' holds no data of disk '%s': it was left out "
                     "of that run, or its file is missing; --allow-missing "
                     "restores what there is, -d one disk",
                     point_of(r)->name, disk);
}

/* A disk that the point does not hold is restored in its state before, if the
 * domain had it then (it was left out of the backup); not if it was detached.
 * Outcome 1: to be restored; 0: not.
 */
static int is_wanted(const struct places_request *r,
                     const struct selection_disk *disk, struct error *err)
{
    const struct chain_point *point = point_of(r);
    const char *only = r->options->disk;

    if (only && strcmp(disk->disk, only) != 0)
        return 0;
    if (disk->point == r->selection->point)
        return 1;
    if (!only && r->config->disks.count > 0 &&
        !disk_list_find(&r->config->disks, disk->disk)) {
        log_info("%s: not restored, the domain had no such disk at point '%s'",
                 disk->disk, point->name);
        return 0;
    }
    /* Of a raw disk there are no increments. */
    if (!disk->files[disk->file_count - 1]->raw &&
        check_gap(r, disk->disk, err) < 0)
        return -1;
    log_warning("%s: not in point '%s'; its state at point '%s' is restored",
                disk->disk, point->name,
                r->set->chain->points[disk->point].name);
    return 1;
}

static bool is_selected(const struct selection *s, const char *disk)
{
    for (size_t i = 0; i < s->disk_count; i++)
        if (strcmp(s->disks[i].disk, disk) == 0)
            return true;
    return false;
}

/* Disks of the domain that the backup has nothing of. */
static int check_config(const struct places_request *r, struct error *err)
{
    for (size_t i = 0; !r->options->disk && i < r->config->disks.count; i++) {
        const struct domain_disk *d = &r->config->disks.items[i];

        if (d->skip_kind == DISK_SKIP_INFO ||
            is_selected(r->selection, d->target))
            continue;
        /* One that is never saved unless asked for is not missed. */
        if (d->skip_kind == DISK_TAKEN && check_gap(r, d->target, err) < 0)
            return -1;
        log_warning("%s: the domain has this disk, the backup does not",
                    d->target);
    }
    return 0;
}

static bool is_taken(const struct place_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].name && strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), n = strlen(end);

    return length > n && strcmp(text + length - n, end) == 0;
}

/* The name of the image: as it was.  In another format than its name says, it
 * gets that one's ending; a name that is taken, the disk's in front.
 */
static char *image_name(const struct places_request *r,
                        const struct place_list *list, const struct place *p)
{
    const char *other = strcmp(p->format, "raw") == 0 ? ".qcow2" : ".raw";
    _cleanup_free_ char *name = NULL;

    if (r->options->sequence)
        return strdup(p->disk->disk);
    name = vmconfig_image_name(r->config, p->disk->disk, p->format);
    if (name && ends_with(name, other)) {
        char *renamed = text_dup_printf(
            "%.*s.%s", (int)(strlen(name) - strlen(other)), name, p->format);

        free(name);
        name = renamed;
    }
    if (name && is_taken(list, name))
        return text_dup_printf("%s-%s", p->disk->disk, name);
    return take(name);
}

/* A new image in the output directory. */
static int make_place(const struct places_request *r,
                      const struct place_list *list,
                      const struct selection_disk *disk, struct place *ret,
                      struct error *err)
{
    _cleanup_(place_done) struct place p = PLACE_INIT;

    p.disk = disk;
    p.format = r->options->format ? r->options->format : image_format(disk);
    p.name = image_name(r, list, &p);
    if (p.name)
        p.path = text_dup_printf("%s/%s", r->target, p.name);
    if (!p.path)
        return error_memory(err);
    *ret = p;
    p = (struct place)PLACE_INIT;
    return 0;
}

static int add_disk(const struct places_request *r, struct place_list *list,
                    const struct selection_disk *disk, struct error *err)
{
    const char *target = restore_options_target(r->options, disk->disk);
    struct place *p = &list->items[list->count];

    *p = (struct place)PLACE_INIT;
    if (target ? place_open(target, disk, r->set, p, err) < 0
               : make_place(r, list, disk, p, err) < 0)
        return -1;
    list->count++;
    return 0;
}

/* Every disk that the user named is among them? */
static int check_named(const struct places_request *r,
                       const struct place_list *list, struct error *err)
{
    const struct restore_options *o = r->options;

    if (o->disk && list->count == 0)
        return error_set(err, ERR_INPUT,
                         "the backup in '%s' holds no disk '%s' that could be "
                         "restored",
                         r->set->path, o->disk);
    for (size_t i = 0; i < o->target_count; i++) {
        bool found = false;

        for (size_t k = 0; k < list->count; k++)
            found =
                found || restore_options_target(o, list->items[k].disk->disk) ==
                             o->targets[i].place;
        if (!found)
            return error_set(err, ERR_INPUT,
                             "--target '%s': no such disk is restored",
                             o->targets[i].disk);
    }
    return 0;
}

int places_choose(const struct places_request *r, struct place_list *ret,
                  struct error *err)
{
    _cleanup_(place_list_done) struct place_list list = {0};
    const struct selection *s = r->selection;

    list.items = calloc(s->disk_count + 1, sizeof(*list.items));
    if (!list.items)
        return error_memory(err);
    for (size_t i = 0; i < s->disk_count; i++) {
        int wanted = is_wanted(r, &s->disks[i], err);

        if (wanted < 0 ||
            (wanted > 0 && add_disk(r, &list, &s->disks[i], err) < 0))
            return -1;
    }
    if (check_config(r, err) < 0 || check_named(r, &list, err) < 0 ||
        places_check(list.items, list.count, err) < 0)
        return -1;
    *ret = list;
    list = (struct place_list){0};
    return 0;
}
