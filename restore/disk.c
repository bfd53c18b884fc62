/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.c - see disk.h
 *
 * The threads share a cursor over the source; everything else is their own.
 * A thread keeps a few buffers under way to the server while it reads the
 * next record.
 */
#include "disk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/workers.h"
#include "block/plan.h"
#include "nbd/push.h"
#include "set/record.h"

#define THREADS 4
#define BUFFERS 3
#define WRITES_IN_FLIGHT 64
#define CONNECT_TIMEOUT_MS 30000
#define IO_TIMEOUT_MS 300000

struct restore {
    const struct source *source;
    const struct nbd_target *target;
    struct progress_disk *progress;
    pthread_mutex_t lock;
    /* Protected by lock: */
    struct source_cursor cursor;
    bool failed;
    struct error error; /* the first one */
};

/* Bytes on their way to the server. */
struct buffer {
    unsigned char *bytes; /* PLAN_CHUNK_SIZE */
    unsigned writes;      /* that still use it */
};

struct mover {
    struct restore *r;
    pthread_t thread;
    struct nbd_conn *conn;
    struct push *push;
    struct record_reader *reader;
    struct buffer buffers[BUFFERS];
    struct source_work work; /* at hand */
    uint64_t at;             /* where on the disk the next bytes belong */
};

static int next_work(struct mover *m)
{
    LOCK_SCOPE(&m->r->lock);
    if (m->r->failed)
        return 0;
    return source_next(m->r->source, &m->r->cursor, &m->work);
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
        for (size_t i = 0; i < BUFFERS; i++)
            if (m->buffers[i].writes == 0)
                return &m->buffers[i];
        if (wait_for_writes(m, err) < 0)
            return NULL;
    }
}

/* Start writing the part of `b` (the disk's bytes from `at` on) that lies in
 * [offset, offset + length).
 */
static int write_range(struct mover *m, struct buffer *b, uint64_t at,
                       uint64_t offset, uint64_t length, struct error *err)
{
    while (push_room(m->push) == 0)
        if (wait_for_writes(m, err) < 0)
            return -1;
    if (push_write(m->push, offset, b->bytes + (offset - at), (size_t)length, b,
                   err) < 0)
        return -1;
    b->writes++;
    progress_read(m->r->progress, length);
    progress_write(m->r->progress, length);
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

        if (begin < end && write_range(m, b, at, begin, end - begin, err) < 0)
            return -1;
    }
    return 0;
}

/* A stream_put: plain, checked bytes of the record at hand. */
static int take_bytes(void *opaque, const void *bytes, size_t length,
                      struct error *err)
{
    struct mover *m = opaque;
    struct buffer *b = free_buffer(m, err);
    uint64_t at = m->at;

    if (!b)
        return -1;
    memcpy(b->bytes, bytes, length);
    m->at += length;
    return write_visible(m, b, at, length, err);
}

static int move_work(struct mover *m, struct error *err)
{
    const struct source_file *f = &m->r->source->files[m->work.file];
    uint64_t skip = m->work.offset - m->work.what.offset;

    if (stop_check(err) < 0)
        return -1;
    m->at = m->work.offset;
    return record_read(m->reader, f->fd, f->file->file, &m->work.what, skip,
                       m->work.length, take_bytes, m, err);
}

static int move_all(struct mover *m, struct error *err)
{
    while (next_work(m))
        if (move_work(m, err) < 0)
            return -1;
    return push_drain(m->push, err);
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
    if (nbd_conn_open(r->target, NULL, CONNECT_TIMEOUT_MS, &m->conn, err) < 0)
        return -1;
    if (nbd_conn_size(m->conn) < r->source->size)
        return error_set(err, ERR_NBD,
                         "the target has %llu bytes, the disk needs %llu",
                         (unsigned long long)nbd_conn_size(m->conn),
                         (unsigned long long)r->source->size);
    for (size_t i = 0; i < BUFFERS; i++) {
        m->buffers[i].bytes = malloc(PLAN_CHUNK_SIZE);
        if (!m->buffers[i].bytes)
            return error_memory(err);
    }
    if (push_new(m->conn, WRITES_IN_FLIGHT, IO_TIMEOUT_MS, &m->push, err) < 0)
        return -1;
    return record_reader_new(&m->reader, err);
}

static void mover_close(struct mover *m)
{
    push_free(m->push);
    nbd_conn_close(m->conn);
    record_reader_free(m->reader);
    for (size_t i = 0; i < BUFFERS; i++)
        free(m->buffers[i].bytes);
}

static int run_movers(struct mover *movers, struct restore *r,
                      struct error *err)
{
    unsigned started = 0;
    int status = 0;

    while (started < THREADS && status == 0) {
        status = thread_start(&movers[started].thread, "restore", mover_thread,
                              &movers[started], err);
        started += status == 0;
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(movers[i].thread, NULL);
    if (status == 0 && r->failed) {
        error_move(err, &r->error);
        status = -1;
    }
    if (status < 0)
        return -1;
    /* All threads write into one image: one flush is for all. */
    return push_flush(movers[0].push, err);
}

int disk_restore(const struct source *source, const struct nbd_target *target,
                 struct progress_disk *progress, struct error *err)
{
    struct restore r = {
        .source = source, .target = target, .progress = progress};
    struct mover movers[THREADS] = {{0}};
    int status = 0;

    pthread_mutex_init(&r.lock, NULL);
    for (unsigned i = 0; i < THREADS && status == 0; i++)
        status = mover_open(&movers[i], &r, err);
    if (status == 0)
        status = run_movers(movers, &r, err);
    for (unsigned i = 0; i < THREADS; i++)
        mover_close(&movers[i]);
    pthread_mutex_destroy(&r.lock);
    error_clear(&r.error);
    return status;
}
