/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* online.c - exports of a running guest: libvirt's backup job; see exports.h */
#include "exports.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "checkpoints.h"
#include "quiesce.h"
#include "recover.h"
#include "scratch.h"
#include "there.h"
#include "virt/job.h"

#define BEGIN_TIMEOUT_MS 60000
#define JOB_END_SECONDS_MIN 5
#define JOB_END_SECONDS_MAX 60

/* For as long a failure waits for its reason. */
#define EXPLAIN_MS 2000
#define EXPLAIN_ENDED_MS 300
#define EXPLAIN_STEP_MS 50

/* Whoever does not wait long for QEMU does not for libvirt. */
static int end_timeout_ms(const struct run *run)
{
    int seconds = run->options->io_seconds;

    if (seconds == 0 || seconds > JOB_END_SECONDS_MAX)
        seconds = JOB_END_SECONDS_MAX;
    return MAX_OF(seconds, JOB_END_SECONDS_MIN) * 1000;
}

static const char *parent_name(const struct run *run, const struct run_disk *d)
{
    return d->parent < 0 ? NULL : run->chain->points[d->parent].name;
}

static int fill_disk(struct run *run, struct run_disk *d, struct job_disk *ret,
                     struct error *err)
{
    ret->target = d->disk->target;
    ret->no_checkpoint = d->raw_disk;
    ret->incremental = parent_name(run, d);
    d->export_name = transport_export(run, d->disk->target);
    if (!d->export_name)
        return error_memory(err);
    ret->export_name = d->export_name;
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
        int r;

        if (run->disks[i].raw_disk)
            continue;
        r = checkpoint_purge(run->domain, run->checkpoint, target, err);
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

/* The guest holds still for this, and no longer. */
static int begin_once(struct run *run, struct job_request *request,
                      struct error *err)
{
    int r;

    if (!run->options->print_only && quiesce_begin(run, err) < 0)
        return -1;
    r = transport_begin(run, request, err);
    quiesce_end(run);
    if (r == 0 && run->thawed_early && run->options->require_freeze)
        return error_set(err, ERR_INPUT,
                         "the guest did not stay frozen, as --require-freeze "
                         "asks for");
    return r;
}

/* Start the job; once more where stray bitmaps were in the way. */
static int begin(struct run *run, struct job_request *request,
                 struct error *err)
{
    _cleanup_error_ struct error first = ERROR_INIT;
    int purged;

    if (begin_once(run, request, &first) == 0)
        return 0;
    if (first.kind == ERR_LIBVIRT && !job_port_is_taken(&first)) {
        if (job_undo(run->domain, request, end_timeout_ms(run), err) < 0)
            return -1;
        purged = purge_bitmaps(run, err);
        if (purged < 0)
            return -1;
        if (purged > 0)
            return begin_once(run, request, err);
    }
    error_move(err, &first);
    return -1;
}

int online_open(struct run *run, struct error *err)
{
    _cleanup_free_ struct job_disk *disks =
        calloc(run->disk_count, sizeof(*disks));
    struct job_request request = {
        .scratch_dir = run->scratch_dir,
        .prefix = run->point_uuid,
        .disks = disks,
        .disk_count = run->disk_count,
        .checkpoint = run->checkpoint,
        .description = run->description,
        .timeout_ms = BEGIN_TIMEOUT_MS,
    };

    if (!disks)
        return error_memory(err);
    transport_request(run, &request);
    if (there_forward(run, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        if (fill_disk(run, &run->disks[i], &disks[i], err) < 0)
            return -1;
    /* Killed in the middle of this, libvirt goes on with it. */
    if (guardian_tell(run->guardian, FACT_BEGIN_UNKNOWN, "1", err) < 0 ||
        there_tell(run, REMOTE_BEGIN, err) < 0)
        return -1;
    if (begin(run, &request, err) < 0) {
        /* libvirt may start it yet, when nobody waits for it any more. */
        run->begin_unknown =
            err->kind == ERR_TIMEOUT || err->kind == ERR_STOPPED;
        if (!run->begin_unknown)
            there_forget(run, REMOTE_JOB);
        return -1;
    }
    if (guardian_tell(run->guardian, FACT_BEGIN_UNKNOWN, NULL, err) < 0 ||
        there_tell(run, REMOTE_JOB, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        run->disks[i].target = transport_target(run, run->disks[i].export_name);
    log_info("backup job started, %zu %s", run->disk_count,
             run->disk_count == 1 ? "disk" : "disks");
    checkpoints_ask(run);
    return 0;
}

/* The data is safe already when this fails: the point is worth keeping. */
void online_close(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (job_end(run->domain, run->socket, end_timeout_ms(run), &err) >= 0) {
        there_forget(run, REMOTE_JOB);
        return;
    }
    log_error("the backup job of domain '%s' could not be ended (%s), and its "
              "scratch files grow; a process in the background goes on trying, "
              "and so does the next run; by hand, when libvirt answers: "
              "virtnbdbackup -d %s -o %s -k",
              domain_name(run->domain), error_text(&err),
              domain_name(run->domain), point_place(run));
    run->left_over = run->job_left = run->hand_over = true;
}

void online_break(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    log_debug("a disk failed; ending the job");
    nbd_tls_stop();
    if (job_end(run->domain, run->socket, end_timeout_ms(run), &err) < 0)
        log_debug("end the job: %s", error_text(&err));
}

enum ending {
    GOES_ON, /* as far as libvirt knows */
    SHUT_OFF,
    JOB_ENDED,
    NOT_TOLD,
};

static enum ending look_why(struct run *run)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;
    int active = domain_is_active(run->domain, &ignored);
    int job = 1;

    if (active == 0)
        return SHUT_OFF;
    if (active > 0 && !run->ended_early)
        job = job_find(run->domain, NULL, &ignored);
    if (active < 0 || job < 0)
        return NOT_TOLD;
    return job == 0 ? JOB_ENDED : GOES_ON;
}

/* Our connection can break before libvirt knows why, and libvirt can know of
 * the job's end before it knows that the guest's was the reason.
 */
static enum ending wait_for_why(struct run *run)
{
    /* Once we have ended the job libvirt knows what there is to know. */
    int64_t until_ms =
        clock_ms() + (run->ended_early ? EXPLAIN_ENDED_MS : EXPLAIN_MS);
    enum ending why = look_why(run);
    _cleanup_error_ struct error ignored = ERROR_INIT;

    /* A job that still runs must not be left alone with its scratch files. */
    while ((why == GOES_ON || why == JOB_ENDED) && clock_ms() < until_ms &&
           scratch_watch(run, &ignored) == 0 &&
           stop_wait(-1, EXPLAIN_STEP_MS) == STOP_TIMEOUT)
        why = look_why(run);
    return why;
}

int online_explain(struct run *run, struct error *err)
{
    if (err->kind != ERR_NBD)
        return -1;
    switch (wait_for_why(run)) {
    case SHUT_OFF:
        return error_prefix(err, "domain '%s' was shut off during the backup",
                            domain_name(run->domain));
    case JOB_ENDED:
        return error_prefix(err,
                            "the backup job of domain '%s' was ended by "
                            "somebody else",
                            domain_name(run->domain));
    default:
        return -1;
    }
}
