/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outfile.c - see outfile.h
 *
 * The segments form a ring in the order of the file: `head` is the oldest
 * that is not collected, `tail` counts all ever given out.  Writers finish in
 * any order, a segment is collected only at the head, so that the sums can be
 * joined.
 */
#include "outfile.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "set/adler.h"
#include "wake.h"

/* A run of hole blocks shorter than this is written as zeroes: one large
 * write costs less than two small ones. */
#define HOLE_RUN_MIN 16

struct outfile {
    struct sink *sink;
    struct sink_file *file; /* NULL once finished */
    char *name;
    struct workers *writers;
    struct progress_disk *progress;
    int wake_fd;
    struct segment_pool *pool;
    struct out_segment *ring;
    unsigned count;
    uint64_t head, tail;
    uint64_t summed; /* bytes of the file that `adler` covers */
    uint32_t adler;
    pthread_mutex_t lock; /* protects written, error of the segments */
    pthread_cond_t done;
};

static bool is_hole(const struct out_segment *s, size_t block)
{
    return s->holes[block / 8] & (1U << (block % 8));
}

/* The end of the run of blocks that begins at `block`: all holes or none. */
static size_t run_end(const struct out_segment *s, size_t block, size_t blocks)
{
    bool hole = is_hole(s, block);

    while (block < blocks && is_hole(s, block) == hole)
        block++;
    return block;
}

static int write_part(struct out_segment *s, size_t first, size_t last,
                      struct error *err)
{
    size_t begin = first * OUT_BLOCK;
    size_t end = MIN_OF(last * OUT_BLOCK, s->used);

    if (begin >= end)
        return 0;
    if (sink_write(s->file->file, s->offset + begin, s->data + begin,
                   end - begin, OUT_SEGMENT_SIZE - begin, err) < 0)
        return -1;
    if (s->file->progress)
        progress_write(s->file->progress, end - begin);
    return 0;
}

/* Write the segment but its holes. */
static int write_segment(struct out_segment *s, struct error *err)
{
    size_t blocks = (s->used + OUT_BLOCK - 1) / OUT_BLOCK;
    size_t first = 0, block = 0;

    while (block < blocks) {
        size_t end = run_end(s, block, blocks);

        if (is_hole(s, block) && end - block >= HOLE_RUN_MIN) {
            if (write_part(s, first, block, err) < 0)
                return -1;
            first = end;
        }
        block = end;
    }
    return write_part(s, first, blocks, err);
}

static void write_job(struct job *job)
{
    struct out_segment *s = container_of(job, struct out_segment, job);
    struct outfile *o = s->file;
    struct error err = ERROR_INIT;

    s->adler = adler_add(ADLER_NOTHING, s->data, s->used);
    /* The file's last block is written whole and cut later. */
    memset(s->data + s->used, 0, (OUT_BLOCK - s->used % OUT_BLOCK) % OUT_BLOCK);
    if (write_segment(s, &err) < 0)
        error_move(&s->error, &err);
    {
        LOCK_SCOPE(&o->lock);
        s->written = true;
        pthread_cond_signal(&o->done);
        wake_signal(o->wake_fd);
    }
}

int outfile_open(struct sink *sink, const char *name, unsigned count,
                 struct workers *writers, struct progress_disk *progress,
                 int wake_fd, struct outfile **ret, struct error *err)
{
    struct outfile *o = calloc(1, sizeof(*o));

    if (!o)
        return error_memory(err);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->done, NULL);
    o->sink = sink;
    o->writers = writers;
    o->progress = progress;
    o->wake_fd = wake_fd;
    o->count = count;
    o->adler = ADLER_NOTHING;
    o->name = strdup(name);
    o->ring = calloc(count, sizeof(*o->ring));
    if (!o->name || !o->ring) {
        outfile_free(o);
        return error_memory(err);
    }
    o->pool = segment_pool_new(count, OUT_SEGMENT_SIZE, err);
    if (!o->pool || sink_begin(sink, name, &o->file, err) < 0) {
        outfile_free(o);
        return -1;
    }
    *ret = o;
    return 0;
}

struct out_segment *outfile_segment(struct outfile *o, uint64_t offset)
{
    struct out_segment *s = &o->ring[o->tail % o->count];

    if (o->tail - o->head == o->count)
        return NULL;
    memset(s, 0, sizeof(*s));
    s->memory = segment_take(o->pool);
    if (!s->memory)
        return NULL;
    s->file = o;
    s->data = s->memory->data;
    s->offset = offset;
    o->tail++;
    return s;
}

void out_segment_hole(struct out_segment *s, size_t begin, size_t end)
{
    size_t first = (begin + OUT_BLOCK - 1) / OUT_BLOCK;
    size_t last = end / OUT_BLOCK;

    memset(s->data + begin, 0, end - begin);
    for (size_t block = first; block < last; block++)
        s->holes[block / 8] |= (unsigned char)(1U << (block % 8));
}

void outfile_submit(struct outfile *o, struct out_segment *s)
{
    s->submitted = true;
    s->job.run = write_job;
    workers_add(o->writers, &s->job);
}

static void sum_zeroes(struct outfile *o, uint64_t end)
{
    o->adler = adler_add_zeroes(o->adler, end - o->summed);
    o->summed = end;
}

static bool head_is_written(struct outfile *o)
{
    LOCK_SCOPE(&o->lock);
    return o->head < o->tail && o->ring[o->head % o->count].submitted &&
           o->ring[o->head % o->count].written;
}

/* Wait until no writer holds a segment any more. */
static void wait_for_writers(struct outfile *o)
{
    LOCK_SCOPE(&o->lock);
    for (uint64_t i = o->head; i < o->tail; i++) {
        struct out_segment *s = &o->ring[i % o->count];

        while (s->submitted && !s->written)
            pthread_cond_wait(&o->done, &o->lock);
    }
}

/* Why writing failed.  Once a write failed, the sink refuses the others
 * (ERR_INPUT), so a segment in front may only know that: look for the reason
 * behind it.
 */
static int give_reason(struct outfile *o, struct error *err)
{
    struct error *reason = NULL;

    wait_for_writers(o);
    for (uint64_t i = o->head; i < o->tail; i++) {
        struct error *e = &o->ring[i % o->count].error;

        if (e->kind != ERR_NONE && (!reason || reason->kind == ERR_INPUT))
            reason = e;
    }
    error_move(err, reason);
    return -1;
}

int outfile_collect(struct outfile *o, struct error *err)
{
    int collected = 0;

    while (head_is_written(o)) {
        struct out_segment *s = &o->ring[o->head % o->count];

        if (s->error.kind != ERR_NONE)
            return give_reason(o, err);
        o->head++;
        segment_give(o->pool, take(s->memory));
        sum_zeroes(o, s->offset);
        o->adler = adler_join(o->adler, s->adler, s->used);
        o->summed += s->used;
        collected = 1;
    }
    return collected;
}

unsigned outfile_count(const struct outfile *o)
{
    return o->count;
}

bool outfile_idle(const struct outfile *o)
{
    return o->head == o->tail;
}

int outfile_finish(struct outfile *o, uint64_t size, uint32_t *ret_adler,
                   struct error *err)
{
    sum_zeroes(o, size);
    if (sink_finish(o->file, size, err) < 0)
        return -1;
    o->file = NULL;
    *ret_adler = o->adler;
    return 0;
}

void outfile_free(struct outfile *o)
{
    if (!o)
        return;
    if (o->ring)
        wait_for_writers(o);
    for (uint64_t i = o->head; i < o->tail; i++)
        error_clear(&o->ring[i % o->count].error);
    if (o->file)
        sink_discard(o->file);
    segment_pool_free(o->pool);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->done);
    free(o->ring);
    free(o->name);
    free(o);
}
