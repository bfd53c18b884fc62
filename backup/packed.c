/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* packed.c - the engine for compressed streams, see engine.h
 *
 * Frames are read into a ring of buffers; when one is complete, a codec
 * thread hashes and compresses it.  The ring keeps the order: the oldest
 * frame is appended to the file as soon as it is coded, with what the plan
 * puts in front of it.  Reading and appending walk the plan each for
 * themselves.
 */
#include "engine.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/stop.h"
#include "stream/codec.h"
#include "stream/writer.h"
#include "wake.h"

struct packed_frame {
    struct job job;
    struct packed *packed;
    struct codec *codec;
    struct plan_frame frame;
    unsigned char *plain; /* PLAN_CHUNK_SIZE bytes */
    unsigned char *coded; /* codec_bound(PLAN_CHUNK_SIZE) bytes */
    size_t coded_length;
    uint64_t asked; /* bytes of the frame whose reads were started */
    unsigned pending;
    bool submitted;
    bool done; /* protected by packed.lock, as is what the job wrote */
    unsigned char hash[INDEX_HASH_SIZE];
    struct error error;
};

struct packed {
    struct engine *e;
    struct plan read, append;
    struct packed_frame *ring;
    uint64_t head, tail;
    struct plan_frame next; /* of the reader; its length 0: none */
    bool read_all;
    struct out_segment *segment; /* being filled */
    uint64_t position;           /* size of the file so far */
    struct stream_writer writer;
    struct codec *zero_codec;
    unsigned char *zeroes; /* a chunk of zeroes, coded */
    size_t zeroes_length;
    pthread_mutex_t lock;
    pthread_cond_t idle;
};

static void code_frame(struct packed_frame *f)
{
    const struct engine *e = f->packed->e;

    index_hash_block(f->plain, (size_t)f->frame.length, f->hash);
    if (codec_encode(f->codec, e->level, f->plain, (size_t)f->frame.length,
                     f->coded, codec_bound(PLAN_CHUNK_SIZE), &f->coded_length,
                     &f->error) < 0)
        return;
}

static void code_job(struct job *job)
{
    struct packed_frame *f = container_of(job, struct packed_frame, job);
    struct packed *p = f->packed;

    code_frame(f);
    {
        LOCK_SCOPE(&p->lock);
        f->done = true;
        pthread_cond_signal(&p->idle);
        wake_signal(p->e->wake_fd);
    }
}

static bool is_done(struct packed *p, struct packed_frame *f)
{
    LOCK_SCOPE(&p->lock);
    return f->done;
}

static void take_reads(struct packed *p)
{
    struct packed_frame *f;

    while ((f = pull_done(p->e->pull))) {
        if (--f->pending > 0 || f->asked < f->frame.length)
            continue;
        progress_read(p->e->progress, f->frame.length);
        f->submitted = true;
        f->job.run = code_job;
        workers_add(p->e->codecs, &f->job);
    }
}

/* Wait for the writers; meanwhile the server is listened to, so that its
 * answers do not pile up, nor the time it had to wait for us counts as its
 * silence.
 */
static int wait_for_writers(struct packed *p, struct error *err)
{
    int collected;

    take_reads(p);
    collected = outfile_collect(p->e->out, err);
    if (collected < 0)
        return -1;
    return collected == 0 ? engine_wait(p->e, err) : 0;
}

/* Append bytes to the file, waiting for the writers where need be. */
static int put(void *opaque, const void *bytes, size_t length,
               struct error *err)
{
    struct packed *p = opaque;
    const unsigned char *from = bytes;

    while (length > 0) {
        size_t n;

        if (!p->segment)
            p->segment = outfile_segment(p->e->out, p->position);
        if (!p->segment) {
            if (wait_for_writers(p, err) < 0)
                return -1;
            continue;
        }
        n = MIN_OF(length, OUT_SEGMENT_SIZE - p->segment->used);
        memcpy(p->segment->data + p->segment->used, from, n);
        p->segment->used += n;
        p->position += n;
        from += n;
        length -= n;
        if (p->segment->used == OUT_SEGMENT_SIZE)
            outfile_submit(p->e->out, take(p->segment));
    }
    return 0;
}

/* The next frame that has to be read, into p->next. */
static bool next_read(struct packed *p)
{
    while (p->next.length == 0 && !p->read_all) {
        if (!plan_next(&p->read, &p->next))
            p->read_all = true;
        else if (p->next.kind != PLAN_DATA)
            p->next.length = 0;
    }
    if (p->read_all)
        p->next.length = 0;
    return p->next.length > 0;
}

static struct packed_frame *reading(struct packed *p)
{
    struct packed_frame *f;

    if (p->tail > p->head) {
        f = &p->ring[(p->tail - 1) % p->e->frames];
        if (f->asked < f->frame.length)
            return f;
    }
    if (p->tail - p->head == p->e->frames || !next_read(p))
        return NULL;
    f = &p->ring[p->tail++ % p->e->frames];
    f->frame = p->next;
    p->next.length = 0;
    f->asked = 0;
    f->pending = 0;
    f->submitted = f->done = false;
    return f;
}

/* Start reads while there are buffers and the server has room. */
static int read_ahead(struct packed *p, struct error *err)
{
    struct packed_frame *f;

    while ((f = reading(p))) {
        size_t n = engine_may_read(p->e, f->frame.length - f->asked);

        if (n == 0)
            return 0;
        if (pull_read(p->e->pull, f->frame.offset + f->asked, n,
                      f->plain + f->asked, f, err) < 0)
            return -1;
        f->asked += n;
        f->pending++;
    }
    return 0;
}

static int add_record(struct packed *p, const struct plan_frame *frame,
                      uint64_t file_offset, uint64_t stored,
                      const unsigned char *hash, struct error *err)
{
    struct index_record record = {
        .kind = frame->kind == PLAN_DATA ? INDEX_DATA : INDEX_ZERO,
        .offset = frame->offset,
        .length = frame->length,
        .file_offset = file_offset,
        .stored_length = stored,
        .compressed = frame->kind != PLAN_ZERO,
        .hashed = hash != NULL,
    };

    if (hash)
        memcpy(record.hash, hash, INDEX_HASH_SIZE);
    return index_writer_add(p->e->index, &record, err);
}

/* One data frame: header, one lz4 frame, line end. */
static int append_data(struct packed *p, const struct plan_frame *frame,
                       const unsigned char *coded, size_t length,
                       const unsigned char *hash, struct error *err)
{
    uint64_t payload;

    if (writer_data_begin(&p->writer, frame->offset, frame->length, err) < 0)
        return -1;
    payload = p->position;
    if (put(p, coded, length, err) < 0 ||
        writer_data_end(&p->writer, length, err) < 0)
        return -1;
    return add_record(p, frame, payload, length, hash, err);
}

/* Zeroes that must be a data frame: coded once, then repeated. */
static int append_zeroes(struct packed *p, const struct plan_frame *frame,
                         struct error *err)
{
    _cleanup_free_ unsigned char *plain = NULL;
    _cleanup_free_ unsigned char *coded = NULL;
    size_t length;

    if (frame->length == PLAN_CHUNK_SIZE && p->zeroes)
        return append_data(p, frame, p->zeroes, p->zeroes_length, NULL, err);
    plain = calloc(1, (size_t)frame->length);
    coded = malloc(codec_bound((size_t)frame->length));
    if (!plain || !coded)
        return error_memory(err);
    if (codec_encode(p->zero_codec, p->e->level, plain, (size_t)frame->length,
                     coded, codec_bound((size_t)frame->length), &length,
                     err) < 0 ||
        append_data(p, frame, coded, length, NULL, err) < 0)
        return -1;
    if (frame->length == PLAN_CHUNK_SIZE) {
        p->zeroes_length = length;
        p->zeroes = take(coded);
    }
    return 0;
}

static int append_zero_frame(struct packed *p, const struct plan_frame *frame,
                             struct error *err)
{
    if (writer_zero(&p->writer, frame->offset, frame->length, err) < 0)
        return -1;
    return add_record(p, frame, 0, 0, NULL, err);
}

/* Append the frame in front, which is coded. */
static int append_head(struct packed *p, struct error *err)
{
    struct packed_frame *f = &p->ring[p->head % p->e->frames];

    if (f->error.kind != ERR_NONE) {
        error_move(err, &f->error);
        return error_prefix(err, "compress %llu bytes at %llu",
                            (unsigned long long)f->frame.length,
                            (unsigned long long)f->frame.offset);
    }
    if (append_data(p, &f->frame, f->coded, f->coded_length, f->hash, err) < 0)
        return -1;
    p->head++;
    return 0;
}

/* Append what is ready.  Outcomes: 1 something, 0 nothing yet, 2 all done. */
static int append_ready(struct packed *p, struct error *err)
{
    int some = 0;

    for (;;) {
        struct plan ahead = p->append;
        struct plan_frame frame;
        int r;

        if (!plan_next(&ahead, &frame))
            return 2;
        if (frame.kind == PLAN_DATA) {
            if (p->head == p->tail ||
                !is_done(p, &p->ring[p->head % p->e->frames]))
                return some;
            r = append_head(p, err);
        } else if (frame.kind == PLAN_HOLE) {
            r = append_zeroes(p, &frame, err);
        } else {
            r = append_zero_frame(p, &frame, err);
        }
        if (r < 0 || stop_check(err) < 0)
            return -1;
        p->append = ahead;
        some = 1;
    }
}

static int finish(struct packed *p, struct error *err)
{
    if (writer_stop(&p->writer, err) < 0 || writer_trailer(&p->writer, err) < 0)
        return -1;
    if (p->segment)
        outfile_submit(p->e->out, take(p->segment));
    while (!outfile_idle(p->e->out)) {
        int collected = outfile_collect(p->e->out, err);

        if (collected < 0)
            return -1;
        if (collected == 0 && engine_wait_job(p->e, err) < 0)
            return -1;
    }
    return 0;
}

static int run(struct packed *p, struct error *err)
{
    if (writer_meta(&p->writer, p->e->meta, err) < 0)
        return -1;
    for (;;) {
        int appended, collected;

        take_reads(p);
        if (read_ahead(p, err) < 0)
            return -1;
        appended = append_ready(p, err);
        if (appended < 0)
            return -1;
        if (appended == 2)
            return finish(p, err);
        collected = outfile_collect(p->e->out, err);
        if (collected < 0)
            return -1;
        if (appended + collected == 0 && engine_wait(p->e, err) < 0)
            return -1;
    }
}

/* No codec thread may use a frame that is about to go. */
static void wait_for_codecs(struct packed *p)
{
    LOCK_SCOPE(&p->lock);
    for (uint64_t i = p->head; i < p->tail; i++) {
        struct packed_frame *f = &p->ring[i % p->e->frames];

        while (f->submitted && !f->done)
            pthread_cond_wait(&p->idle, &p->lock);
    }
}

static int make_ring(struct packed *p, struct error *err)
{
    p->ring = calloc(p->e->frames, sizeof(*p->ring));
    if (!p->ring)
        return error_memory(err);
    for (unsigned i = 0; i < p->e->frames; i++) {
        p->ring[i].packed = p;
        p->ring[i].plain = malloc(PLAN_CHUNK_SIZE);
        p->ring[i].coded = malloc(codec_bound(PLAN_CHUNK_SIZE));
        if (!p->ring[i].plain || !p->ring[i].coded)
            return error_memory(err);
        p->ring[i].codec = codec_new(err);
        if (!p->ring[i].codec)
            return -1;
    }
    p->zero_codec = codec_new(err);
    return p->zero_codec ? 0 : -1;
}

static void free_ring(struct packed *p)
{
    for (unsigned i = 0; p->ring && i < p->e->frames; i++) {
        free(p->ring[i].plain);
        free(p->ring[i].coded);
        codec_free(p->ring[i].codec);
        error_clear(&p->ring[i].error);
    }
    free(p->ring);
    codec_free(p->zero_codec);
}

int engine_packed(struct engine *e, uint64_t *ret_size, struct error *err)
{
    struct packed p = {.e = e};
    int r;

    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.idle, NULL);
    plan_begin(&p.read, e->extents, &e->policy);
    plan_begin(&p.append, e->extents, &e->policy);
    writer_init(&p.writer, put, &p);
    r = make_ring(&p, err);
    if (r == 0)
        r = run(&p, err);
    /* Reads under way would still land in the buffers. */
    pull_free(take(e->pull));
    wait_for_codecs(&p);
    writer_done(&p.writer);
    free_ring(&p);
    free(p.zeroes);
    pthread_mutex_destroy(&p.lock);
    pthread_cond_destroy(&p.idle);
    if (r == 0)
        *ret_size = p.position;
    return r;
}
