/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.c - see report.h */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/redact.h"
#include "cli/metrics.h"
#include "cli/report.h"
#include "set/until.h"

/* A report may name the guest's files and what went wrong; metrics are read by
 * a user of their own, and hold sizes and times only. */
#define REPORT_MODE 0600
#define METRICS_MODE 0644

#define METRICS_MAX MIB

/* What the report borrows. */
struct draft {
    struct report report;
    struct report_disk *disks;
    const char **warnings;
    char *kept[LOG_KEEP_MAX];
    struct chain *chain; /* opened for the report, where the run had none */
};

static void draft_done(struct draft *d)
{
    for (size_t i = 0; i < LOG_KEEP_MAX; i++)
        free(d->kept[i]);
    free(d->warnings);
    free(d->disks);
    chain_free(d->chain);
}

int reports_open(const struct backup_options *options, struct reports *ret,
                 struct error *err)
{
    if (options->report &&
        result_file_open(options->report, &ret->json, err) < 0)
        return error_prefix(err, "--report");
    if (options->metrics &&
        result_file_open(options->metrics, &ret->metrics, err) < 0)
        return error_prefix(err, "--metrics");
    return 0;
}

void reports_close(struct reports *reports)
{
    result_file_close(&reports->json);
    result_file_close(&reports->metrics);
}

static bool is_incremental(enum level level)
{
    return level == LEVEL_INC || level == LEVEL_DIFF;
}

/* Was the disk in an earlier point, so that an increment was to be expected? */
static bool is_known(const struct chain *chain, size_t points, const char *disk)
{
    for (size_t i = 0; i < points; i++)
        for (size_t k = 0; k < chain->points[i].file_count; k++)
            if (strcmp(chain->points[i].files[k].disk, disk) == 0)
                return true;
    return false;
}

static void fill_disk(const struct run *run, const struct run_disk *d,
                      struct report_disk *ret)
{
    const struct disk_result *result = &d->result;
    enum level level = result->whole ? LEVEL_FULL : d->level;
    const struct chain_point *parent =
        is_incremental(level) ? &run->chain->points[d->parent] : NULL;

    *ret = (struct report_disk){
        .target = d->disk->target,
        .level = level_text(level),
        .parent = parent ? parent->name : NULL,
        .lost_tracking =
            is_incremental(run->level) && level == LEVEL_FULL &&
            is_known(run->chain, run->chain->point_count, d->disk->target),
        .virtual_size = result->virtual_size,
        .changed_size = result->dirty_size,
        .read_size = result->read_size,
        .zero_size = result->zero_size,
        .stored_size = result->file_size,
        .extent_count = result->extent_count,
        .duration_ms = d->duration_ms,
    };
}

static int fill_disks(const struct run *run, struct draft *d, struct error *err)
{
    d->disks = calloc(run->disk_count + 1, sizeof(*d->disks));
    if (!d->disks)
        return error_memory(err);
    for (size_t i = 0; i < run->disk_count; i++)
        fill_disk(run, &run->disks[i], &d->disks[i]);
    d->report.disks = d->disks;
    d->report.disk_count = run->disk_count;
    return 0;
}

static int fill_warnings(struct draft *d, struct error *err)
{
    d->warnings = calloc(LOG_KEEP_MAX, sizeof(*d->warnings));
    if (!d->warnings)
        return error_memory(err);
    d->report.warnings = d->warnings;
    for (unsigned i = 0; i < LOG_KEEP_MAX; i++) {
        d->kept[i] = log_kept_warning(i);
        if (!d->kept[i])
            break;
        d->warnings[d->report.warning_count++] = d->kept[i];
    }
    return 0;
}

/* The set without the point of this run. */
static void fill_older(const struct chain *chain, struct report *r)
{
    int64_t when = -1;

    r->set_points = (int64_t)chain->point_count;
    r->set_size = r->chain_length = r->set_lost_tracking = 0;
    for (size_t i = 0; i < chain->point_count; i++) {
        const struct chain_point *p = &chain->points[i];

        if (p->level == LEVEL_FULL)
            r->chain_length = 0;
        if (p->level == LEVEL_FULL || p->level == LEVEL_INC)
            r->chain_length++;
        for (size_t k = 0; k < p->file_count; k++) {
            const struct chain_file *f = &p->files[k];

            r->set_size += (int64_t)f->file_size;
            r->set_lost_tracking += is_incremental(p->level) &&
                                    f->level == LEVEL_FULL &&
                                    is_known(chain, i, f->disk);
        }
        if (until_point_time(p, &when) && when > r->last_success)
            r->last_success = when;
    }
}

static void add_newest(const struct run *run, struct report *r)
{
    r->last_success = r->begun;
    if (run->delivered)
        return; /* it is elsewhere */
    r->set_points++;
    r->set_size += (int64_t)report_total(r).stored_size;
    if (run->level == LEVEL_FULL)
        r->chain_length = 0;
    r->chain_length += run->level == LEVEL_FULL || run->level == LEVEL_INC;
    for (size_t i = 0; i < r->disk_count; i++)
        r->set_lost_tracking += r->disks[i].lost_tracking;
}

/* A run may have failed before it knew what there is: a report that does not
 * know either is better than none. */
static const struct chain *chain_of(const struct run *run, struct draft *d)
{
    struct error ignored = ERROR_INIT;

    if (run->chain)
        return run->chain;
    if (run->dirfd >= 0 && !run->options->to_stdout &&
        chain_open(run->dirfd, &d->chain, &ignored) < 0)
        error_clear(&ignored);
    return d->chain;
}

static void fill_point(const struct run *run, struct report *r)
{
    r->level_done = level_text(run->level);
    r->point = run->point;
    r->point_uuid = run->point_uuid;
    r->sequence = run->sequence;
}

static void fill_run(const struct run *run, int status, const char *error,
                     struct report *r)
{
    const struct backup_options *o = run->options;
    bool complete = run->committed || run->delivered;

    *r = (struct report){
        .program = "virtnbdbackup",
        .domain = o->domain,
        .domain_uuid = run->domain ? domain_uuid(run->domain) : NULL,
        .directory = o->to_stdout ? NULL : run->directory,
        .level_asked = backup_level_asked(o),
        .chain_uuid = run->intent.chain[0] ? run->intent.chain : NULL,
        .result = complete ? REPORT_COMPLETE
                  : error  ? REPORT_FAILED
                           : REPORT_SKIPPED,
        .exit_status = status,
        .error = error,
        .begun = run->begun,
        .ended = time(NULL),
        .duration_ms = clock_ms() - run->begun_ms,
        .frozen_ms = run->frozen_ms,
        .set_points = -1,
        .set_size = -1,
        .chain_length = -1,
        .set_lost_tracking = -1,
        .last_success = -1,
    };
    if (complete)
        fill_point(run, r);
}

static int draft_make(const struct run *run, int status, const char *error,
                      struct draft *d, struct error *err)
{
    const struct chain *chain = chain_of(run, d);

    fill_run(run, status, error, &d->report);
    if (fill_warnings(d, err) < 0)
        return -1;
    if (chain)
        fill_older(chain, &d->report);
    if (d->report.result != REPORT_COMPLETE)
        return 0;
    if (fill_disks(run, d, err) < 0)
        return -1;
    add_newest(run, &d->report);
    return 0;
}

static int write_json(const struct reports *reports, const struct report *r,
                      struct error *err)
{
    _cleanup_free_ char *text = NULL;

    if (!reports->json.path)
        return 0;
    if (report_json(r, &text, err) < 0)
        return -1;
    return result_file_put(&reports->json, text, strlen(text), REPORT_MODE,
                           err);
}

static int write_metrics(const struct reports *reports, const struct report *r,
                         struct error *err)
{
    const struct result_file *file = &reports->metrics;
    _cleanup_free_ char *before = NULL;
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error none = ERROR_INIT;
    size_t length = 0;

    if (!file->path)
        return 0;
    if (file_read_all(file->dirfd, file->name, METRICS_MAX, &before, &length,
                      &none) < 0)
        before = NULL; /* there is none, or it is not one of ours */
    if (metrics_text(r, before, &text, err) < 0)
        return -1;
    return result_file_put(file, text, strlen(text), METRICS_MODE, err);
}

int reports_write(const struct reports *reports, const struct run *run,
                  int status, const char *error, struct error *err)
{
    _cleanup_(draft_done) struct draft d = {.chain = NULL};
    _cleanup_free_ char *shown = error ? redact_text(error) : NULL;

    if (!reports->json.path && !reports->metrics.path)
        return 0;
    if (error && !shown)
        return error_memory(err);
    if (draft_make(run, status, shown, &d, err) < 0 ||
        write_json(reports, &d.report, err) < 0)
        return error_prefix(err, "--report");
    if (write_metrics(reports, &d.report, err) < 0)
        return error_prefix(err, "--metrics");
    return 0;
}
