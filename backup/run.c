/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.c - see run.h
 *
 * The order is the promise: the intent is durable before anything is changed;
 * the files are durable before they get their names; all have their names
 * before the manifest is written; and only the manifest makes the point exist.
 * Whatever fails on the way, everything the intent names is taken back.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adopt.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "checkpoints.h"
#include "cli/exit.h"
#include "cli/startup.h"
#include "commit.h"
#include "extras.h"
#include "host/host.h"
#include "level.h"
#include "point.h"
#include "recover.h"
#include "set/marks.h"
#include "track.h"
#include "transfer.h"
#include "virt/job.h"

#define LIBVIRT_TIMEOUT_MS 30000
#define BEGIN_TIMEOUT_MS 60000
#define JOB_END_TIMEOUT_MS 60000

/* Somebody may just be cleaning up after a run that was killed. */
#define LOCK_TRIES 200
#define LOCK_TRY_MS 50

static int take_lock(struct run *run, struct error *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        int r = lock_take(run->dirfd, LOCK_NAME, &run->lockfd, err);

        if (r < 0)
            return -1;
        if (r == LOCK_TAKEN)
            return 0;
        if (r == LOCK_READ_ONLY)
            return error_set(err, ERR_INPUT, "'%s' cannot be written to",
                             run->options->output);
        if (stop_wait(-1, LOCK_TRY_MS) == STOP_NOW)
            return stop_check(err);
    }
    return error_set(err, ERR_BUSY,
                     "another run (process %d) works in '%s'; wait for it, or "
                     "choose another directory",
                     (int)lock_holder(run->dirfd, LOCK_NAME),
                     run->options->output);
}

static int open_log(struct run *run, struct error *err)
{
    char stamp[32];
    struct tm tm;
    _cleanup_free_ char *name = NULL;

    localtime_r(&run->started, &tm);
    strftime(stamp, sizeof(stamp), "%m%d%Y%H%M%S", &tm);
    name = text_dup_printf("backup.%s.%s.log", backup_level_asked(run->options),
                           stamp);
    if (!name)
        return error_memory(err);
    return log_open_file(run->dirfd, name, err);
}

static int open_directory(struct run *run, struct error *err)
{
    const char *path = run->options->output;

    if (dir_make(path, 0700, err) < 0)
        return -1;
    run->dirfd = dir_open(path, err);
    if (run->dirfd < 0)
        return -1;
    run->directory = realpath(path, NULL);
    if (!run->directory)
        return error_errno(err, errno, "find the path of '%s'", path);
    return 0;
}

static int open_domain(struct run *run, struct error *err)
{
    const struct backup_options *o = run->options;

    int active;

    if (session_open(o->uri, LIBVIRT_TIMEOUT_MS, &run->session, err) < 0 ||
        domain_open(run->session, o->domain, &run->domain, err) < 0)
        return -1;
    active = domain_is_active(run->domain, err);
    if (active < 0)
        return -1;
    if (active == 0)
        return error_set(err, ERR_INPUT,
                         "domain '%s' is not running; start it (virsh start "
                         "%s): powered-off domains cannot be backed up yet",
                         o->domain, o->domain);
    return 0;
}

/* A job that runs already would make libvirt refuse ours: say whose it is. */
static int check_job(struct run *run, struct error *err)
{
    _cleanup_free_ char *socket = NULL;
    int r = job_find(run->domain, &socket, err);

    if (r <= 0)
        return r;
    return error_set(err, ERR_BUSY,
                     "a backup job of domain '%s' is already running%s%s; wait "
                     "for it, or end it with: virsh domjobabort %s",
                     domain_name(run->domain), socket ? ", on socket " : "",
                     socket ? socket : "", domain_name(run->domain));
}

/* The user's socket: QEMU makes it, so it must be possible and not there. */
static int check_socket(const struct run *run, struct error *err)
{
    const char *path = run->options->socketfile;

    if (path[0] != '/')
        return error_set(err, ERR_INPUT,
                         "--socketfile takes an absolute path, not '%s'", path);
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(err, ERR_EXISTS,
                         "'%s' exists already; remove it, or choose another "
                         "--socketfile",
                         path);
    return guardian_tell(run->guardian, FACT_SOCKET, path, err);
}

static int check_scratch(const struct run *run, struct error *err)
{
    const char *path = run->options->scratchdir;

    if (!path)
        return 0;
    if (path[0] != '/')
        return error_set(err, ERR_INPUT,
                         "--scratchdir takes an absolute path, not '%s'", path);
    if (faccessat(AT_FDCWD, path, F_OK, 0) < 0)
        return error_errno(err, errno, "--scratchdir '%s'", path);
    return 0;
}

/* Names of places that do not exist yet. */
static int name_places(struct run *run, struct error *err)
{
    if (check_scratch(run, err) < 0 ||
        (run->options->socketfile && check_socket(run, err) < 0) ||
        host_runtime_name(&run->runtime_dir, err) < 0)
        return -1;
    run->socket = run->options->socketfile
                      ? strdup(run->options->socketfile)
                      : text_dup_printf("%s/nbd", run->runtime_dir);
    if (!run->socket)
        return error_memory(err);
    return guardian_tell(run->guardian, FACT_RUNTIME, run->runtime_dir, err);
}

static int make_places(struct run *run, struct error *err)
{
    uid_t uid;
    gid_t gid;

    if (domain_qemu_user(run->domain, &uid, &gid, err) < 0 ||
        host_runtime_make(run->runtime_dir, uid, gid, err) < 0)
        return -1;
    return checkpoints_open(run, err);
}

static int name_files(struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->disk_count; i++) {
        const struct run_disk *d = &run->disks[i];
        _cleanup_free_ char *sum = text_dup_printf("%s.chksum", d->data_file);

        if (!sum)
            return error_memory(err);
        if (intent_add_file(&run->intent, d->data_file, err) < 0 ||
            intent_add_file(&run->intent, d->index_file, err) < 0 ||
            intent_add_file(&run->intent, sum, err) < 0)
            return -1;
    }
    return extras_name(run, &run->intent, err);
}

/* From here on a killed run can be undone. */
static int write_intent(struct run *run, struct manifest *m, struct error *err)
{
    struct intent *in = &run->intent;
    struct name_text name;

    memcpy(in->point, run->point_uuid, sizeof(in->point));
    memcpy(in->chain, m->chain, sizeof(in->chain));
    memcpy(in->domain_uuid, domain_uuid(run->domain), sizeof(in->domain_uuid));
    in->level = run->level;
    in->pid = getpid();
    if (point_set(&in->domain_name, domain_name(run->domain), err) < 0 ||
        point_set(&in->uri, session_uri(run->session), err) < 0 ||
        intent_place(run->dirfd, &in->place, err) < 0 ||
        point_set(&in->name, run->point, err) < 0 ||
        point_set(&in->checkpoint, run->checkpoint, err) < 0 ||
        point_set(&in->runtime_dir, run->runtime_dir, err) < 0 ||
        point_set(&in->socket, run->socket, err) < 0 ||
        point_time(run->started, &in->time, err) < 0 ||
        name_files(run, err) < 0 || name_intent(in->point, &name, err) < 0)
        return -1;
    if (guardian_tell(run->guardian, FACT_DIRECTORY, run->directory, err) < 0 ||
        guardian_tell(run->guardian, FACT_URI, in->uri, err) < 0 ||
        guardian_tell(run->guardian, FACT_INTENT, name.text, err) < 0)
        return -1;
    run->intent_written = true;
    return intent_write(run->dirfd, in, err);
}

/* A new full replaces the VM's chain of that name, as upstream's does: libvirt
 * wants the names for the new one.  A checkpoint whose bitmap is lost can only
 * be forgotten.
 */
static int remove_old_chain(struct run *run, struct error *err)
{
    _cleanup_(checkpoint_list_free) struct checkpoint_list list = {NULL, 0, 0};
    _cleanup_free_ const char **names = NULL;
    _cleanup_free_ bool *forced = NULL;
    size_t count = 0;

    if (checkpoint_list(run->domain, &list, err) < 0)
        return -1;
    names = calloc(list.count + 1, sizeof(*names));
    forced = calloc(list.count + 1, sizeof(*forced));
    if (!names || !forced)
        return error_memory(err);
    for (size_t i = 0; i < list.count; i++)
        if (level_in_chain(list.items[i].name, run->chain_name))
            names[count++] = list.items[i].name;
    if (count > 0)
        log_info("removing %zu %s of the chain that this full replaces", count,
                 count == 1 ? "checkpoint" : "checkpoints");
    if (checkpoint_delete_many(run->domain, names, count, forced, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (forced[i])
            log_warning("checkpoint '%s' had lost its bitmap and was only "
                        "forgotten",
                        names[i]);
    return 0;
}

static const char *parent_name(const struct run *run, const struct run_disk *d)
{
    return d->parent < 0 ? NULL : run->chain->points[d->parent].name;
}

static int fill_job_disk(const struct run *run, struct run_disk *d,
                         struct job_disk *ret, struct error *err)
{
    ret->target = d->disk->target;
    ret->incremental = parent_name(run, d);
    if (!ret->incremental)
        return 0;
    d->bitmap = job_bitmap_context(ret);
    return d->bitmap ? 0 : error_memory(err);
}

/* Bitmaps of the name that the new checkpoint gets, which libvirt knows nothing
 * of any more, are in its way (libvirt's notes were lost, or a disk came from
 * another domain).  Outcome 1: some were deleted.
 */
static int purge_bitmaps(struct run *run, struct error *err)
{
    int some = 0;

    if (!run->checkpoint)
        return 0;
    for (size_t i = 0; i < run->disk_count; i++) {
        const char *target = run->disks[i].disk->target;
        int r = checkpoint_purge(run->domain, run->checkpoint, target, err);

        if (r < 0)
            return -1;
        if (r > 0)
            log_warning("%s: its image held a bitmap '%s' that libvirt knew "
                        "nothing of; deleted",
                        target, run->checkpoint);
        some |= r;
    }
    return some;
}

/* Start the job; once more where stray bitmaps were in the way. */
static int try_begin(struct run *run, const struct job_request *request,
                     struct error *err)
{
    _cleanup_error_ struct error first = ERROR_INIT;
    int purged;

    if (job_begin(run->domain, request, &first) == 0)
        return 0;
    if (first.kind == ERR_LIBVIRT) {
        if (job_undo(run->domain, request, JOB_END_TIMEOUT_MS, err) < 0)
            return -1;
        purged = purge_bitmaps(run, err);
        if (purged < 0)
            return -1;
        if (purged > 0)
            return job_begin(run->domain, request, err);
    }
    error_move(err, &first);
    return -1;
}

static int begin_job(struct run *run, struct error *err)
{
    _cleanup_free_ struct job_disk *disks =
        calloc(run->disk_count, sizeof(*disks));
    struct job_request request = {
        .socket_path = run->socket,
        .scratch_dir = run->options->scratchdir ? run->options->scratchdir
                                                : run->runtime_dir,
        .prefix = run->point_uuid,
        .disks = disks,
        .disk_count = run->disk_count,
        .checkpoint = run->checkpoint,
        .description = run->description,
        .timeout_ms = BEGIN_TIMEOUT_MS,
    };

    if (!disks)
        return error_memory(err);
    for (size_t i = 0; i < run->disk_count; i++)
        if (fill_job_disk(run, &run->disks[i], &disks[i], err) < 0)
            return -1;
    /* Killed in the middle of this, libvirt goes on with it. */
    if (guardian_tell(run->guardian, FACT_BEGIN_UNKNOWN, "1", err) < 0)
        return -1;
    if (try_begin(run, &request, err) < 0) {
        /* libvirt may start it yet, when nobody waits for it any more. */
        run->begin_unknown =
            err->kind == ERR_TIMEOUT || err->kind == ERR_STOPPED;
        return error_prefix(err, "start the backup job of domain '%s'",
                            domain_name(run->domain));
    }
    if (guardian_tell(run->guardian, FACT_BEGIN_UNKNOWN, NULL, err) < 0)
        return -1;
    log_info("backup job started, %zu %s", run->disk_count,
             run->disk_count == 1 ? "disk" : "disks");
    return 0;
}

/* The data is safe already when this fails: the point is worth keeping. */
static void finish_job(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (job_end(run->domain, run->socket, JOB_END_TIMEOUT_MS, &err) >= 0)
        return;
    log_error("the backup job of domain '%s' could not be ended (%s); end it "
              "with: virsh domjobabort %s",
              domain_name(run->domain), error_text(&err),
              domain_name(run->domain));
    run->left_over = run->job_left = run->hand_over = true;
}

/* A connection that broke has a reason that people can do something about. */
static int explain(struct run *run, struct error *err)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;

    if (err->kind != ERR_NBD)
        return -1;
    if (domain_is_active(run->domain, &ignored) == 0)
        return error_prefix(err, "domain '%s' was shut off during the backup",
                            domain_name(run->domain));
    if (!run->ended_early && job_find(run->domain, NULL, &ignored) == 0)
        return error_prefix(err,
                            "the backup job of domain '%s' was ended by "
                            "somebody else",
                            domain_name(run->domain));
    return -1;
}

static void note_leftover(struct run *run, struct error *err)
{
    log_error("the backup is complete, but cleaning up failed: %s; the next "
              "run makes up for it",
              error_text(err));
    error_clear(err);
    run->left_over = true;
}

/* What comes after the commit is made up for by the next run if it fails. */
static void complete(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (run->job_left) {
        /* The intent and the job's directory are needed to end it yet. */
        if (recover_write_cpt(run->dirfd, &run->intent, &err) < 0)
            note_leftover(run, &err);
        return;
    }
    if (host_remove_dir(run->runtime_dir, &err) < 0)
        note_leftover(run, &err);
    if (recover_complete(run->dirfd, &run->intent, &err) < 0)
        note_leftover(run, &err);
}

static int make_point(struct run *run, struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    if (chain_continue(run->chain, &m, err) < 0 ||
        domain_xml(run->domain, &run->xml, err) < 0 ||
        commit_describe(run, &m, err) < 0 || name_places(run, err) < 0 ||
        write_intent(run, &m, err) < 0 || make_places(run, err) < 0)
        return -1;
    if (run->level == LEVEL_FULL && run->checkpoint &&
        remove_old_chain(run, err) < 0)
        return -1;
    if (run->disk_count > 0) {
        if (track_disks(run, err) < 0 || begin_job(run, err) < 0)
            return -1;
        if (transfer_disks(run, err) < 0)
            return explain(run, err);
        finish_job(run);
    }
    if (commit_point(run, &m, err) < 0)
        return -1;
    complete(run);
    return 0;
}

/* Points of upstream become points like ours, where that is safe. */
static int adopt(struct run *run, struct error *err)
{
    if (!run->options->auto_level && run->options->level != LEVEL_INC &&
        run->options->level != LEVEL_DIFF)
        return 0;
    return adopt_directory(run->dirfd, run->domain, domain_name(run->domain),
                           domain_uuid(run->domain), &run->chain, err);
}

static int run_checked(struct run *run, struct error *err)
{
    if (open_domain(run, err) < 0 ||
        recover_directory(run->dirfd, run->session, err) < 0 ||
        chain_open(run->dirfd, &run->chain, err) < 0 || adopt(run, err) < 0 ||
        point_choose_disks(run, err) < 0 || point_prepare(run, err) < 0 ||
        check_job(run, err) < 0)
        return -1;
    return make_point(run, err);
}

/* Take back what the failed run made.  What cannot be taken back stays named
 * in the intent, for the next run.
 */
static void undo(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int r = 0;

    if (run->begin_unknown) {
        log_warning("libvirt has not said whether the job begins; a process in "
                    "the background waits for it and cleans up");
        run->hand_over = true;
        return;
    }
    if (run->session)
        session_ignore_stop(run->session);
    if (run->intent_written)
        r = recover_intent(run->dirfd, run->session, &run->intent, &err);
    else if (run->runtime_dir)
        r = host_remove_dir(run->runtime_dir, &err);
    if (r == 0) {
        if (run->socket && run->options->socketfile)
            recover_remove_socket(run->socket);
        return;
    }
    log_error(
        "cleaning up after the failure did not work either: %s; a process "
        "in the background tries again, and so does the next run in '%s'",
        error_text(&err), run->options->output);
    run->hand_over = true;
}

static void log_summary(const struct run *run)
{
    char data[TEXT_SIZE_ROOM], file[TEXT_SIZE_ROOM], took[TEXT_SIZE_ROOM];
    uint64_t read = 0, stored = 0;

    for (size_t i = 0; i < run->disk_count; i++) {
        read += run->disks[i].result.read_size;
        stored += run->disks[i].result.file_size;
    }
    log_info("backup of %zu %s finished in %s: %s read, %s in files, point "
             "'%s'",
             run->disk_count, run->disk_count == 1 ? "disk" : "disks",
             text_duration((uint64_t)(time(NULL) - run->started), took),
             text_size(read, data), text_size(stored, file), run->point);
}

static void run_done(struct run *run)
{
    point_done(run);
    chain_free(run->chain);
    domain_close(run->domain);
    session_close(run->session);
    intent_done(&run->intent);
    free(run->xml);
    free(run->directory);
    free(run->runtime_dir);
    free(run->socket);
    lock_release(&run->lockfd);
    closep(&run->dirfd);
}

int run_backup(const struct backup_options *options, int argc, char **argv,
               struct guardian *guardian, bool *ret_hand_over)
{
    _cleanup_(run_done) struct run run = {
        .options = options,
        .dirfd = -1,
        .lockfd = -1,
        .checkpointfd = -1,
        .guardian = guardian,
        .started = time(NULL),
    };
    _cleanup_error_ struct error err = ERROR_INIT;
    int r;

    r = open_directory(&run, &err);
    if (r == 0)
        r = take_lock(&run, &err);
    if (r == 0)
        r = open_log(&run, &err);
    if (r == 0) {
        startup_banner(argc, argv);
        r = run_checked(&run, &err);
    }
    *ret_hand_over = run.hand_over;
    if (r == 0) {
        log_summary(&run);
        return run.left_over ? EXIT_LEFTOVER : EXIT_OK;
    }
    if (!run.committed)
        undo(&run);
    *ret_hand_over = run.hand_over;
    log_error("%s", error_text(&err));
    return exit_from_error(&err);
}
