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

#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/exit.h"
#include "cli/startup.h"
#include "extras.h"
#include "host/host.h"
#include "point.h"
#include "recover.h"
#include "set/marks.h"
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
    name = text_dup_printf("backup.%s.%s.log", level_text(run->options->level),
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

static int make_runtime(struct run *run, struct error *err)
{
    uid_t uid;
    gid_t gid;

    if (domain_qemu_user(run->domain, &uid, &gid, err) < 0 ||
        host_runtime_name(&run->runtime_dir, err) < 0 ||
        guardian_tell(run->guardian, FACT_RUNTIME, run->runtime_dir, err) < 0 ||
        host_runtime_make(run->runtime_dir, uid, gid, err) < 0)
        return -1;
    run->socket = run->options->socketfile
                      ? strdup(run->options->socketfile)
                      : text_dup_printf("%s/nbd", run->runtime_dir);
    return run->socket ? 0 : error_memory(err);
}

static int set_text(char **member, const char *value, struct error *err)
{
    return manifest_set(member, value ? value : "", err);
}

static int utc_time(time_t when, char **ret, struct error *err)
{
    char text[32];
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return manifest_set(ret, text, err);
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
    in->level = run->options->level;
    in->pid = getpid();
    if (set_text(&in->domain_name, domain_name(run->domain), err) < 0 ||
        set_text(&in->uri, run->options->uri, err) < 0 ||
        set_text(&in->name, run->point, err) < 0 ||
        set_text(&in->checkpoint, run->checkpoint, err) < 0 ||
        set_text(&in->runtime_dir, run->runtime_dir, err) < 0 ||
        set_text(&in->socket, run->socket, err) < 0 ||
        utc_time(run->started, &in->time, err) < 0 ||
        name_files(run, err) < 0 || name_intent(in->point, &name, err) < 0)
        return -1;
    if (guardian_tell(run->guardian, FACT_DIRECTORY, run->directory, err) < 0 ||
        guardian_tell(run->guardian, FACT_INTENT, name.text, err) < 0)
        return -1;
    run->intent_written = true;
    return intent_write(run->dirfd, in, err);
}

/* virtnbdbackup.N, and "virtnbdbackup" alone, which the first releases of the
 * Python suite made.
 */
static bool is_default_chain(const char *name)
{
    static const char prefix[] = "virtnbdbackup";
    size_t length = strlen(prefix);

    if (strncmp(name, prefix, length) != 0)
        return false;
    if (name[length] == '\0')
        return true;
    return name[length] == '.' && name[length + 1] != '\0' &&
           strspn(name + length + 1, "0123456789") == strlen(name + length + 1);
}

/* A new full replaces the VM's default chain, as upstream's does: libvirt
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
        if (is_default_chain(list.items[i].name))
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
        disks[i].target = run->disks[i].disk->target;
    if (job_begin(run->domain, &request, err) < 0)
        return error_prefix(err, "start the backup job of domain '%s'",
                            domain_name(run->domain));
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
    run->left_over = true;
}

static int add_disk(struct run *run, const struct run_disk *d,
                    struct manifest *m, struct error *err)
{
    struct manifest_disk *entry = manifest_add_disk(m, err);
    _cleanup_free_ char *sum = text_dup_printf("%s.chksum", d->data_file);

    if (!entry)
        return -1;
    if (!sum)
        return error_memory(err);
    entry->level = run->options->level;
    entry->compressed = run->options->compress > 0;
    entry->virtual_size = d->result.virtual_size;
    entry->data_size = d->result.data_size;
    entry->zero_size = d->result.zero_size;
    entry->file_size = d->result.file_size;
    memcpy(entry->index_hash, d->result.index_hash, sizeof(entry->index_hash));
    if (set_text(&entry->target, d->disk->target, err) < 0 ||
        set_text(&entry->file, d->data_file, err) < 0 ||
        set_text(&entry->index, d->index_file, err) < 0 ||
        set_text(&entry->checkpoint, run->checkpoint, err) < 0 ||
        set_text(&entry->format, d->disk->format, err) < 0)
        return -1;
    /* The index first: a data file under its name always has one. */
    if (index_publish(run->dirfd, d->index_file, err) < 0)
        return -1;
    if (chksum_write(run->dirfd, d->data_file, d->result.adler, err) < 0)
        return -1;
    return manifest_add_file(m, run->dirfd, sum, err);
}

static int publish_data(struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->disk_count; i++) {
        _cleanup_free_ char *partial =
            text_dup_printf("%s.partial", run->disks[i].data_file);

        if (!partial)
            return error_memory(err);
        if (file_rename_noreplace(run->dirfd, partial, run->disks[i].data_file,
                                  err) < 0)
            return -1;
    }
    return file_sync_dir(run->dirfd, err);
}

static int fill_manifest(struct run *run, struct manifest *m, struct error *err)
{
    memcpy(m->point, run->point_uuid, sizeof(m->point));
    checkpoint_describe(m->point, m->chain, run->description);
    memcpy(m->domain_uuid, domain_uuid(run->domain), sizeof(m->domain_uuid));
    m->level_done = run->options->level;
    if (set_text(&m->tool, "virtnbdbackup " VERSION, err) < 0 ||
        set_text(&m->name, run->point, err) < 0 ||
        set_text(&m->level_asked, level_text(run->options->level), err) < 0 ||
        set_text(&m->domain_name, domain_name(run->domain), err) < 0 ||
        utc_time(run->started, &m->time, err) < 0)
        return -1;
    return 0;
}

/* Everything is there: names for all files, then the manifest. */
static int commit(struct run *run, struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < run->disk_count; i++)
        if (add_disk(run, &run->disks[i], m, err) < 0)
            return -1;
    if (extras_write(run, m, err) < 0 || publish_data(run, err) < 0 ||
        stop_check(err) < 0)
        return -1;
    if (manifest_write(run->dirfd, m, err) < 0)
        return error_prefix(err, "commit the backup");
    run->committed = true;
    return 0;
}

/* What comes after the commit is made up for by the next run if it fails. */
static void complete(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (recover_complete(run->dirfd, &run->intent, &err) == 0 &&
        host_remove_dir(run->runtime_dir, &err) == 0)
        return;
    log_error("the backup is complete, but cleaning up failed: %s",
              error_text(&err));
    run->left_over = true;
}

static int make_point(struct run *run, struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    if (chain_continue(run->chain, &m, err) < 0 ||
        domain_xml(run->domain, &run->xml, err) < 0 ||
        fill_manifest(run, &m, err) < 0 || make_runtime(run, err) < 0 ||
        write_intent(run, &m, err) < 0)
        return -1;
    if (run->checkpoint && remove_old_chain(run, err) < 0)
        return -1;
    if (run->disk_count > 0) {
        if (begin_job(run, err) < 0 || transfer_disks(run, err) < 0)
            return -1;
        finish_job(run);
    }
    if (commit(run, &m, err) < 0)
        return -1;
    complete(run);
    return 0;
}

static int run_checked(struct run *run, struct error *err)
{
    if (open_domain(run, err) < 0 ||
        recover_directory(run->dirfd, run->session, err) < 0 ||
        chain_open(run->dirfd, &run->chain, err) < 0 ||
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

    if (run->session)
        session_ignore_stop(run->session);
    if (run->intent_written)
        r = recover_intent(run->dirfd, run->session, &run->intent, &err);
    else if (run->runtime_dir)
        r = host_remove_dir(run->runtime_dir, &err);
    if (r == 0)
        return;
    log_error("cleaning up after the failure did not work either: %s; the next "
              "run in '%s' tries again",
              error_text(&err), run->options->output);
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
               struct guardian *guardian)
{
    _cleanup_(run_done) struct run run = {
        .options = options,
        .dirfd = -1,
        .lockfd = -1,
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
    if (r == 0) {
        log_summary(&run);
        return run.left_over ? EXIT_LEFTOVER : EXIT_OK;
    }
    if (!run.committed)
        undo(&run);
    log_error("%s", error_text(&err));
    return exit_from_error(&err);
}
