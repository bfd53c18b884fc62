/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify.c - see verify.h */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "cli/startup.h"
#include "extra.h"
#include "impact.h"
#include "traces.h"
#include "verify_file.h"

struct verify {
    const struct backup_set *set;
    const char *disk; /* NULL: all */
    struct verify_tools tools;
    unsigned faults; /* besides those of data files */
    VEC(struct file_check) checks;
};

/* Faults are counted, and the work goes on; anything else ends it. */
static int note(struct verify *v, struct error *err)
{
    if (verify_note(err) < 0)
        return -1;
    v->faults++;
    return 0;
}

static int check_file(struct verify *v, const struct chain_file *f,
                      struct error *err)
{
    struct file_check check;

    if (verify_file(&v->tools, f, &check, err) < 0)
        return -1;
    if (vec_push(&v->checks, check) < 0) {
        lost_done(&check.lost);
        return error_memory(err);
    }
    return 0;
}

/* Every file of the point that is not a disk's; all faults, not the first. */
static int check_files(struct verify *v, const struct manifest *m,
                       struct error *err)
{
    for (size_t i = 0; i < m->file_count; i++) {
        const struct manifest one = {.files = &m->files[i], .file_count = 1};

        if (manifest_check_files(v->set->dirfd, &one, true, err) < 0 &&
            note(v, err) < 0)
            return -1;
    }
    return 0;
}

static int check_point(struct verify *v, const struct chain_point *p,
                       struct error *err)
{
    log_info("point '%s': %zu %s", p->name, p->file_count,
             p->file_count == 1 ? "disk" : "disks");
    if (p->damage) {
        error_set(err, ERR_DAMAGED, "point '%s': %s", p->name, p->damage);
        if (note(v, err) < 0)
            return -1;
    }
    if (p->ours && check_files(v, &p->manifest, err) < 0)
        return -1;
    for (size_t i = 0; i < p->file_count; i++)
        if ((!v->disk || strcmp(v->disk, p->files[i].disk) == 0) &&
            check_file(v, &p->files[i], err) < 0)
            return -1;
    return 0;
}

/* A point that was chosen is whole without what the directory should not, or
 * should, hold besides.
 */
static int note_stranger(struct verify *v, struct error *err)
{
    if (!v->set->until || err->kind != ERR_DAMAGED)
        return note(v, err);
    log_warning("%s (point '%s' does not need it)", error_text(err),
                v->set->until);
    error_clear(err);
    return 0;
}

/* What the directory holds besides points: each fault of it. */
static int check_directory(struct verify *v, struct error *err)
{
    const struct chain *chain = v->set->chain;

    if (chain_count_notes(chain, CHAIN_INTENT) > 0)
        log_warning("'%s' holds the remains of a run that did not finish, or "
                    "one is under way; they are no part of any point",
                    v->set->path);
    for (size_t i = 0; i < chain->note_count; i++)
        if (backup_set_note(v->set, &chain->notes[i], err) < 0 &&
            note_stranger(v, err) < 0)
            return -1;
    if (backup_set_check_list(v->set, err) < 0 && note_stranger(v, err) < 0)
        return -1;
    traces_log(v->set);
    return extra_log(v->set, err);
}

static int run_checks(struct verify *v, struct error *err)
{
    if (check_directory(v, err) < 0)
        return -1;
    for (size_t i = 0; i < v->set->point_count; i++)
        if (check_point(v, &v->set->chain->points[i], err) < 0)
            return -1;
    return 0;
}

static void choose_sample(struct verify *v, const struct restore_options *o)
{
    struct sample *s = &v->tools.sample;

    if (o->sample == 0)
        return;
    *s = (struct sample){.share = o->sample,
                         .seed = o->seeded ? o->seed : sample_today()};
    log_info("a sample of %g%% of the data, number %llu (--seed %llu chooses "
             "it again); %llu numbers in a row are all of it",
             o->sample * 100.0 / SAMPLE_ALL, (unsigned long long)s->seed,
             (unsigned long long)s->seed, (unsigned long long)sample_rounds(s));
}

/* Hand over what was found, and log what it means. */
static int conclude(struct verify *v, struct verify_result *ret,
                    struct error *err)
{
    struct verify_result result = {.faults = v->faults,
                                   .bytes = v->tools.bytes,
                                   .sample = v->tools.sample};

    vec_foreach (check, &v->checks)
        result.faults += check->faults;
    if (result.faults > 0 &&
        impact_log(v->set, v->disk, v->checks.items, v->checks.count, err) < 0)
        return -1;
    result.count = v->checks.count;
    result.checks = take(v->checks.items);
    v->checks.count = 0;
    *ret = result;
    return 0;
}

static void verify_done(struct verify *v)
{
    vec_foreach (check, &v->checks)
        lost_done(&check->lost);
    vec_free(&v->checks);
    pass_free(v->tools.pass);
    progress_free(v->tools.progress);
}

void verify_result_done(struct verify_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        lost_done(&result->checks[i].lost);
    free(result->checks);
    *result = (struct verify_result){0};
}

int verify_examine(const struct backup_set *set,
                   const struct restore_options *options,
                   struct verify_result *ret, struct error *err)
{
    _cleanup_(verify_done) struct verify v = {
        .set = set,
        .disk = options->disk,
        .tools.set = set,
    };

    v.tools.progress = progress_new(startup_progress(&options->common), stderr);
    choose_sample(&v, options);
    if (pass_new(&v.tools.pass, err) < 0 || run_checks(&v, err) < 0)
        return -1;
    return conclude(&v, ret, err);
}

int verify_set(const struct backup_set *set,
               const struct restore_options *options, struct error *err)
{
    _cleanup_(verify_result_done) struct verify_result result = {0};
    const char *disk = options->disk;
    char size[TEXT_SIZE_ROOM];

    if (verify_examine(set, options, &result, err) < 0)
        return -1;
    if (result.faults > 0)
        return error_set(
            err, ERR_DAMAGED, "'%s' is damaged: %u %s found (see above)",
            set->path, result.faults, result.faults == 1 ? "fault" : "faults");
    if (result.count == 0)
        return error_set(err, ERR_INPUT, "'%s' holds no data%s%s", set->path,
                         disk ? " of disk " : "", disk ? disk : "");
    log_info("%zu %s verified, %s: no damage", result.count,
             result.count == 1 ? "file" : "files",
             text_size(result.bytes, size));
    return 0;
}
