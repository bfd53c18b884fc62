/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.c - see run.h */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/startup.h"
#include "host/host.h"
#include "image.h"
#include "staging.h"
#include "ticker.h"
#include "vmconfig.h"

struct run {
    const struct restore_options *options;
    const struct backup_set *set;
    struct guardian *guardian;
    struct selection selection;
    struct vmconfig config;
    int targetfd;
    char *target; /* absolute path of the target directory */
    struct staging staging;
    char *runtime_dir;
    char **names; /* of what is restored, one a disk, then the configuration */
    const struct selection_disk **disks;
    size_t disk_count, name_count;
};

static bool is_taken(const struct run *run, const char *name)
{
    for (size_t i = 0; i < run->name_count; i++)
        if (strcmp(run->names[i], name) == 0)
            return true;
    return false;
}

static int add_disk(struct run *run, const struct selection_disk *disk,
                    struct error *err)
{
    _cleanup_free_ char *name =
        vmconfig_image_name(&run->config, disk->disk, "qcow2");
    const struct chain_file *last = disk->files[disk->file_count - 1];

    if (!name)
        return error_memory(err);
    if (last->raw) {
        log_warning("%s: '%s' is a raw image, which is not restored yet; copy "
                    "it by hand",
                    disk->disk, last->file);
        return 0;
    }
    if (is_taken(run, name)) {
        /* Two images of one name, from different directories. */
        char *longer = text_dup_printf("%s-%s", disk->disk, name);

        free(name);
        name = longer;
        if (!name)
            return error_memory(err);
    }
    run->disks[run->disk_count++] = disk;
    run->names[run->name_count++] = take(name);
    return 0;
}

/* A disk that the point does not hold is restored in its state before, if the
 * domain had it then (it was left out of the backup); not if it was detached.
 */
static bool belongs_to_point(const struct run *run,
                             const struct selection_disk *disk)
{
    const struct chain_point *points = run->set->chain->points;

    if (disk->point == run->selection.point)
        return true;
    if (!run->options->disk && run->config.disks.count > 0 &&
        !disk_list_find(&run->config.disks, disk->disk)) {
        log_info("%s: not restored, the domain had no such disk at point '%s'",
                 disk->disk, points[run->selection.point].name);
        return false;
    }
    log_warning("%s: not in point '%s'; its state at point '%s' is restored",
                disk->disk, points[run->selection.point].name,
                points[disk->point].name);
    return true;
}

static int choose_disks(struct run *run, struct error *err)
{
    const struct selection *s = &run->selection;
    const char *wanted = run->options->disk;

    run->names = calloc(s->disk_count + 2, sizeof(*run->names));
    run->disks = calloc(s->disk_count + 1, sizeof(*run->disks));
    if (!run->names || !run->disks)
        return error_memory(err);
    for (size_t i = 0; i < s->disk_count; i++)
        if ((!wanted || strcmp(s->disks[i].disk, wanted) == 0) &&
            belongs_to_point(run, &s->disks[i]) &&
            add_disk(run, &s->disks[i], err) < 0)
            return -1;
    if (wanted && run->disk_count == 0)
        return error_set(err, ERR_INPUT,
                         "the backup in '%s' holds no disk '%s' that could be "
                         "restored",
                         run->set->path, wanted);
    return 0;
}

/* Is the configuration there already, the same to the byte?  It is when disks
 * are restored one by one.
 */
static bool config_is_there(const struct run *run)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    size_t length;

    return file_read_all(run->targetfd, VMCONFIG_NAME, run->config.length + 1,
                         &text, &length, &ignored) == 0 &&
           length == run->config.length &&
           memcmp(text, run->config.text, length) == 0;
}

static int check_target(struct run *run, struct error *err)
{
    if (run->config.text && !config_is_there(run)) {
        run->names[run->name_count] = strdup(VMCONFIG_NAME);
        if (!run->names[run->name_count])
            return error_memory(err);
        run->name_count++;
    }
    for (size_t i = 0; i < run->name_count; i++)
        if (faccessat(run->targetfd, run->names[i], F_OK,
                      AT_SYMLINK_NOFOLLOW) == 0)
            return error_set(err, ERR_EXISTS,
                             "'%s/%s' exists already; it is not replaced, so "
                             "move it away or choose another directory",
                             run->options->output, run->names[i]);
    return 0;
}

static int open_target(struct run *run, struct error *err)
{
    const char *path = run->options->output;

    if (dir_make(path, 0700, err) < 0)
        return -1;
    run->targetfd = dir_open(path, err);
    if (run->targetfd < 0)
        return -1;
    run->target = realpath(path, NULL);
    if (!run->target)
        return error_errno(err, errno, "find the path of '%s'", path);
    return 0;
}

/* The guardian learns of each before it exists. */
static int make_places(struct run *run, struct error *err)
{
    if (staging_name(run->targetfd, run->target, &run->staging, err) < 0 ||
        guardian_tell(run->guardian, FACT_STAGING, run->staging.path, err) <
            0 ||
        staging_make(&run->staging, err) < 0)
        return -1;
    if (host_runtime_name(&run->runtime_dir, err) < 0 ||
        guardian_tell(run->guardian, FACT_RUNTIME, run->runtime_dir, err) < 0)
        return -1;
    return host_runtime_make(run->runtime_dir, getuid(), getgid(), err);
}

static int restore_disks(struct run *run, struct error *err)
{
    _cleanup_(ticker_stopp) struct ticker *ticker = NULL;
    _cleanup_(progress_freep) struct progress *progress =
        progress_new(startup_progress(&run->options->common), stderr);

    if (ticker_start(progress, &ticker, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++) {
        _cleanup_free_ char *path = staging_path(&run->staging, run->names[i]);
        struct image_task task = {
            .set = run->set,
            .disk = run->disks[i],
            .path = path,
            .runtime_dir = run->runtime_dir,
            .progress = progress,
        };

        if (!path)
            return error_memory(err);
        log_info("restoring %s of point '%s' to '%s/%s'", task.disk->disk,
                 run->set->chain->points[run->selection.point].name,
                 run->options->output, run->names[i]);
        if (image_restore(&task, err) < 0)
            return error_prefix(err, "disk %s", task.disk->disk);
    }
    return 0;
}

static int write_config(struct run *run, struct error *err)
{
    if (run->name_count == run->disk_count)
        return 0;
    return file_replace(run->staging.dirfd, VMCONFIG_NAME, run->config.text,
                        run->config.length, 0600, err);
}

/* With one disk wanted, damage of the others does not matter. */
static int choose_point(struct run *run, struct error *err)
{
    const struct backup_set *set = run->set;
    const char *disk = run->options->disk;

    return disk ? chain_select_disk(set->chain, set->until, disk,
                                    &run->selection, err)
                : chain_select(set->chain, set->until, &run->selection, err);
}

static int run_steps(struct run *run, struct error *err)
{
    const struct chain *chain = run->set->chain;

    if (backup_set_check_strangers(run->set, err) < 0 ||
        choose_point(run, err) < 0 ||
        vmconfig_load(run->set, &chain->points[run->selection.point],
                      &run->config, err) < 0 ||
        choose_disks(run, err) < 0 || open_target(run, err) < 0 ||
        check_target(run, err) < 0 || make_places(run, err) < 0 ||
        restore_disks(run, err) < 0 || write_config(run, err) < 0 ||
        stop_check(err) < 0)
        return -1;
    return staging_publish(&run->staging, run->names, run->name_count, err);
}

static void run_done(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (staging_remove(&run->staging) > 0)
        log_warning("a staging directory in '%s' could not be removed",
                    run->options->output);
    if (run->runtime_dir && host_remove_dir(run->runtime_dir, &err) < 0)
        log_warning("%s", error_text(&err));
    for (size_t i = 0; i < run->name_count; i++)
        free(run->names[i]);
    free(run->names);
    free(run->disks);
    free(run->runtime_dir);
    free(run->target);
    closep(&run->targetfd);
    vmconfig_done(&run->config);
    selection_done(&run->selection);
}

int restore_run(const struct restore_options *options,
                const struct backup_set *set, struct guardian *guardian,
                struct error *err)
{
    _cleanup_(run_done) struct run run = {
        .options = options,
        .set = set,
        .guardian = guardian,
        .selection = SELECTION_INIT,
        .config = VMCONFIG_INIT,
        .targetfd = -1,
        .staging = STAGING_INIT,
    };
    time_t started = time(NULL);
    char took[TEXT_SIZE_ROOM];

    if (run_steps(&run, err) < 0)
        return -1;
    log_info("%zu %s restored to '%s' in %s", run.disk_count,
             run.disk_count == 1 ? "disk" : "disks", options->output,
             text_duration((uint64_t)(time(NULL) - started), took));
    return 0;
}

int restore_as_guardian(const struct guardian_facts *facts, struct error *err)
{
    const char *staging = facts_get(facts, FACT_STAGING);
    const char *runtime = facts_get(facts, FACT_RUNTIME);

    if (staging && staging_remove_path(staging, err) < 0)
        return -1;
    return runtime ? host_remove_dir(runtime, err) : 0;
}
