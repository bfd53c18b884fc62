/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.c - see run.h
 *
 * First everything is decided and checked; then images, and what belongs to
 * them, grow in the staging directory; then the targets are written, from which
 * there is no way back; at last the files get their names.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/result_file.h"
#include "cli/startup.h"
#include "host/host.h"
#include "image.h"
#include "machine.h"
#include "place.h"
#include "places.h"
#include "staging.h"
#include "there.h"
#include "ticker.h"
#include "virt/session.h"
#include "vmconfig.h"

struct run {
    const struct restore_options *options;
    const struct backup_set *set;
    struct guardian *guardian;
    struct patience_watch *watch;
    struct selection selection;
    struct vmconfig config;
    struct place_list places;
    struct machine_request machine_request;
    struct machine *machine; /* what the guest is besides its disks */
    int targetfd;
    char *target; /* absolute path of the target directory */
    struct staging staging;
    char *runtime_dir;
    struct there there; /* its remote is NULL: all is here */
    char **names;       /* in the target directory, of all that is made */
    size_t name_count;
};

static const struct chain_point *point_of(const struct run *run)
{
    return &run->set->chain->points[run->selection.point];
}

/* The output is on another host; what grows here does so in a directory of ours
 * that is empty.
 */
static int open_target_there(struct run *run, struct error *err)
{
    if (there_open(run->options, run->guardian, FACT_RUNTIME, &run->there,
                   err) < 0)
        return -1;
    run->targetfd = dir_open(run->there.local_dir, err);
    if (run->targetfd < 0)
        return -1;
    run->target = strdup(run->options->output);
    return run->target ? 0 : error_memory(err);
}

/* One that we have made is as it should be. */
static void warn_of_mode(const struct run *run)
{
    struct stat st;

    if (run->options->define && geteuid() == 0 &&
        fstat(run->targetfd, &st) == 0 && (st.st_mode & 0011) == 0)
        log_warning("nobody but its owner gets through '%s': a guest that runs "
                    "as another user cannot start before: chmod 711 '%s'",
                    run->options->output, run->options->output);
}

static int open_target(struct run *run, struct error *err)
{
    const char *path = run->options->output;

    if (there_is_wanted(run->options))
        return open_target_there(run, err);
    if (dir_make(path, restore_directory_mode(run->options), err) < 0)
        return -1;
    run->targetfd = dir_open(path, err);
    if (run->targetfd < 0)
        return -1;
    run->target = realpath(path, NULL);
    if (!run->target)
        return error_errno(err, errno, "find the path of '%s'", path);
    warn_of_mode(run);
    return 0;
}

static int add_name(struct run *run, const char *name, struct error *err)
{
    char **names =
        reallocarray(run->names, run->name_count + 1, sizeof(*names));

    if (!names)
        return error_memory(err);
    run->names = names;
    names[run->name_count] = strdup(name);
    if (!names[run->name_count])
        return error_memory(err);
    run->name_count++;
    return 0;
}

/* The names that will be needed, and that none of them is taken. */
static int choose_names(struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->places.count; i++)
        if (run->places.items[i].kind == PLACE_IMAGE &&
            add_name(run, run->places.items[i].name, err) < 0)
            return -1;
    for (size_t i = 0; i < machine_name_count(run->machine); i++)
        if (add_name(run, machine_name(run->machine, i), err) < 0)
            return -1;
    if (run->there.remote)
        return there_check_names(&run->there, run->target, run->names,
                                 run->name_count, err);
    for (size_t i = 0; i < run->name_count; i++)
        if (faccessat(run->targetfd, run->names[i], F_OK,
                      AT_SYMLINK_NOFOLLOW) == 0)
            return error_set(err, ERR_EXISTS,
                             "'%s/%s' exists already; it is not replaced, so "
                             "move it away or choose another directory",
                             run->options->output, run->names[i]);
    return 0;
}

/* Tell the guardian of a socket that the user chose; it works elsewhere. */
static int announce_socket(struct run *run, struct error *err)
{
    const char *name = run->options->socketfile;
    _cleanup_free_ char *here = get_current_dir_name();
    _cleanup_free_ char *path = NULL;

    if (!here)
        return error_errno(err, errno, "find the current directory");
    path = name[0] == '/' ? strdup(name) : text_dup_printf("%s/%s", here, name);
    if (!path)
        return error_memory(err);
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(err, ERR_EXISTS, "the socket '%s' is already there",
                         name);
    return guardian_tell(run->guardian, FACT_SOCKET, path, err);
}

/* The guardian learns of each before it exists. */
static int make_private(struct run *run, struct error *err)
{
    const char *target = run->there.remote ? run->there.local_dir : run->target;

    if (staging_name(run->targetfd, target, &run->staging, err) < 0 ||
        guardian_tell(run->guardian, FACT_STAGING, run->staging.path, err) <
            0 ||
        staging_make(&run->staging, err) < 0)
        return error_prefix(err, "use the directory '%s'",
                            run->options->output);
    if (run->there.remote)
        return there_make(&run->there, run->target, err);
    if (run->options->socketfile)
        return announce_socket(run, err);
    if (host_runtime_name(&run->runtime_dir, err) < 0 ||
        guardian_tell(run->guardian, FACT_RUNTIME, run->runtime_dir, err) < 0)
        return -1;
    return host_runtime_make(run->runtime_dir, getuid(), getgid(), err);
}

/* From here on we, and the programs that make images, write where the user said
 * only.  Before libvirt's threads, which would stay free.  Not where its client
 * may start its daemon, which would be in the sandbox too; nor with ssh, which
 * keeps what it knows of hosts.
 */
static int give_up_rights(const struct run *run, struct error *err)
{
    const struct restore_options *o = run->options;
    const char *paths[TARGETS_MAX + 4] = {run->target, HOST_RUNTIME_PARENT};
    _cleanup_free_ char *beside =
        o->socketfile ? result_file_directory(o->socketfile) : NULL;
    bool asks_libvirt = o->define || o->uri;
    size_t count = 2;

    if (o->boot_in_place || run->there.remote ||
        (asks_libvirt && session_starts_programs(o->uri)))
        return 0;
    if (asks_libvirt && session_prepare(err) < 0)
        return -1;
    if (o->socketfile && !beside)
        return error_memory(err);
    if (beside)
        paths[count++] = beside;
    for (size_t i = 0; i < o->target_count; i++)
        if (o->targets[i].place[0] == '/')
            paths[count++] = o->targets[i].place;
    return startup_confine(paths, run->watch, err);
}

static int restore_place(struct run *run, const struct place *p,
                         struct progress *progress, bool *touched,
                         struct error *err)
{
    _cleanup_free_ char *socket = NULL;
    struct image_task task = {
        .options = run->options,
        .set = run->set,
        .place = p,
        .on = run->there.remote,
        .servers = run->there.server_dir,
        .dir = run->there.remote ? run->there.staging : run->staging.path,
        .transport = &run->there.transport,
        .progress = progress,
        .touched = touched,
    };

    socket = run->options->socketfile
                 ? strdup(run->options->socketfile)
                 : text_dup_printf("%s/%s",
                                   run->there.remote ? run->there.local_dir
                                                     : run->runtime_dir,
                                   p->disk->disk);
    if (!socket)
        return error_memory(err);
    task.socket = socket;
    log_info("restoring %s of point '%s' to '%s'", p->disk->disk,
             point_of(run)->name, place_text(p));
    if (image_restore(&task, err) < 0)
        return error_prefix(err, "disk %s", p->disk->disk);
    return 0;
}

static int restore_images(struct run *run, struct progress *progress,
                          struct error *err)
{
    for (size_t i = 0; i < run->places.count; i++) {
        const struct place *p = &run->places.items[i];

        if (p->kind == PLACE_IMAGE &&
            restore_place(run, p, progress, NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* What was there before is lost from here on. */
static int restore_target(struct run *run, const struct place *p,
                          struct progress *progress, struct error *err)
{
    bool touched = false;

    if (guardian_tell(run->guardian, FACT_TARGET, place_text(p), err) < 0)
        return -1;
    if (restore_place(run, p, progress, &touched, err) < 0)
        return touched
                   ? error_append(err,
                                  "; the contents of '%s' are undefined now",
                                  place_text(p))
                   : -1;
    return guardian_tell(run->guardian, FACT_TARGET, NULL, err);
}

static int restore_targets(struct run *run, struct progress *progress,
                           struct error *err)
{
    for (size_t i = 0; i < run->places.count; i++) {
        const struct place *p = &run->places.items[i];

        if (p->kind != PLACE_IMAGE && restore_target(run, p, progress, err) < 0)
            return -1;
    }
    return 0;
}

static int fill_places(struct run *run, struct error *err)
{
    _cleanup_(progress_freep) struct progress *progress =
        progress_new(startup_progress(&run->options->common), stderr);
    /* Declared behind what it draws, so that it ends first. */
    _cleanup_(ticker_stopp) struct ticker *ticker = NULL;

    if (ticker_start(progress, &ticker, err) < 0 ||
        restore_images(run, progress, err) < 0 ||
        machine_stage(run->machine, run->staging.dirfd, err) < 0)
        return -1;
    return restore_targets(run, progress, err);
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

/* Files given by hand are a disk, not a domain. */
static int load_config(struct run *run, struct error *err)
{
    if (run->options->sequence)
        return 0;
    return vmconfig_load(run->set, point_of(run), &run->config, err);
}

static int plan_machine(struct run *run, struct error *err)
{
    run->machine_request = (struct machine_request){
        .elsewhere = run->there.remote,
        .options = run->options,
        .set = run->set,
        .point = point_of(run),
        .config = &run->config,
        .target = run->target,
        .targetfd = run->targetfd,
        .places = &run->places,
    };
    return machine_plan(&run->machine_request, &run->machine, err);
}

/* Everything gets its place, or nothing does. */
static int publish(struct run *run, struct error *err)
{
    if (run->there.remote)
        return there_publish(&run->there, run->staging.dirfd, run->target,
                             run->names, run->name_count, err);
    if (machine_place(run->machine, run->staging.dirfd, err) < 0)
        return -1;
    if (staging_publish(&run->staging, run->names, run->name_count, err) == 0)
        return 0;
    machine_take_back(run->machine);
    return -1;
}

/* Outcome 1: done, but for something that was said. */
static int run_steps(struct run *run, struct error *err)
{
    struct places_request request = {
        .options = run->options,
        .set = run->set,
        .selection = &run->selection,
        .config = &run->config,
    };

    if (backup_set_check_strangers(run->set, err) < 0 ||
        choose_point(run, err) < 0 || load_config(run, err) < 0 ||
        open_target(run, err) < 0 || give_up_rights(run, err) < 0)
        return -1;
    request.target = run->target;
    if (places_choose(&request, &run->places, err) < 0 ||
        plan_machine(run, err) < 0 || choose_names(run, err) < 0 ||
        make_private(run, err) < 0 || fill_places(run, err) < 0 ||
        stop_check(err) < 0 || publish(run, err) < 0)
        return -1;
    return machine_define(run->machine, err);
}

/* Remove what was needed only on the way.  Outcome 1: something is left (log).
 */
static int clean_up(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int left = staging_remove(&run->staging);

    if (left > 0)
        log_warning("a staging directory in '%s' could not be removed",
                    run->options->output);
    if (run->runtime_dir && host_remove_dir(NULL, run->runtime_dir, &err) < 0) {
        log_warning("%s", error_text(&err));
        left = 1;
    }
    if (there_close(&run->there) > 0)
        left = 1;
    free(run->runtime_dir);
    run->runtime_dir = NULL;
    return left;
}

static void run_done(struct run *run)
{
    clean_up(run);
    for (size_t i = 0; i < run->name_count; i++)
        free(run->names[i]);
    free(run->names);
    machine_free(run->machine);
    place_list_done(&run->places);
    free(run->target);
    closep(&run->targetfd);
    vmconfig_done(&run->config);
    selection_done(&run->selection);
}

int restore_run(const struct restore_options *options,
                const struct backup_set *set, struct guardian *guardian,
                struct patience_watch *watch, struct error *err)
{
    _cleanup_(run_done) struct run run = {
        .options = options,
        .set = set,
        .guardian = guardian,
        .watch = watch,
        .selection = SELECTION_INIT,
        .config = VMCONFIG_INIT,
        .targetfd = -1,
        .staging = STAGING_INIT,
    };
    time_t started = time(NULL);
    char took[TEXT_SIZE_ROOM];
    int r = run_steps(&run, err);

    if (r < 0)
        return -1;
    log_info("%zu %s restored to '%s' in %s", run.places.count,
             run.places.count == 1 ? "disk" : "disks", options->output,
             text_duration((uint64_t)(time(NULL) - started), took));
    return clean_up(&run) > 0 ? 1 : r;
}

/* A socket that was to be made there, by a server that ended with us. */
static void remove_socket(const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
}

int restore_as_guardian(const struct guardian_facts *facts, struct error *err)
{
    const char *staging = facts_get(facts, FACT_STAGING);
    const char *runtime = facts_get(facts, FACT_RUNTIME);
    const char *socket = facts_get(facts, FACT_SOCKET);
    const char *target = facts_get(facts, FACT_TARGET);

    if (target)
        log_error("a restore was killed: the contents of '%s' are undefined "
                  "now",
                  target);
    if (socket)
        remove_socket(socket);
    if (staging && staging_remove_path(staging, err) < 0)
        return -1;
    return runtime ? host_remove_dir(NULL, runtime, err) : 0;
}
