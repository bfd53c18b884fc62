/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.c - see disk.h
 *
 * The threads share two cursors over the source, one for its zeroes and one for
 * its data; everything else is their own.  While a thread reads a batch, the
 * one before is under way to the server.
 */
#include "disk.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/workers.h"
#include "batch.h"
#include "nbd/push.h"
#include "set/record.h"
#include "set/window.h"

#define THREADS 4
#define BATCHES 2
#define WRITES_IN_FLIGHT 64

/* A write: no longer, and no boundary of a multiple of it inside. */
#define WRITE_SIZE ((uint64_t)(1 * MIB))
#define CONNECT_TIMEOUT_MS 30000

struct restore {
    const struct source *source;
    const struct disk_target *target;
    struct progress_disk *progress;
    struct mover *movers;
    unsigned count; /* of them: one for each connection */
    pthread_mutex_t lock;
    /* Protected by lock: */
    size_t zero_range; /* of the map: where to look for the next zeroes */
    struct source_cursor cursor;
    bool failed;
    struct error error; /* the first one */
};

/* Bytes on their way to the server. */
struct buffer {
    struct batch *batch;
    unsigned writes; /* that still use it */
};

/* What was done, in bytes (records: their number). */
struct tally {
    uint64_t records, stored, written, zeroed;
};

struct mover {
    struct restore *r;
    pthread_t thread;
    struct nbd_conn *conn; /* own_conn, or the target's first */
    struct nbd_conn *own_conn;
    struct tally tally;
    struct push *push;
    struct batch_tools tools;
    struct buffer buffers[BATCHES];
    struct source_work work; /* a long record at hand */
    uint64_t at;             /* where on the disk its next bytes belong */
};

/* What is next, into the batch; outcomes as of batch_gather. */
static int next_batch(struct mover *m, struct batch *b, struct error *err)
{
    LOCK_SCOPE(&m->r->lock);
    if (m->r->failed)
        return 0;
    return batch_gather(b, m->r->source, &m->r->cursor, &m->work, err);
}

static bool is_zero(const struct source *s, const struct blockmap_range *range)
{
    return range->source == BLOCKMAP_NONE ||
           index_get(s->files[range->source].index, range->record).kind ==
               INDEX_ZERO;
}

/* The next part of the disk that is zero, as long as it goes; false: none. */
static bool find_zero(const struct source *s, size_t *at,
                      struct blockmap_range *ret)
{
    const struct blockmap *map = &s->map;

    while (*at < map->count && !is_zero(s, &map->ranges[*at]))
        (*at)++;
    if (*at == map->count)
        return false;
    *ret = map->ranges[(*at)++];
    while (*at < map->count && is_zero(s, &map->ranges[*at]))
        ret->length += map->ranges[(*at)++].length;
    return true;
}

static bool next_zero(struct mover *m, struct blockmap_range *ret)
{
    LOCK_SCOPE(&m->r->lock);
    return !m->r->failed && !m->r->target->blank &&
           find_zero(m->r->source, &m->r->zero_range, ret);
}

static void note_failure(struct mover *m, struct error *err)
{
    LOCK_SCOPE(&m->r->lock);
    if (!m->r->failed) {
        m->r->failed = true;
        error_move(&m->r->error, err);
    }
    error_clear(err);
}

static int wait_for_writes(struct mover *m, struct error *err)
{
    struct buffer *b;

    if (push_poll(m->push, -1, err) < 0)
        return -1;
    while ((b = push_done(m->push)))
        b->writes--;
    return 0;
}

/* A buffer that no write uses. */
static struct buffer *free_buffer(struct mover *m, struct error *err)
{
    for (;;) {
        for (size_t i = 0; i < BATCHES; i++)
            if (m->buffers[i].writes == 0)
                return &m->buffers[i];
        if (wait_for_writes(m, err) < 0)
            return NULL;
    }
}

static int wait_for_room(struct mover *m, struct error *err)
{
    while (push_room(m->push) == 0)
        if (wait_for_writes(m, err) < 0)
            return -1;
    return 0;
}

/* Start writing [offset, offset + length) of the disk, which the batch holds.
 */
static int write_range(struct mover *m, struct buffer *b, uint64_t offset,
                       uint64_t length, struct error *err)
{
    for (uint64_t end = offset + length, n = 0; offset < end; offset += n) {
        n = MIN_OF(end - offset, WRITE_SIZE - offset % WRITE_SIZE);
        if (wait_for_room(m, err) < 0 ||
            push_write(m->push, offset, batch_bytes(b->batch, offset),
                       (size_t)n, b, err) < 0)
            return -1;
        b->writes++;
        m->tally.written += n;
        progress_read(m->r->progress, n);
        progress_write(m->r->progress, n);
    }
    return 0;
}

static int move_batch(struct mover *m, struct buffer *b, struct error *err)
{
    const struct batch_part *parts = NULL;
    size_t count = 0;

    if (batch_read(b->batch, m->r->source, &m->tools, err) < 0)
        return -1;
    m->tally.records += batch_records(b->batch);
    m->tally.stored += batch_stored(b->batch);
    parts = batch_parts(b->batch, &count);
    for (size_t i = 0; i < count; i++)
        if (write_range(m, b, parts[i].offset, parts[i].length, err) < 0)
            return -1;
    return 0;
}

/* Write what is visible of [at, at + length), which `b` holds. */
static int write_visible(struct mover *m, struct buffer *b, uint64_t at,
                         uint64_t length, struct error *err)
{
    const struct index_record part = {.offset = at, .length = length};
    struct blockmap_pieces it = blockmap_pieces(
        &m->r->source->map, m->work.file, m->work.record, &part);
    struct blockmap_range piece;

    while (blockmap_piece_next(&it, &piece)) {
        uint64_t begin = MAX_OF(piece.offset, at);
        uint64_t end = MIN_OF(piece.offset + piece.length, at + length);

        if (begin < end && write_range(m, b, begin, end - begin, err) < 0)
            return -1;
    }
    return 0;
}

/* A stream_put: plain, checked bytes of the long record at hand. */
static int take_bytes(void *opaque, const void *bytes, size_t length,
                      struct error *err)
{
    struct mover *m = opaque;
    struct buffer *b = free_buffer(m, err);
    uint64_t at = m->at;

    if (!b)
        return -1;
    batch_set(b->batch, at, bytes, length);
    m->at += length;
    return write_visible(m, b, at, length, err);
}

static int move_long(struct mover *m, struct error *err)
{
    const struct source_file *f = &m->r->source->files[m->work.file];

    m->at = m->work.offset;
    m->tally.records++;
    m->tally.stored += m->work.what.stored_length;
    return record_read(m->tools.reader, f->fd, f->file->file, &m->work.what, 0,
                       m->work.length, take_bytes, m, err);
}

/* 1: there is more; 0: no. */
static int move_next(struct mover *m, struct error *err)
{
    struct buffer *b = free_buffer(m, err);
    int outcome = 0;

    if (!b || stop_check(err) < 0)
        return -1;
    outcome = next_batch(m, b->batch, err);
    if (outcome <= 0)
        return outcome;
    if (outcome == BATCH_LONG ? move_long(m, err) < 0
                              : move_batch(m, b, err) < 0)
        return -1;
    return 1;
}

static int move_all(struct mover *m, struct error *err)
{
    struct blockmap_range zero;
    int more = 0;

    while (next_zero(m, &zero)) {
        if (wait_for_room(m, err) < 0 ||
            push_zero(m->push, zero.offset, zero.length, err) < 0)
            return -1;
        m->tally.zeroed += zero.length;
    }
    do
        more = move_next(m, err);
    while (more > 0);
    return more < 0 ? -1 : push_drain(m->push, err);
}

static void *mover_thread(void *opaque)
{
    struct mover *m = opaque;
    struct error err = ERROR_INIT;

    if (move_all(m, &err) < 0)
        note_failure(m, &err);
    return NULL;
}

static int mover_open(struct mover *m, struct restore *r, struct error *err)
{
    m->r = r;
    if (m == r->movers)
        m->conn = r->target->conn;
    else if (nbd_conn_open(&r->target->server, NULL, CONNECT_TIMEOUT_MS,
                           &m->own_conn, err) == 0)
        m->conn = m->own_conn;
    else
        return -1;
    for (size_t i = 0; i < BATCHES; i++)
        if (batch_new(&m->buffers[i].batch, err) < 0)
            return -1;
    if (push_new(m->conn, WRITES_IN_FLIGHT, r->target->io_timeout_ms, &m->push,
                 err) < 0)
        return -1;
    return batch_tools_init(&m->tools, err);
}

static void mover_close(struct mover *m)
{
    push_free(m->push);
    nbd_conn_close(m->own_conn);
    batch_tools_done(&m->tools);
    for (size_t i = 0; i < BATCHES; i++)
        batch_free(m->buffers[i].batch);
}

static void log_tally(const struct restore *r)
{
    struct tally sum = {0};

    for (unsigned i = 0; i < r->count; i++) {
        const struct tally *t = &r->movers[i].tally;

        sum.records += t->records;
        sum.stored += t->stored;
        sum.written += t->written;
        sum.zeroed += t->zeroed;
    }
    log_debug("%zu files, %llu records read: %llu bytes; %llu bytes written, "
              "%llu zeroed",
              r->source->count, (unsigned long long)sum.records,
              (unsigned long long)sum.stored, (unsigned long long)sum.written,
              (unsigned long long)sum.zeroed);
}

static int run_movers(struct restore *r, struct error *err)
{
    unsigned started = 0;
    int status = 0;

    if (r->target->touched)
        *r->target->touched = true;
    while (started < r->count && status == 0) {
        status = thread_start(&r->movers[started].thread, "restore",
                              mover_thread, &r->movers[started], err);
        started += status == 0;
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(r->movers[i].thread, NULL);
    if (status == 0 && r->failed) {
        error_move(err, &r->error);
        status = -1;
    }
    if (status < 0)
        return -1;
    log_tally(r);
    /* Several connections see one image: one flush is for all. */
    return push_flush(r->movers[0].push, err);
}

/* Is a boundary inside the disk one between the blocks of the target? */
static bool is_between(const struct restore *r, uint64_t offset)
{
    return offset % nbd_conn_block_min(r->target->conn) == 0 ||
           offset == nbd_conn_size(r->target->conn);
}

/* Can each part of the map be written as it is?  A long record comes in chunks
 * that count from where it begins.
 */
static bool parts_fit(const struct restore *r)
{
    const struct source *s = r->source;
    struct blockmap_range zero;

    for (size_t i = 0; i < s->map.count; i++) {
        const struct blockmap_range *range = &s->map.ranges[i];

        if (!is_zero(s, range) &&
            (!is_between(r, range->offset) ||
             !is_between(r, range->offset + range->length) ||
             !is_between(r, range->offset - range->delta)))
            return false;
    }
    for (size_t at = 0; find_zero(s, &at, &zero);)
        if (!is_between(r, zero.offset) ||
            !is_between(r, zero.offset + zero.length))
            return false;
    return true;
}

static int check_target(const struct restore *r, struct error *err)
{
    uint64_t size = nbd_conn_size(r->target->conn);
    uint32_t min = nbd_conn_block_min(r->target->conn);

    if (size < r->source->size)
        return error_set(
            err, ERR_NBD, "the target has %llu bytes, the disk needs %llu",
            (unsigned long long)size, (unsigned long long)r->source->size);
    if (min > 1 && !parts_fit(r))
        return error_set(err, ERR_NBD,
                         "the target takes blocks of %u bytes only, and the "
                         "disk has smaller ones; put a server in front that "
                         "takes any (qemu-nbd does)",
                         min);
    return 0;
}

int disk_restore(const struct source *source, const struct disk_target *target,
                 struct progress_disk *progress, struct error *err)
{
    struct mover movers[THREADS] = {{0}};
    struct restore r = {
        .source = source,
        .target = target,
        .progress = progress,
        .movers = movers,
        .count = nbd_conn_can_multi(target->conn) ? THREADS : 1,
    };
    int status = 0;

    if (check_target(&r, err) < 0)
        return -1;
    for (size_t i = 0; i < source->count; i++)
        window_past_cache(source->files[i].fd);
    pthread_mutex_init(&r.lock, NULL);
    for (unsigned i = 0; i < r.count && status == 0; i++)
        status = mover_open(&movers[i], &r, err);
    if (status == 0)
        status = run_movers(&r, err);
    for (unsigned i = 0; i < r.count; i++)
        mover_close(&movers[i]);
    pthread_mutex_destroy(&r.lock);
    error_clear(&r.error);
    return status;
}
