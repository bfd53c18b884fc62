/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* impact.c - see impact.h */
#include "impact.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "set/source.h"

struct impact {
    const struct backup_set *set;
    const struct file_check *checks;
    size_t count;
};

static const struct file_check *check_of(const struct impact *im,
                                         const struct chain_file *f)
{
    for (size_t i = 0; i < im->count; i++)
        if (im->checks[i].file == f)
            return &im->checks[i];
    return NULL;
}

/* A file that makes the whole disk impossible, or NULL; `*ret_lost`: some file
 * has lost ranges.
 */
static const struct chain_file *find_unusable(const struct impact *im,
                                              const struct selection_disk *disk,
                                              bool *ret_lost)
{
    *ret_lost = false;
    for (size_t i = 0; i < disk->file_count; i++) {
        const struct file_check *c = check_of(im, disk->files[i]);

        if (c && c->unusable)
            return disk->files[i];
        *ret_lost = *ret_lost || (c && c->lost.count > 0);
    }
    return NULL;
}

/* Append what of `range` the file it comes from has lost. */
static int add_visible(const struct lost_ranges *lost,
                       const struct blockmap_range *range,
                       struct lost_ranges *out, struct error *err)
{
    uint64_t end = range->offset + range->length;

    for (size_t i = 0; i < lost->count; i++) {
        const struct lost_range *l = &lost->items[i];
        uint64_t from = MAX_OF(l->offset, range->offset);
        uint64_t to = MIN_OF(l->offset + l->length, end);

        if (from < to && lost_add(out, from, to - from, err) < 0)
            return -1;
    }
    return 0;
}

/* The lost ranges that are visible in the disk. */
static int find_visible(const struct impact *im,
                        const struct selection_disk *disk,
                        struct lost_ranges *out, struct error *err)
{
    _cleanup_(source_done) struct source source = {0};

    if (source_open(im->set->chain, disk, &source, err) < 0)
        return -1;
    for (size_t i = 0; i < source.map.count; i++) {
        const struct blockmap_range *range = &source.map.ranges[i];
        const struct file_check *c = NULL;

        if (range->source != BLOCKMAP_NONE)
            c = check_of(im, source.files[range->source].file);
        if (c && add_visible(&c->lost, range, out, err) < 0)
            return -1;
    }
    return 0;
}

static int log_disk(const struct impact *im, const struct chain_point *p,
                    const struct selection_disk *disk, struct error *err)
{
    _cleanup_(lost_done) struct lost_ranges visible = {0};
    _cleanup_free_ char *text = NULL;
    bool lost = false;
    const struct chain_file *bad = find_unusable(im, disk, &lost);

    if (bad) {
        log_error("point '%s', disk %s: cannot be restored without '%s'",
                  p->name, disk->disk, bad->file);
        return 0;
    }
    if (!lost)
        return 0;
    if (find_visible(im, disk, &visible, err) < 0)
        return verify_note(err);
    if (visible.count == 0) {
        log_info("point '%s', disk %s: newer data hides all damage", p->name,
                 disk->disk);
        return 0;
    }
    text = lost_text(&visible);
    if (!text)
        return error_memory(err);
    log_error("point '%s', disk %s: cannot be restored, these ranges are "
              "lost: %s",
              p->name, disk->disk, text);
    return 0;
}

/* Disk by disk: one that is lost does not hide what is left of the others. */
static int log_point(const struct impact *im, const struct chain_point *p,
                     const char *only, struct error *err)
{
    for (size_t i = 0; i < p->file_count; i++) {
        const char *disk = p->files[i].disk;
        _cleanup_selection_ struct selection s = SELECTION_INIT;
        int r = 0;

        if (only && strcmp(only, disk) != 0)
            continue;
        r = chain_select_disk(im->set->chain, p->name, disk, &s, err);
        if (r < 0 && err->kind == ERR_DAMAGED)
            error_prefix(err, "point '%s' cannot be restored", p->name);
        if (r < 0 ? verify_note(err) < 0
                  : log_disk(im, p, &s.disks[0], err) < 0)
            return -1;
    }
    return 0;
}

int impact_log(const struct backup_set *set, const char *disk,
               const struct file_check *checks, size_t count, struct error *err)
{
    struct impact im = {.set = set, .checks = checks, .count = count};

    for (size_t i = 0; i < set->point_count; i++)
        if (log_point(&im, &set->chain->points[i], disk, err) < 0)
            return -1;
    return 0;
}
