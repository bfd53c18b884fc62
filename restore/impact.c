/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* impact.c - see impact.h */
#include "impact.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "set/source.h"

struct impact_of {
    const struct backup_set *set;
    const struct file_check *checks;
    size_t count;
};

static const struct file_check *check_of(const struct impact_of *im,
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
static const struct chain_file *find_unusable(const struct impact_of *im,
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
static int find_visible(const struct impact_of *im,
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

/* `*ret_text`: why the disk is lost. */
static int judge_disk(const struct impact_of *im,
                      const struct selection_disk *disk, enum impact *ret,
                      char **ret_text, struct error *err)
{
    _cleanup_(lost_done) struct lost_ranges visible = {0};
    _cleanup_free_ char *ranges = NULL;
    bool lost = false;
    const struct chain_file *bad = find_unusable(im, disk, &lost);

    *ret = bad ? IMPACT_LOST : IMPACT_NONE;
    if (!bad && lost) {
        if (find_visible(im, disk, &visible, err) < 0)
            return -1;
        *ret = visible.count > 0 ? IMPACT_LOST : IMPACT_HIDDEN;
        ranges = lost_text(&visible);
        if (!ranges)
            return error_memory(err);
    }
    if (*ret != IMPACT_LOST)
        return 0;
    *ret_text =
        bad ? text_dup_printf("cannot be restored without '%s'", bad->file)
            : text_dup_printf("cannot be restored, these ranges are lost: %s",
                              ranges);
    return *ret_text ? 0 : error_memory(err);
}

int impact_judge(const struct backup_set *set, const struct chain_point *point,
                 const char *disk, const struct file_check *checks,
                 size_t count, enum impact *ret, char **ret_text,
                 struct error *err)
{
    const struct impact_of im = {.set = set, .checks = checks, .count = count};
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    if (chain_select_disk(set->chain, point->name, disk, &s, err) < 0) {
        if (err->kind == ERR_DAMAGED)
            error_prefix(err, "point '%s' cannot be restored", point->name);
        return -1;
    }
    return judge_disk(&im, &s.disks[0], ret, ret_text, err);
}

static int log_disk(const struct backup_set *set, const struct chain_point *p,
                    const char *disk, const struct file_check *checks,
                    size_t count, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    enum impact impact = IMPACT_NONE;

    if (impact_judge(set, p, disk, checks, count, &impact, &text, err) < 0)
        return verify_note(err);
    if (impact == IMPACT_LOST)
        log_error("point '%s', disk %s: %s", p->name, disk, text);
    if (impact == IMPACT_HIDDEN)
        log_info("point '%s', disk %s: newer data hides all damage", p->name,
                 disk);
    return 0;
}

/* Disk by disk: one that is lost does not hide what is left of the others. */
int impact_log(const struct backup_set *set, const char *only,
               const struct file_check *checks, size_t count, struct error *err)
{
    for (size_t i = 0; i < set->point_count; i++) {
        const struct chain_point *p = &set->chain->points[i];

        for (size_t k = 0; k < p->file_count; k++) {
            const char *disk = p->files[k].disk;

            if ((!only || strcmp(only, disk) == 0) &&
                log_disk(set, p, disk, checks, count, err) < 0)
                return -1;
        }
    }
    return 0;
}
