/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain_manifests.c - the order that manifests give, see chain.h */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "set/chain_private.h"

/* Read one manifest into a point; one that cannot be read is a note. */
static int add_manifest(struct chain *chain, const char *file,
                        struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_error_ struct error why = ERROR_INIT;
    struct chain_point *point = NULL;

    if (manifest_load(chain->dirfd, file, &m, &why) < 0) {
        /* A file that we may not read says nothing about the set. */
        if (why.kind == ERR_MEMORY || why.code == EACCES) {
            error_move(err, &why);
            return -1;
        }
        return chain_add_note(chain, CHAIN_DAMAGE, file, error_text(&why), err);
    }
    point = chain_add_point(chain, strdup(m.name), m.level_done, err);
    if (!point)
        return -1;
    point->ours = true;
    point->manifest = m;
    m = (struct manifest)MANIFEST_INIT;
    return 0;
}

static int compare_sequence(const void *a, const void *b)
{
    const struct chain_point *x = a, *y = b;

    if (x->manifest.sequence == y->manifest.sequence)
        return name_compare(x->name, y->name);
    return x->manifest.sequence < y->manifest.sequence ? -1 : 1;
}

/* One set, one domain, no number and no UUID twice: else nothing can be said
 * about the order.
 */
static int check_one_set(const struct chain *chain, struct error *err)
{
    for (size_t i = 1; i < chain->point_count; i++) {
        const struct chain_point *a = &chain->points[i - 1];
        const struct chain_point *b = &chain->points[i];

        if (strcmp(a->manifest.chain, b->manifest.chain) != 0)
            return error_set(err, ERR_DAMAGED,
                             "the directory holds files of two chains: the "
                             "points '%s' and '%s'",
                             a->name, b->name);
        if (strcmp(a->manifest.domain_uuid, b->manifest.domain_uuid) != 0)
            return error_set(err, ERR_DAMAGED,
                             "the directory holds files of two domains: '%s' "
                             "and '%s'",
                             a->manifest.domain_name, b->manifest.domain_name);
        if (a->manifest.sequence == b->manifest.sequence)
            return error_set(err, ERR_DAMAGED,
                             "the points '%s' and '%s' have the same number "
                             "%" PRIu64,
                             a->name, b->name, a->manifest.sequence);
    }
    return 0;
}

/* A string that must not occur twice, and the point it comes from. */
struct unique {
    const char *text;
    const char *point;
};

static int compare_unique(const void *a, const void *b)
{
    return strcmp(((const struct unique *)a)->text,
                  ((const struct unique *)b)->text);
}

static int check_unique(struct unique *items, size_t count, const char *what,
                        struct error *err)
{
    qsort(items, count, sizeof(*items), compare_unique);
    for (size_t i = 1; i < count; i++)
        if (strcmp(items[i - 1].text, items[i].text) == 0)
            return error_set(err, ERR_DAMAGED,
                             "the points '%s' and '%s' have the same %s '%s'",
                             items[i - 1].point, items[i].point, what,
                             items[i].text);
    return 0;
}

static int check_twice(const struct chain *chain, struct error *err)
{
    _cleanup_free_ struct unique *items = NULL;
    size_t count = 0;

    for (size_t i = 0; i < chain->point_count; i++)
        count += chain->points[i].manifest.disk_count;
    items = calloc(count + chain->point_count + 1, sizeof(*items));
    if (!items)
        return error_memory(err);
    for (size_t i = 0; i < chain->point_count; i++)
        items[i] = (struct unique){chain->points[i].manifest.point,
                                   chain->points[i].name};
    if (check_unique(items, chain->point_count, "UUID", err) < 0)
        return -1;
    count = 0;
    for (size_t i = 0; i < chain->point_count; i++) {
        const struct chain_point *p = &chain->points[i];

        for (size_t k = 0; k < p->manifest.disk_count; k++)
            items[count++] =
                (struct unique){p->manifest.disks[k].file, p->name};
    }
    return check_unique(items, count, "data file", err);
}

/* Does point `i` follow the one before?  Otherwise `why`. */
static int check_link(const struct chain *chain, size_t i, struct error *why)
{
    const struct manifest *m = &chain->points[i].manifest;
    const struct manifest *before =
        i > 0 ? &chain->points[i - 1].manifest : NULL;

    if (m->sequence != i)
        return error_set(why, ERR_DAMAGED,
                         "the manifest of point number %zu, before '%s', is "
                         "missing",
                         i, m->name);
    if (before && strcmp(m->previous, before->hash) != 0)
        return error_set(why, ERR_DAMAGED,
                         "the manifest of '%s' does not follow that of '%s': "
                         "one of them is not the original",
                         m->name, before->name);
    return 0;
}

/* A manifest that cannot be read may be the one that is missed. */
static void name_suspect(const struct chain *chain, struct error *why)
{
    for (size_t i = 0; i < chain->note_count; i++)
        if (chain->notes[i].kind == CHAIN_DAMAGE) {
            error_append(why, " ('%s' is damaged)", chain->notes[i].name);
            return;
        }
}

/* From the first gap on, no point can be trusted to be complete. */
static int check_links(struct chain *chain, struct error *err)
{
    size_t first = 0;
    _cleanup_error_ struct error why = ERROR_INIT;
    struct name_text file = {""};

    while (first < chain->point_count && check_link(chain, first, &why) == 0)
        first++;
    if (first == chain->point_count)
        return 0;
    name_suspect(chain, &why);
    if (name_manifest(chain->points[first].name, &file, err) < 0 ||
        chain_add_note(chain, CHAIN_DAMAGE, file.text, error_text(&why), err) <
            0)
        return -1;
    for (size_t i = first; i < chain->point_count; i++) {
        chain->points[i].damage = strdup(error_text(&why));
        if (!chain->points[i].damage)
            return error_memory(err);
    }
    return 0;
}

static ssize_t find_uuid(const struct chain *chain, const char *uuid)
{
    for (size_t i = 0; i < chain->point_count; i++)
        if (strcmp(chain->points[i].manifest.point, uuid) == 0)
            return (ssize_t)i;
    return -1;
}

/* Find the point that a file builds upon. */
static int link_parent(const struct chain *chain, size_t number,
                       struct chain_file *f, struct error *why)
{
    const struct chain_file *above = NULL;
    ssize_t parent = find_uuid(chain, f->entry->parent);

    if (parent < 0)
        return error_set(why, ERR_DAMAGED,
                         "'%s' builds upon a point that is missing: %s",
                         f->file, f->entry->parent);
    if ((size_t)parent < number)
        above = chain_point_file(&chain->points[parent], f->disk);
    if (!above || !above->owner)
        return error_set(why, ERR_DAMAGED,
                         "'%s' cannot build upon the point '%s'", f->file,
                         chain->points[parent].name);
    f->parent = parent;
    return 0;
}

/* Are data file and index what the manifest says? */
static int check_disk(const struct chain *chain, const struct manifest_disk *d,
                      struct error *why)
{
    if (chain->archived)
        return 0;
    if (chain->bare)
        return error_set(why, ERR_DAMAGED,
                         "'%s' is not here; this directory holds only the "
                         "working files of backups written to stdout: unzip "
                         "all archives of the chain into one directory",
                         d->file);
    return manifest_check_disk(chain->dirfd, d, false, why);
}

static int add_file(struct chain *chain, size_t number,
                    const struct manifest_disk *d, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    struct chain_file *f =
        chain_add_file(&chain->points[number], d->target, d->file, err);

    if (!f)
        return -1;
    f->level = d->level;
    f->raw = d->raw;
    f->owner = d->checkpoint[0] != '\0';
    f->file_size = d->file_size;
    f->virtual_size = d->virtual_size;
    f->entry = d;
    if (d->parent[0] && link_parent(chain, number, f, &why) < 0 &&
        chain_set_damage(&f->damage, &why, err) < 0)
        return -1;
    if (check_disk(chain, d, &why) < 0 &&
        chain_set_damage(&f->damage, &why, err) < 0)
        return -1;
    return 0;
}

int chain_load_manifests(struct chain *chain, const struct file_names *names,
                         struct error *err)
{
    const struct manifest *last = NULL;

    for (size_t i = 0; i < names->count; i++)
        if (add_manifest(chain, names->names[i], err) < 0)
            return -1;
    if (chain->point_count == 0)
        return 0;
    qsort(chain->points, chain->point_count, sizeof(*chain->points),
          compare_sequence);
    if (check_one_set(chain, err) < 0 || check_twice(chain, err) < 0 ||
        check_links(chain, err) < 0)
        return -1;
    for (size_t i = 0; i < chain->point_count; i++) {
        const struct manifest *m = &chain->points[i].manifest;

        for (size_t k = 0; k < m->disk_count; k++)
            if (add_file(chain, i, &m->disks[k], err) < 0)
                return -1;
    }
    last = &chain->points[chain->point_count - 1].manifest;
    memcpy(chain->uuid, last->chain, sizeof(chain->uuid));
    memcpy(chain->domain_uuid, last->domain_uuid, sizeof(chain->domain_uuid));
    chain->domain_name = last->domain_name;
    return 0;
}
