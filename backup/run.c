/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.c - see run.h
 *
 * The order is the promise: the intent is durable before anything is changed;
 * the files are durable before they get their names; all have their names
 * before the manifest is written; and only the manifest makes the point exist.
 * Whatever fails on the way, everything the intent names is taken back.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "abandon.h"
#include "adopt.h"
#include "archive.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "boot.h"
#include "checkpoints.h"
#include "cli/exit.h"
#include "cli/startup.h"
#include "commit.h"
#include "confine.h"
#include "directory.h"
#include "dry.h"
#include "exports.h"
#include "extras.h"
#include "guest.h"
#include "host/host.h"
#include "level.h"
#include "places.h"
#include "point.h"
#include "power.h"
#include "quiesce.h"
#include "recover.h"
#include "report.h"
#include "scratch.h"
#include "there.h"
#include "track.h"
#include "transfer.h"
#include "virt/checkpoint.h"
#include "virt/job.h"

#define LIBVIRT_TIMEOUT_MS 30000

static int open_domain(struct run *run, struct error *err)
{
    const struct backup_options *o = run->options;
    const struct session_options options = {
        .uri = o->uri,
        .user = o->login.user,
        .password = o->login.password,
        .timeout_ms = LIBVIRT_TIMEOUT_MS,
    };

    if (there_open(run, err) < 0)
        return -1;
    if (guardian_tell(run->guardian, FACT_USER, o->login.user, err) < 0 ||
        guardian_tell(run->guardian, FACT_PASSWORD, o->login.password, err) <
            0 ||
        session_open_with(&options, &run->session, err) < 0)
        return -1;
    return domain_open(run->session, o->domain, &run->domain, err);
}

/* A job that runs already would make libvirt refuse ours: say whose it is. */
static int check_block_jobs(struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->disk_count; i++) {
        const char *target = run->disks[i].disk->target;
        _cleanup_free_ char *what = NULL;
        int r = domain_block_job(run->domain, target, &what, err);

        if (r < 0)
            return -1;
        if (r > 0)
            return error_set(err, ERR_BUSY,
                             "disk %s of domain '%s' has a block job (%s); "
                             "wait for its end, or end it with: virsh blockjob "
                             "%s %s --abort",
                             target, domain_name(run->domain), what,
                             domain_name(run->domain), target);
    }
    return 0;
}

static int check_job(struct run *run, struct error *err)
{
    _cleanup_free_ char *mark = NULL;
    int r;

    if (run->powered_off)
        return 0;
    r = job_find(run->domain, &mark, err);
    if (r <= 0)
        return r < 0 ? -1 : check_block_jobs(run, err);
    return error_set(
        err, ERR_BUSY,
        "a backup job of domain '%s' is already running (%s); wait "
        "for it, or end it with: virtnbdbackup -d %s -o %s -k",
        domain_name(run->domain),
        mark && *mark ? mark : "it does not say whose",
        domain_name(run->domain), point_place(run));
}

static int name_files(struct run *run, struct error *err)
{
    if (point_is_dry(run))
        return 0;
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
    const char *uri = session_uri(run->session);
    struct intent *in = &run->intent;
    struct name_text name;
    memcpy(in->point, run->point_uuid, sizeof(in->point));
    memcpy(in->chain, m->chain, sizeof(in->chain));
    memcpy(in->domain_uuid, domain_uuid(run->domain), sizeof(in->domain_uuid));
    in->level = run->level;
    in->pid = getpid();
    in->started = run->started;
    if (point_set(&in->domain_name, domain_name(run->domain), err) < 0 ||
        intent_set_uri(in, uri, err) < 0 ||
        intent_place(run->dirfd, &in->place, err) < 0 ||
        point_set(&in->name, run->point, err) < 0 ||
        point_set(&in->checkpoint, run->checkpoint, err) < 0 ||
        point_set(&in->runtime_dir, run->runtime_dir, err) < 0 ||
        point_set(&in->socket, run->socket, err) < 0 ||
        point_time(run->begun, &in->time, err) < 0 ||
        name_files(run, err) < 0 || name_intent(in->point, &name, err) < 0)
        return -1;
    if (guardian_tell(run->guardian, FACT_DIRECTORY, run->directory, err) < 0 ||
        guardian_tell(run->guardian, FACT_URI, uri, err) < 0 ||
        guardian_tell(run->guardian, FACT_INTENT, name.text, err) < 0 ||
        (run->options->group && guardian_tell(run->guardian, FACT_GROUP,
                                              run->options->group, err) < 0))
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
    if (host_remove_dir(run->remote, run->runtime_dir, &err) < 0)
        note_leftover(run, &err);
    if (recover_complete(run->dirfd, &run->intent, &err) < 0)
        note_leftover(run, &err);
}

/* Bytes changed since the parents of the disks.  A checkpoint tells of all its
 * disks together, so disks of several parents count more than once: rather too
 * much than too little.
 */
static int sum_changes(struct run *run, uint64_t *ret, struct error *err)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < run->disk_count; i++) {
        ssize_t parent = run->disks[i].parent;
        uint64_t size = 0;
        bool counted = false;

        for (size_t k = 0; k < i; k++)
            counted |= run->disks[k].parent == parent;
        if (counted)
            continue;
        if (checkpoint_changed_size(
                run->domain, run->chain->points[parent].name, &size, err) < 0)
            return -1;
        sum += size;
    }
    *ret = sum;
    return 0;
}

/* Is there less to save than what would make it worth while?  Outcome 1: yes.
 * A disk that has to be saved whole always is.
 */
static int is_below_threshold(struct run *run, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    char changed[TEXT_SIZE_ROOM], least[TEXT_SIZE_ROOM];
    uint64_t size = 0;

    if (run->options->threshold == 0 || run->powered_off ||
        (run->level != LEVEL_INC && run->level != LEVEL_DIFF))
        return 0;
    for (size_t i = 0; i < run->disk_count; i++)
        if (run->disks[i].parent < 0)
            return 0;
    if (sum_changes(run, &size, &why) < 0) {
        if (why.kind == ERR_STOPPED) {
            error_move(err, &why);
            return -1;
        }
        log_warning("--threshold: libvirt does not say how much has changed: "
                    "%s",
                    error_text(&why));
        return 0;
    }
    if (size >= run->options->threshold)
        return 0;
    log_info("%s changed, less than the threshold of %s: nothing is saved",
             text_size(size, changed),
             text_size(run->options->threshold, least));
    return 1;
}

/* The disks, read and written; their exports are closed again. */
static int save_disks(struct run *run, struct error *err)
{
    if (exports_open(run, err) < 0)
        return -1;
    if (transfer_disks(run, err) < 0)
        return exports_explain(run, err);
    exports_close(run);
    return 0;
}

/* Outcome 1: not worth it. */
static int read_disks(struct run *run, struct error *err)
{
    int r;

    if (run->disk_count == 0)
        return 0;
    if (track_disks(run, err) < 0)
        return -1;
    r = is_below_threshold(run, err);
    if (r != 0)
        return r;
    if (run->options->print_only)
        return dry_print(run, err);
    if (run->options->start_only)
        return dry_start(run, err);
    return save_disks(run, err);
}

static int make_point(struct run *run, struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    int r;

    if (extras_ask(run, err) < 0 || chain_continue(run->chain, &m, err) < 0)
        return -1;
    run->sequence = m.sequence;
    if (commit_describe(run, &m, err) < 0 || places_name(run, err) < 0 ||
        archive_replace(run, err) < 0 || write_intent(run, &m, err) < 0 ||
        places_make(run, err) < 0 || scratch_check(run, err) < 0)
        return -1;
    if (run->level == LEVEL_FULL && run->checkpoint &&
        remove_old_chain(run, err) < 0)
        return -1;
    r = read_disks(run, err);
    if (r < 0)
        return -1;
    if (r > 0 || point_is_dry(run)) {
        run->skipped = true;
        return 0;
    }
    if (commit_point(run, &m, err) < 0)
        return -1;
    if (!run->delivered)
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

static int open_chain(struct run *run, struct error *err)
{
    if (run->options->to_stdout)
        return archive_open(run, err);
    if (chain_open(run->dirfd, &run->chain, err) < 0)
        return -1;
    return adopt(run, err);
}

static int run_checked(struct run *run, struct error *err)
{
    struct recover_through through = {0};

    if (open_domain(run, err) < 0)
        return -1;
    if (run->options->kill_only)
        return dry_kill(run, err);
    through.session = run->session;
    through.remote = run->remote;
    if (transport_choose(run, err) < 0 ||
        recover_directory(run->dirfd, &through, err) < 0 ||
        open_chain(run, err) < 0 || power_find(run, err) < 0 ||
        power_check(run, err) < 0)
        return -1;
    if (point_prepare(run, err) < 0 || check_job(run, err) < 0)
        return -1;
    extras_report(run);
    return make_point(run, err);
}

/* Take back what the failed run made.  What cannot be taken back stays named
 * in the intent, for the next run.
 */
static void undo(struct run *run)
{
    const struct recover_through through = {run->session, run->remote, false};
    _cleanup_error_ struct error err = ERROR_INIT;
    int r = 0;

    /* The guest itself is put back for both ways out, see put_back. */
    run->intent.started = run->intent.frozen = run->intent.suspended = false;
    offline_close(run);
    if (run->begin_unknown) {
        log_warning("libvirt has not said whether the job begins; a process in "
                    "the background waits for it and cleans up");
        run->hand_over = true;
        return;
    }
    if (run->session)
        session_ignore_stop(run->session);
    if (run->intent_written)
        r = recover_intent(run->dirfd, &through, &run->intent, &err);
    else if (run->runtime_dir)
        r = host_remove_dir(run->remote, run->runtime_dir, &err);
    if (r == 0) {
        if (run->socket && run->options->socketfile && !run->remote)
            recover_remove_socket(run->socket);
        return;
    }
    log_error(
        "cleaning up after the failure did not work either: %s; a process "
        "in the background tries again, and so does the next run in '%s'",
        error_text(&err), point_place(run));
    if (run->delivered)
        run->left_over = true;
    run->hand_over = true;
}

static void log_summary(const struct run *run)
{
    char read[TEXT_SIZE_ROOM], stored[TEXT_SIZE_ROOM], zero[TEXT_SIZE_ROOM],
        rest[TEXT_SIZE_ROOM], took[TEXT_SIZE_ROOM], rate[TEXT_SIZE_ROOM];
    struct disk_result sum = {0};
    uint64_t seconds = (uint64_t)(time(NULL) - run->begun);

    for (size_t i = 0; i < run->disk_count; i++) {
        const struct disk_result *d = &run->disks[i].result;

        sum.read_size += d->read_size;
        sum.file_size += d->file_size;
        sum.zero_size += d->zero_size;
        sum.virtual_size += d->virtual_size;
        sum.dirty_size += d->dirty_size;
    }
    log_info("%s read (%s zero, %s unchanged), %s stored",
             text_size(sum.read_size, read), text_size(sum.zero_size, zero),
             text_size(sum.virtual_size - sum.dirty_size, rest),
             text_size(sum.file_size, stored));
    log_info("backup of %zu %s finished in %s (%s/s): point '%s'",
             run->disk_count, run->disk_count == 1 ? "disk" : "disks",
             text_duration(seconds, took),
             text_size(sum.read_size / MAX_OF(seconds, (uint64_t)1), rate),
             run->point);
}

/* Everything that is not the point's: whether the run failed or not. */
static void put_back(struct run *run)
{
    if (run->domain && run->session) {
        session_ignore_stop(run->session);
        quiesce_finish(run);
        power_restore(run);
    }
}

static int exit_status(const struct run *run)
{
    if (run->left_over)
        return EXIT_LEFTOVER;
    return run->options->strict && log_count_warnings() > 0 ? EXIT_WARNINGS
                                                            : EXIT_OK;
}

static void run_done(struct run *run)
{
    point_done(run);
    boot_done(run);
    guest_done(run);
    sink_free(run->archive);
    chain_free(run->chain);
    chain_free(run->old_chain);
    domain_close(run->domain);
    session_close(run->session);
    intent_done(&run->intent);
    free(run->xml);
    free(run->directory);
    free(run->log_name);
    free(run->runtime_dir);
    free(run->socket);
    transport_done(&run->transport);
    free(run->scratch_dir);
    free(run->local_socket);
    free(run->local_dir);
    lock_release(&run->lockfd);
    closep(&run->dirfd);
}

/* What was promised besides the point: with it, or instead of it. */
static int report(const struct reports *reports, const struct run *run,
                  int status, const struct error *failure)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *text = failure->kind == ERR_NONE ? NULL : error_text(failure);

    if (reports_write(reports, run, status, text, &err) == 0)
        return status;
    log_error("%s", error_text(&err));
    return status == EXIT_OK || status == EXIT_WARNINGS ? EXIT_LEFTOVER
                                                        : status;
}

static int run_all(struct run *run, struct patience_watch *watch, int argc,
                   char **argv, struct error *err)
{
    if (directory_open(run, err) < 0 || confine(run, watch, err) < 0)
        return -1;
    startup_banner(argc, argv);
    return run_checked(run, err);
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
        .begun = time(NULL),
        .begun_ms = clock_ms(),
    };
    _cleanup_(reports_close) struct reports reports = REPORTS_INIT;
    struct patience_watch *watch = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    int r = reports_open(options, &reports, &err);

    if (r == 0)
        r = abandon_watch(&run, &watch, &err);
    if (r == 0)
        r = run_all(&run, watch, argc, argv, &err);
    if (r == 0 && !run.kept && !run.skipped && !options->kill_only)
        log_summary(&run);
    /* A run that only looked leaves no more behind than one that failed. */
    if (!run.committed && !run.kept)
        undo(&run);
    put_back(&run);
    there_close(&run);
    patience_watch_stop(watch);
    *ret_hand_over = run.hand_over;
    if (r < 0)
        log_error("%s", error_text(&err));
    return report(&reports, &run,
                  r < 0 ? exit_from_error(&err) : exit_status(&run), &err);
}
