/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain_upstream.c - the order of points without manifests, see chain.h
 *
 * Names and metadata of the streams have to agree.  An increment stands where
 * the number of its checkpoint puts it, and its parent must be there, exactly
 * once; what carries no checkpoint of its own (a differential, an increment of
 * a domain that was off) stands behind its parent, by date.  Where that leaves
 * two orders, nothing is guessed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "set/chain_private.h"
#include "stream/frame.h"
#include "stream/reader.h"

/* Where a file stands in the order of its set. */
struct place {
    unsigned long long number; /* of the checkpoint it belongs to */
    bool behind;               /* it has none of its own: stands behind */
    char date[META_DATE_SIZE]; /* among those; "" if not known */
};

struct node {
    struct name name;
    struct place place;
    char *file;             /* owned until it moves to the point */
    size_t rank;            /* among the differentials of its disk and parent */
    struct chain_file data; /* raw, sizes, damage, meta */
};

struct nodes {
    struct node *items;
    size_t count;
};

static void nodes_done(struct nodes *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->items[i].file);
        free(n->items[i].data.damage);
        meta_free(&n->items[i].data.meta);
    }
    free(n->items);
}

/* Read `len` bytes at `offset`, all of them. */
static int read_exactly(int fd, const char *file, void *buf, size_t len,
                        uint64_t offset, struct error *err)
{
    ssize_t got = file_pread_full(fd, buf, len, offset);

    if (got < 0)
        return error_errno(err, errno, "cannot read '%s'", file);
    if ((size_t)got != len)
        return error_set(err, ERR_DAMAGED,
                         "'%s' is cut off inside its "
                         "metadata",
                         file);
    return 0;
}

int chain_read_meta(int dirfd, const char *file, struct meta *ret,
                    uint64_t *ret_size, struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *text = NULL;
    char head[FRAME_SIZE] = "";
    struct frame frame = {0};
    uint64_t size = 0;
    ssize_t got = 0;

    if (files_open(dirfd, file, &fd, &size, err) < 0)
        return -1;
    got = file_pread_full(fd, head, sizeof(head), 0);
    if (got < 0)
        return error_errno(err, errno, "cannot read '%s'", file);
    *ret_size = size;
    if (!reader_is_stream(head, (size_t)got))
        return 0;
    if (got < FRAME_SIZE)
        return error_set(err, ERR_DAMAGED,
                         "'%s' is cut off inside its metadata", file);
    if (frame_decode(head, &frame, err) < 0)
        return error_prefix(err, "'%s'", file);
    if (frame.kind != FRAME_META || frame.start != 0 || frame.length == 0 ||
        frame.length > META_SIZE_MAX)
        return error_set(err, ERR_DAMAGED, "'%s' does not begin with metadata",
                         file);
    text = malloc(frame.length);
    if (!text)
        return error_memory(err);
    if (read_exactly(fd, file, text, frame.length, FRAME_SIZE, err) < 0)
        return -1;
    if (meta_decode(text, frame.length, ret, err) < 0)
        return error_prefix(err, "'%s'", file);
    return 1;
}

/* Do name and metadata of a stream say the same? */
static int check_meta(struct node *n, struct error *why)
{
    const struct meta *m = &n->data.meta;
    bool base = n->name.level == LEVEL_FULL || n->name.level == LEVEL_COPY;

    if (strcmp(m->disk_name, n->name.disk) != 0)
        return error_set(why, ERR_DAMAGED,
                         "'%s' says that it holds the disk '%s'", n->file,
                         m->disk_name);
    if (base && m->incremental)
        return error_set(why, ERR_DAMAGED, "'%s' says that it is an increment",
                         n->file);
    if (n->name.level == LEVEL_INC &&
        strcmp(m->checkpoint_name, n->name.point) != 0)
        return error_set(why, ERR_DAMAGED,
                         "'%s' says that it is of the checkpoint '%s'", n->file,
                         m->checkpoint_name);
    if (!base && m->incremental && !*m->parent_checkpoint)
        return error_set(why, ERR_DAMAGED,
                         "'%s' does not say what it builds upon", n->file);
    return 0;
}

/* Level and place of a stream by its metadata. */
static int place_stream(struct node *n, struct error *why)
{
    const struct meta *m = &n->data.meta;
    const char *of = m->checkpoint_name;

    snprintf(n->place.date, sizeof(n->place.date), "%s", m->date);
    n->data.virtual_size = m->virtual_size;
    n->data.level = n->name.level;
    if (check_meta(n, why) < 0)
        return -1;
    if (n->name.level == LEVEL_COPY)
        return 0;
    if (n->name.level == LEVEL_DIFF && !m->incremental)
        return error_set(why, ERR_DAMAGED,
                         "nothing tells where the full '%s' stands among the "
                         "others",
                         n->file);
    if (n->name.level == LEVEL_INC && !m->incremental)
        n->data.level = LEVEL_FULL;
    n->data.owner = n->name.level == LEVEL_FULL ||
                    (n->name.level == LEVEL_INC &&
                     strcmp(m->checkpoint_name, m->parent_checkpoint) != 0);
    n->place.behind = !n->data.owner;
    if (n->place.behind)
        of = m->parent_checkpoint;
    if (!name_is_point(of) || !name_point_number(of, &n->place.number))
        return error_set(why, ERR_DAMAGED,
                         "the checkpoint '%s' of '%s' has no number", of,
                         n->file);
    return 0;
}

/* Without usable metadata the name has to do; where it does not, the file
 * stands behind all others.
 */
static void place_by_name(struct node *n)
{
    n->data.level = n->name.level;
    n->data.owner = false;
    n->place.number = 0;
    n->place.behind = n->name.level == LEVEL_DIFF;
    if (n->name.level == LEVEL_INC &&
        !name_point_number(n->name.point, &n->place.number))
        n->place.number = ULLONG_MAX;
    if (n->name.level == LEVEL_DIFF)
        n->place.number = ULLONG_MAX;
}

static int place_raw(int dirfd, struct node *n, struct error *why)
{
    n->data.raw = true;
    n->data.virtual_size = n->data.file_size;
    place_by_name(n);
    if (n->name.level != LEVEL_FULL && n->name.level != LEVEL_COPY)
        return error_set(why, ERR_DAMAGED,
                         "'%s' is no backup stream, and an increment cannot "
                         "be a raw image",
                         n->file);
    return chain_check_raw(dirfd, n->file, why);
}

/* Learn what the file says; what is wrong with it is its damage. */
static int examine(int dirfd, struct node *n, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    int found = chain_read_meta(dirfd, n->file, &n->data.meta,
                                &n->data.file_size, &why);
    int result = 0;

    if (found > 0)
        result = place_stream(n, &why);
    else if (found == 0)
        result = place_raw(dirfd, n, &why);
    if (found >= 0 && result == 0)
        return 0;
    place_by_name(n);
    return chain_set_damage(&n->data.damage, &why, err);
}

static int compare_place(const struct place *a, const struct place *b)
{
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (a->behind != b->behind)
        return b->behind ? -1 : 1;
    return a->behind ? strcmp(a->date, b->date) : 0;
}

/* Copies first, then by place; those that know their checkpoint in front of raw
 * images; then by name.
 */
static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a, *y = b;
    bool copy_x = x->name.level == LEVEL_COPY;
    bool copy_y = y->name.level == LEVEL_COPY;
    int order = 0;

    if (copy_x != copy_y)
        return copy_x ? -1 : 1;
    order = compare_place(&x->place, &y->place);
    if (order == 0 && x->data.raw != y->data.raw)
        return x->data.raw ? 1 : -1;
    return order != 0 ? order : name_compare(x->file, y->file);
}

static bool has_full(const struct nodes *nodes, const char *disk)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (nodes->items[i].name.level == LEVEL_FULL &&
            (!disk || strcmp(nodes->items[i].name.disk, disk) == 0))
            return true;
    return false;
}

static bool has_stream_copy(const struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (nodes->items[i].name.level == LEVEL_COPY &&
            !nodes->items[i].data.raw)
            return true;
    return false;
}

/* The image of a raw disk is called a copy also where a full made it. */
static void join_raw_copies(struct nodes *nodes)
{
    if (!has_full(nodes, NULL) || has_stream_copy(nodes))
        return;
    for (size_t i = 0; i < nodes->count; i++) {
        struct node *n = &nodes->items[i];

        if (n->data.raw && n->name.level == LEVEL_COPY &&
            !has_full(nodes, n->name.disk))
            n->name.level = LEVEL_FULL;
    }
}

/* Differentials of several disks bear times of their own in their names: those
 * of one run are found by counting, disk by disk.
 */
static void rank_diffs(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        struct node *n = &nodes->items[i];

        n->rank = 0;
        if (n->name.level != LEVEL_DIFF)
            continue;
        for (size_t k = 0; k < i; k++) {
            const struct node *o = &nodes->items[k];

            n->rank += o->name.level == LEVEL_DIFF &&
                       o->place.number == n->place.number &&
                       strcmp(o->name.disk, n->name.disk) == 0;
        }
    }
}

/* Do two files come from one run? */
static bool same_point(const struct node *a, const struct node *b)
{
    if (a->name.level != b->name.level || a->place.number != b->place.number ||
        a->place.behind != b->place.behind)
        return false;
    if (a->name.level == LEVEL_DIFF)
        return a->rank == b->rank;
    return strcmp(a->name.point, b->name.point) == 0;
}

/* The name of a point.  An increment of a domain that was off bears the name of
 * the checkpoint before, which is a point already.
 */
static char *point_name(const struct node *n)
{
    switch (n->name.level) {
    case LEVEL_FULL:
        return strdup(n->data.raw || !n->data.meta.checkpoint_name ||
                              !name_is_point(n->data.meta.checkpoint_name)
                          ? "virtnbdbackup.0"
                          : n->data.meta.checkpoint_name);
    case LEVEL_COPY:
        return strdup("copy");
    case LEVEL_INC:
        if (!n->place.behind)
            return strdup(n->name.point);
        return text_dup_printf("inc.%s", n->name.point);
    case LEVEL_DIFF:
        return text_dup_printf("diff.%s", n->name.point);
    }
    return NULL;
}

/* Move a node into the point. */
static int move_file(struct chain_point *point, struct node *n,
                     struct error *err)
{
    struct chain_file *f = NULL;

    if (chain_point_file(point, n->name.disk))
        return error_set(err, ERR_DAMAGED,
                         "'%s' is a second file of its disk in the point '%s'",
                         n->file, point->name);
    f = chain_add_file(point, n->name.disk, n->file, err);
    if (!f)
        return -1;
    f->level = n->data.level;
    f->raw = n->data.raw;
    f->owner = n->data.owner;
    f->file_size = n->data.file_size;
    f->virtual_size = n->data.virtual_size;
    f->damage = take(n->data.damage);
    f->meta = n->data.meta;
    n->data.meta = (struct meta)META_INIT;
    return 0;
}

/* Every file goes to the point of its run, all of them behind the `before`
 * points that are there.  `first_of` gets one entry a point.
 */
static int make_points(struct chain *chain, size_t before, struct nodes *nodes,
                       struct node *first_of, struct error *err)
{
    for (size_t i = 0; i < nodes->count; i++) {
        struct node *n = &nodes->items[i];
        size_t k = 0;

        while (before + k < chain->point_count && !same_point(&first_of[k], n))
            k++;
        if (before + k == chain->point_count) {
            char *name = point_name(n);

            if (name && chain_find(chain, name) >= 0) {
                free(name);
                return error_set(err, ERR_DAMAGED,
                                 "'%s' bears the name of a point that is there "
                                 "already: the order is not clear",
                                 n->file);
            }
            if (!chain_add_point(chain, name, n->name.level, err))
                return -1;
            first_of[k].name = n->name;
            first_of[k].place = n->place;
            first_of[k].rank = n->rank;
        }
        if (move_file(&chain->points[before + k], n, err) < 0)
            return -1;
    }
    return 0;
}

/* The checkpoint that an increment may name to build upon this file, or NULL.
 * A full that was written as a plain image does not say which it has.
 */
static const char *checkpoint_of(const struct chain_point *point,
                                 const struct chain_file *f)
{
    if (f->raw && !f->entry && f->level == LEVEL_FULL)
        return point->name;
    if (!f->owner)
        return NULL;
    return f->entry ? f->entry->checkpoint : f->meta.checkpoint_name;
}

/* The one point whose file of this disk has the checkpoint `name`; the number
 * of such points is the result.
 */
static size_t find_owner(const struct chain *chain, const char *disk,
                         const char *name, size_t *ret)
{
    size_t count = 0;

    for (size_t i = 0; i < chain->point_count; i++) {
        const struct chain_point *p = &chain->points[i];
        const struct chain_file *f = chain_point_file(p, disk);
        const char *own = f ? checkpoint_of(p, f) : NULL;

        if (own && strcmp(own, name) == 0) {
            *ret = i;
            count++;
        }
    }
    return count;
}

/* What it builds upon is not there, or cannot be told. */
static int no_parent(const struct chain *chain, const struct chain_file *f,
                     struct error *why)
{
    error_set(why, ERR_DAMAGED, "'%s' builds upon '%s', which is missing",
              f->file, f->meta.parent_checkpoint);
    for (size_t i = 0; i < chain->point_count; i++) {
        const struct chain_file *other =
            chain_point_file(&chain->points[i], f->disk);

        if (other && other->damage && !other->meta.checkpoint_name)
            return error_append(why, " or damaged: %s", other->damage);
    }
    return -1;
}

static int link_parent(const struct chain *chain, size_t number,
                       struct chain_file *f, struct error *why)
{
    const char *name = f->meta.parent_checkpoint;
    size_t parent = 0, count = find_owner(chain, f->disk, name, &parent);

    if (count == 0)
        return no_parent(chain, f, why);
    if (count > 1 || parent >= number)
        return error_set(why, ERR_DAMAGED,
                         "'%s' builds upon '%s': the order is not clear",
                         f->file, name);
    f->parent = (ssize_t)parent;
    return 0;
}

static int link_parents(struct chain *chain, size_t before, struct error *err)
{
    for (size_t i = before; i < chain->point_count; i++) {
        struct chain_point *p = &chain->points[i];

        for (size_t k = 0; k < p->file_count; k++) {
            _cleanup_error_ struct error why = ERROR_INIT;
            struct chain_file *f = &p->files[k];

            if (f->damage || f->level == LEVEL_FULL || f->level == LEVEL_COPY)
                continue;
            if (link_parent(chain, i, f, &why) < 0 &&
                chain_set_damage(&f->damage, &why, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* Two points behind one checkpoint need dates to tell them apart.  Those
 * without a place are damaged anyway.
 */
static int check_order(const struct chain *chain, size_t before,
                       const struct node *first_of, struct error *err)
{
    for (size_t i = before + 1; i < chain->point_count; i++) {
        const struct node *a = &first_of[i - before - 1];
        const struct node *b = &first_of[i - before];

        if (a->name.level == LEVEL_COPY || b->name.level == LEVEL_COPY ||
            b->place.number == ULLONG_MAX ||
            compare_place(&a->place, &b->place) != 0)
            continue;
        return error_set(err, ERR_DAMAGED,
                         "nothing tells which of the points '%s' and '%s' is "
                         "the older one",
                         chain->points[i - 1].name, chain->points[i].name);
    }
    return 0;
}

/* The latest date of a point; "" if it has none. */
static const char *point_date(const struct chain_point *p)
{
    const char *date = "";

    for (size_t i = 0; i < p->file_count; i++)
        if (p->files[i].meta.date && strcmp(p->files[i].meta.date, date) > 0)
            date = p->files[i].meta.date;
    return date;
}

/* A copy shares nothing with the chain beside it: only the dates tell which of
 * them is the newest.  It stands in front of the chain, or behind all of it.
 */
static int place_copy(struct chain *chain, size_t before, struct error *err)
{
    struct chain_point *points = &chain->points[before];
    struct chain_point copy = {0};
    const char *copy_date = NULL, *newest = "";
    size_t count = chain->point_count - before;

    if (count < 2 || points[0].level != LEVEL_COPY)
        return 0;
    copy_date = point_date(&points[0]);
    for (size_t i = 1; i < count; i++)
        if (strcmp(point_date(&points[i]), newest) > 0)
            newest = point_date(&points[i]);
    if (!*copy_date || !*newest || strcmp(copy_date, newest) == 0)
        return chain_add_note(chain, CHAIN_DAMAGE, points[0].files[0].file,
                              "nothing tells whether the copy or the chain "
                              "beside it is newer",
                              err);
    if (strcmp(copy_date, newest) < 0)
        return 0;
    copy = points[0];
    memmove(&points[0], &points[1], (count - 1) * sizeof(points[0]));
    points[count - 1] = copy;
    return 0;
}

static int collect(const struct chain *chain, const struct file_names *names,
                   struct nodes *nodes, struct error *err)
{
    nodes->items = calloc(names->count + 1, sizeof(*nodes->items));
    if (!nodes->items)
        return error_memory(err);
    for (size_t i = 0; i < names->count; i++) {
        struct node *n = &nodes->items[nodes->count++];

        n->file = strdup(names->names[i]);
        if (!n->file)
            return error_memory(err);
        if (!name_parse(n->file, &n->name))
            return error_set(err, ERR_DAMAGED,
                             "'%s' is not the name of a data file", n->file);
        if (examine(chain->dirfd, n, err) < 0)
            return -1;
    }
    join_raw_copies(nodes);
    qsort(nodes->items, nodes->count, sizeof(*nodes->items), compare_nodes);
    return 0;
}

int chain_load_upstream(struct chain *chain, const struct file_names *names,
                        struct error *err)
{
    _cleanup_(nodes_done) struct nodes nodes = {NULL, 0};
    _cleanup_free_ struct node *first_of = NULL;
    size_t before = chain->point_count;

    if (names->count == 0)
        return 0;
    if (collect(chain, names, &nodes, err) < 0)
        return -1;
    rank_diffs(&nodes);
    first_of = calloc(nodes.count + 1, sizeof(*first_of));
    if (!first_of)
        return error_memory(err);
    if (make_points(chain, before, &nodes, first_of, err) < 0 ||
        check_order(chain, before, first_of, err) < 0)
        return -1;
    /* Before parents are linked by number. */
    if (place_copy(chain, before, err) < 0)
        return -1;
    return link_parents(chain, before, err);
}
