/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer.c - see transfer.h */
#include "transfer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/workers.h"
#include "cli/startup.h"
#include "sink/dir.h"
#include "virt/job.h"
#include "wake.h"

#define WRITER_THREADS 2
#define TICK_MS 200
#define IO_TIMEOUT_MS 120000
#define JOB_END_TIMEOUT_MS 60000

struct transfer {
    struct run *run;
    struct sink *sink;
    struct workers *writers;
    struct workers *codecs;
    struct progress *progress;
    unsigned threads;
    int wake_fd; /* a disk thread ended, or a disk failed */
    pthread_mutex_t lock;
    /* Protected by lock: */
    size_t next;   /* disk to begin */
    unsigned busy; /* disk threads that run */
    bool failed;
    struct error error; /* the first one */
};

static struct disk_task make_task(const struct transfer *t,
                                  const struct run_disk *d)
{
    const struct run *run = t->run;

    return (struct disk_task){
        .name = d->disk->target,
        .format = d->disk->format,
        .target = {.socket_path = run->socket, .export_name = d->disk->target},
        .sink = t->sink,
        .dirfd = run->dirfd,
        .data_file = d->data_file,
        .index_file = d->index_file,
        .checkpoint = run->next,
        .parent = d->parent < 0 ? "" : run->chain->points[d->parent].name,
        .bitmap = d->bitmap,
        .parent_size = d->parent_size,
        .read_zeroes = run->options->no_sparse_detection,
        .zero_frames = run->options->zero_frames,
        .level = run->options->compress,
        .cover = d->cover,
        .memory = TRANSFER_MEMORY / t->threads,
        .writers = t->writers,
        .codecs = t->codecs,
        .progress = t->progress,
        .io_timeout_ms = IO_TIMEOUT_MS,
    };
}

static struct run_disk *next_disk(struct transfer *t)
{
    LOCK_SCOPE(&t->lock);
    if (t->failed || t->next == t->run->disk_count)
        return NULL;
    return &t->run->disks[t->next++];
}

static void note_failure(struct transfer *t, const char *disk,
                         struct error *err)
{
    LOCK_SCOPE(&t->lock);
    if (!t->failed) {
        t->failed = true;
        error_prefix(err, "disk %s", disk);
        error_move(&t->error, err);
    }
    error_clear(err);
    wake_signal(t->wake_fd);
}

static void log_result(const struct run_disk *d)
{
    char size[TEXT_SIZE_ROOM], read[TEXT_SIZE_ROOM], file[TEXT_SIZE_ROOM];

    log_info("%s of %s read, file %s: %s", text_size(d->result.read_size, read),
             text_size(d->result.virtual_size, size),
             text_size(d->result.file_size, file), d->data_file);
}

static void *disk_thread(void *opaque)
{
    struct transfer *t = opaque;
    struct run_disk *d;

    while ((d = next_disk(t))) {
        struct disk_task task = make_task(t, d);
        struct error err = ERROR_INIT;

        log_thread(d->disk->target);
        if (disk_back_up(&task, &d->result, &err) < 0)
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

/* The other disks would go on for hours for nothing: without the job their
 * connections break.
 */
static void end_early(struct transfer *t)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    t->run->ended_early = true;
    log_debug("a disk failed; ending the job");
    if (job_end(t->run->domain, t->run->socket, JOB_END_TIMEOUT_MS, &err) < 0)
        log_debug("end the job: %s", error_text(&err));
}

static void watch(struct transfer *t)
{
    bool failed = false, ended_early = false;

    while (!all_ended(t, &failed)) {
        if (failed && !ended_early) {
            end_early(t);
            ended_early = true;
        }
        /* After a stop was asked for, the disk threads end by themselves;
         * waiting on the stop's descriptor would spin. */
        if (stop_requested())
            wake_wait(t->wake_fd, TICK_MS);
        else if (stop_wait(t->wake_fd, TICK_MS) == STOP_READY)
            wake_clear(t->wake_fd);
        progress_tick(t->progress);
    }
}

static int start_helpers(struct transfer *t, struct error *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    t->writers = workers_new(WRITER_THREADS, "writer", err);
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

static unsigned count_threads(const struct run *run)
{
    size_t n = run->disk_count;

    if (run->options->workers > 0)
        n = MIN_OF(n, (size_t)run->options->workers);
    return (unsigned)MIN_OF(n, (size_t)TRANSFER_DISKS_MAX);
}

static void transfer_done(struct transfer *t)
{
    workers_free(t->writers);
    workers_free(t->codecs);
    progress_free(t->progress);
    sink_free(t->sink);
    closep(&t->wake_fd);
    pthread_mutex_destroy(&t->lock);
    error_clear(&t->error);
}

int transfer_disks(struct run *run, struct error *err)
{
    _cleanup_(transfer_done) struct transfer t = {
        .run = run, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    pthread_mutex_init(&t.lock, NULL);
    if (t.wake_fd < 0)
        return error_errno(err, errno, "make an event descriptor");
    t.threads = count_threads(run);
    if (t.threads == 0)
        return 0;
    t.progress = progress_new(startup_progress(&run->options->common), stderr);
    if (dir_sink_new(run->dirfd, DIR_AUTO, &t.sink, err) < 0 ||
        start_helpers(&t, err) < 0 || run_threads(&t, err) < 0)
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
