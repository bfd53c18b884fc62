/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.c - see report.h; gathers what report_page.c lays out */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "cli/result_file.h"
#include "report_page.h"

/* The page shows what lies inside of disks in outline: who may not read the
 * backup may not read it either. */
#define PAGE_MODE 0600

static void page_done(struct page *p)
{
    for (size_t i = 0; p->points && i < p->survey.count; i++) {
        for (size_t k = 0; k < p->points[i].lost_count; k++)
            free(p->points[i].lost[k]);
        free(p->points[i].lost);
    }
    free(p->points);
    survey_done(&p->survey);
    verify_result_done(&p->verified);
    free(p->directory);
}

/* What the damaged data means for the disks of one point. */
static int judge_point(struct page *p, size_t number, struct error *err)
{
    const struct chain_point *point = p->survey.points[number].point;
    struct page_point *pp = &p->points[number];

    pp->lost = calloc(point->file_count + 1, sizeof(*pp->lost));
    if (!pp->lost)
        return error_memory(err);
    for (size_t k = 0; k < point->file_count; k++) {
        const char *disk = point->files[k].disk;
        enum impact impact = IMPACT_NONE;
        char *text = NULL;

        if (p->disk && strcmp(p->disk, disk) != 0)
            continue;
        if (impact_judge(p->set, point, disk, p->verified.checks,
                         p->verified.count, &impact, &text, err) < 0) {
            /* The survey has found that already. */
            if (err->kind != ERR_DAMAGED)
                return -1;
            error_clear(err);
        }
        if (text)
            pp->lost[pp->lost_count++] = text;
    }
    return 0;
}

static int gather(struct page *p, const struct restore_options *options,
                  struct error *err)
{
    if (survey_make(p->set, p->disk, &p->survey, err) < 0)
        return -1;
    p->points = calloc(p->survey.count + 1, sizeof(*p->points));
    if (!p->points)
        return error_memory(err);
    if (options->no_verify)
        return 0;
    if (verify_examine(p->set, options, &p->verified, err) < 0)
        return -1;
    p->was_verified = true;
    for (size_t i = 0; p->verified.faults > 0 && i < p->survey.count; i++)
        if (judge_point(p, i, err) < 0)
            return -1;
    return 0;
}

/* The exit status says what the page says. */
static int conclude(const struct page *p, struct error *err)
{
    size_t lost = page_lost_points(p);

    if (lost > 0)
        return error_set(err, ERR_DAMAGED,
                         "'%s': %zu of %zu points cannot be restored",
                         p->set->path, lost, p->survey.count);
    if (p->survey.faults.count > 0)
        return error_set(err, ERR_DAMAGED, "'%s': %s", p->set->path,
                         p->survey.faults.items[0]);
    if (p->verified.faults > 0)
        return error_set(err, ERR_DAMAGED, "'%s' is damaged, see the report",
                         p->set->path);
    return 0;
}

int report_set(const struct backup_set *set,
               const struct restore_options *options, struct error *err)
{
    _cleanup_(result_file_close) struct result_file file = RESULT_FILE_INIT;
    _cleanup_(page_done) struct page page = {
        .set = set, .disk = options->disk, .made = time(NULL)};
    _cleanup_free_ char *text = NULL;
    size_t length = 0;

    if (result_file_open(options->output, &file, err) < 0)
        return -1;
    page.directory = realpath(set->path, NULL);
    if (gather(&page, options, err) < 0 ||
        page_write(&page, &text, &length, err) < 0 ||
        result_file_put(&file, text, length, PAGE_MODE, err) < 0)
        return -1;
    if (file.dirfd >= 0)
        log_info("report of %zu %s in '%s'", page.survey.count,
                 page.survey.count == 1 ? "point" : "points", options->output);
    return conclude(&page, err);
}
