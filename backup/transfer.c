/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer.c - see transfer.h */
#include "transfer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/rate.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/workers.h"
#include "cli/startup.h"
#include "exports.h"
#include "quiesce.h"
#include "scratch.h"
#include "sink/dir.h"
#include "wake.h"

#define WRITER_THREADS 2
#define RETRY_SECONDS 10
#define TICKS_A_DRAWING 4

struct transfer {
    struct run *run;
    struct sink *sink;
    struct sink *own_sink; /* NULL: it is the run's archive */
    struct workers *writers;
    struct workers *codecs;
    struct progress *progress;
    struct rate rate; /* of all disks together */
    unsigned threads;
    int wake_fd; /* a disk thread ended, or a disk failed */
    pthread_mutex_t lock;
    /* Protected by lock: */
    size_t next;   /* disk to begin */
    unsigned busy; /* disk threads that run */
    bool failed;
    struct error error; /* the first one */
};

struct disk_task transfer_task(const struct run *run, const struct run_disk *d)
{
    return (struct disk_task){
        .name = d->disk->target,
        .format = d->disk->format,
        .target = d->target,
        .far_away = run->remote,
        .dirfd = run->dirfd,
        .data_file = d->data_file,
        .index_file = d->index_file,
        .checkpoint = run->next,
        .parent = d->parent < 0 ? "" : run->chain->points[d->parent].name,
        .bitmap = d->bitmap,
        .parent_size = d->parent_size,
        .size_known = d->size_known,
        .size = d->size,
        /* The indexes of archives are in the archives. */
        .chain = d->parent < 0 || run->chain->archived ? NULL : run->chain,
        .check_source = run->options->check_source,
        .no_fallback = run->options->no_fallback,
        .read_zeroes = run->options->no_sparse_detection,
        .zero_frames = run->options->zero_frames,
        .raw = d->raw,
        .ask_nbdinfo = run->options->ask_nbdinfo,
        .level = d->raw ? 0 : run->options->compress,
        .cover = d->cover,
        .io_timeout_ms = run->options->io_seconds * 1000,
    };
}

static struct disk_task make_task(struct transfer *t, const struct run_disk *d)
{
    struct disk_task task = transfer_task(t->run, d);

    task.sink = t->sink;
    task.memory = TRANSFER_MEMORY / t->threads;
    task.writers = t->writers;
    task.codecs = t->codecs;
    task.progress = t->progress;
    task.rate = t->run->options->bwlimit > 0 ? &t->rate : NULL;
    return task;
}

static struct run_disk *next_disk(struct transfer *t)
{
    LOCK_SCOPE(&t->lock);
    if (t->failed || t->next == t->run->disk_count)
        return NULL;
    return &t->run->disks[t->next++];
}

/* `disk` NULL: it is no disk that failed. */
static void note_failure(struct transfer *t, const char *disk,
                         struct error *err)
{
    LOCK_SCOPE(&t->lock);
    if (!t->failed) {
        t->failed = true;
        if (disk)
            error_prefix(err, "disk %s", disk);
        error_move(&t->error, err);
    }
    error_clear(err);
    wake_signal(t->wake_fd);
}

static void log_result(const struct run_disk *d)
{
    char read[TEXT_SIZE_ROOM], file[TEXT_SIZE_ROOM];

    log_info("%s read, %s in '%s'", text_size(d->result.read_size, read),
             text_size(d->result.file_size, file), d->data_file);
}

static void *disk_thread(void *opaque)
{
    struct transfer *t = opaque;
    struct run_disk *d;

    while ((d = next_disk(t))) {
        struct disk_task task = make_task(t, d);
        uint64_t begun_ms = clock_ms();
        struct error err = ERROR_INIT;
        int r;

        log_thread(d->disk->target);
        r = disk_back_up(&task, &d->result, &err);
        d->duration_ms = clock_ms() - begun_ms;
        if (r < 0)
            note_failure(t, d->disk->target, &err);
        else
            log_result(d);
    }
    {
        LOCK_SCOPE(&t->lock);
        t->busy--;
        wake_signal(t->wake_fd);
    }
    return NULL;
}

/* Wait for the disk threads; false while some run. */
static bool all_ended(struct transfer *t, bool *ret_failed)
{
    LOCK_SCOPE(&t->lock);
    *ret_failed = t->failed;
    return t->busy == 0;
}

/* The guest's writes must not fail for want of scratch space. */
static void watch_scratch(struct transfer *t)
{
    struct error err = ERROR_INIT;

    if (scratch_watch(t->run, &err) < 0)
        note_failure(t, NULL, &err);
}

/* Wait until something happens, or the next look is due. */
static void wait_for_news(struct transfer *t)
{
    /* After a stop was asked for, the disk threads end by themselves; waiting
     * on the stop's descriptor would spin. */
    if (stop_requested())
        wake_wait(t->wake_fd, SCRATCH_TICK_MS);
    else if (stop_wait(t->wake_fd, SCRATCH_TICK_MS) == STOP_READY)
        wake_clear(t->wake_fd);
}

static void watch(struct transfer *t)
{
    bool failed = false, ended_early = false;
    unsigned ticks = 0;
    time_t retry = time(NULL) + RETRY_SECONDS;

    while (!all_ended(t, &failed)) {
        if (failed && !ended_early) {
            exports_break(t->run);
            ended_early = true;
        }
        wait_for_news(t);
        if (!failed)
            watch_scratch(t);
        if (ticks++ % TICKS_A_DRAWING == 0)
            progress_tick(t->progress);
        if (time(NULL) >= retry) {
            quiesce_retry(t->run);
            retry = time(NULL) + RETRY_SECONDS;
        }
    }
}

static int start_helpers(struct transfer *t, struct error *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    /* An archive is written in order. */
    t->writers =
        workers_new(t->run->archive ? 1 : WRITER_THREADS, "writer", err);
    if (!t->writers)
        return -1;
    if (t->run->options->compress == 0)
        return 0;
    t->codecs = workers_new(cores > 0 ? (unsigned)cores : 1, "codec", err);
    return t->codecs ? 0 : -1;
}

static int run_threads(struct transfer *t, struct error *err)
{
    pthread_t threads[TRANSFER_DISKS_MAX];
    unsigned started = 0;
    int r = 0;

    t->busy = t->threads;
    while (started < t->threads && r == 0) {
        r = thread_start(&threads[started], "disk", disk_thread, t, err);
        started += r == 0;
    }
    if (r < 0) {
        LOCK_SCOPE(&t->lock);
        t->failed = true;
        t->busy -= t->threads - started;
    }
    watch(t);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return r;
}

/* A few disks at a time keep all cores busy, as writers and codecs are shared;
 * more would only have less memory each, so that the largest, which is left
 * alone in the end, could not use them all.
 */
static size_t disks_at_a_time(const struct run *run)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (run->options->workers > 0)
        return MIN_OF((size_t)run->options->workers, TRANSFER_DISKS_MAX);
    return cores >= TRANSFER_DISKS ? TRANSFER_DISKS : TRANSFER_DISKS / 2;
}

static unsigned count_threads(const struct run *run)
{
    if (run->archive)
        return run->disk_count > 0;
    return (unsigned)MIN_OF(run->disk_count, disks_at_a_time(run));
}

static void transfer_done(struct transfer *t)
{
    workers_free(t->writers);
    workers_free(t->codecs);
    progress_free(t->progress);
    sink_free(t->own_sink);
    rate_done(&t->rate);
    closep(&t->wake_fd);
    pthread_mutex_destroy(&t->lock);
    error_clear(&t->error);
}

static int open_sink(struct transfer *t, struct error *err)
{
    t->sink = t->run->archive;
    if (t->sink)
        return 0;
    if (dir_sink_new(t->run->dirfd, DIR_AUTO, &t->own_sink, err) < 0)
        return -1;
    t->sink = t->own_sink;
    return 0;
}

int transfer_disks(struct run *run, struct error *err)
{
    _cleanup_(transfer_done) struct transfer t = {
        .run = run, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    pthread_mutex_init(&t.lock, NULL);
    rate_init(&t.rate, run->options->bwlimit);
    if (t.wake_fd < 0)
        return error_errno(err, errno, "make an event descriptor");
    t.threads = count_threads(run);
    if (t.threads == 0)
        return 0;
    t.progress = progress_new(startup_progress(&run->options->common), stderr);
    if (open_sink(&t, err) < 0 || start_helpers(&t, err) < 0 ||
        run_threads(&t, err) < 0)
        return -1;
    if (t.failed) {
        /* What the user asked for is the reason, not what it broke. */
        if (stop_check(err) < 0)
            return -1;
        error_move(err, &t.error);
        return -1;
    }
    return 0;
}
