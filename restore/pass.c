/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pass.c - see pass.h
 *
 * The file is cut into chunks, in order; each is a job for the workers.  The
 * chunks under way are a ring: the oldest is waited for, and what it found is
 * told.  Without gaps between them, their sums make that of the file.
 */
#include "pass.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"
#include "base/vec.h"
#include "block/plan.h"
#include "set/adler.h"
#include "set/record.h"
#include "set/window.h"
#include "sum.h"

#define THREADS 4
#define CHUNKS 8
#define CHUNK_SIZE ((uint64_t)(2 * MIB))

/* More than that between two records is not read with them. */
#define GAP_MAX ((uint64_t)(64 * KIB))

enum kind {
    READ, /* some records, and what is between them */
    LONG, /* a record that is not held in memory as a whole */
    ZERO, /* stored bytes that should be zero, as long as they like */
    GAP,  /* no record */
};

/* [skip, skip + length) of a record; all of it, unless it is a plain one
 * without a hash.
 */
struct part {
    size_t number;
    struct index_record record;
    uint64_t skip, length;
};

struct found {
    bool in_record;
    struct part part;
    struct error error;
};

struct chunk {
    struct job job;
    struct pass *pass;
    struct window *window;
    struct record_reader *reader;
    enum kind kind;
    uint64_t begin, end; /* in the file */
    VEC(struct part) parts;
    /* What came of it: */
    uint32_t sum;
    VEC(struct found) found;
    bool out_of_memory; /* even for what was found */
    bool done;          /* under the pass's lock */
};

struct pass {
    struct workers *workers;
    pthread_mutex_t lock;
    pthread_cond_t done; /* some chunk is */
    struct chunk chunks[CHUNKS];
    size_t planned, told;
    /* The file at hand: */
    const struct pass_request *request;
    size_t number; /* the next record */
    uint64_t skip; /* bytes of it that are in chunks */
    uint64_t at;   /* where in the file the chunks have come to */
};

static void run_chunk(struct job *job);

int pass_new(struct pass **ret, struct error *err)
{
    _cleanup_(pass_freep) struct pass *p = calloc(1, sizeof(*p));

    if (!p)
        return error_memory(err);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->done, NULL);
    for (size_t i = 0; i < CHUNKS; i++) {
        struct chunk *c = &p->chunks[i];

        c->pass = p;
        c->job.run = run_chunk;
        if (window_new(CHUNK_SIZE, &c->window, err) < 0 ||
            record_reader_new(&c->reader, err) < 0)
            return -1;
    }
    p->workers = workers_new(THREADS, "verify", err);
    if (!p->workers)
        return -1;
    *ret = take(p);
    return 0;
}

static void forget_found(struct chunk *c)
{
    vec_foreach (found, &c->found)
        error_clear(&found->error);
    c->found.count = 0;
}

void pass_free(struct pass *p)
{
    if (!p)
        return;
    workers_free(p->workers);
    for (size_t i = 0; i < CHUNKS; i++) {
        struct chunk *c = &p->chunks[i];

        forget_found(c);
        vec_free(&c->found);
        vec_free(&c->parts);
        window_free(c->window);
        record_reader_free(c->reader);
    }
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct workers *pass_workers(const struct pass *p)
{
    return p->workers;
}

/* Can a part of the record be read without the rest? */
static bool is_divisible(const struct index_record *r)
{
    return r->kind == INDEX_DATA && !r->hashed && !r->compressed;
}

static enum kind kind_of(const struct index_record *r)
{
    if (r->kind == INDEX_ZERO && !r->compressed)
        return ZERO;
    return is_divisible(r) || record_is_short(r) ? READ : LONG;
}

/* The next part to be read; false: there is none. */
static bool next_part(struct pass *p, struct part *ret)
{
    const struct pass_request *q = p->request;

    for (; p->number < index_count(q->idx); p->number++, p->skip = 0) {
        struct index_record r = index_get(q->idx, p->number);

        if (r.stored_length == 0 || !sample_takes(q->sample, q->name, r.offset))
            continue;
        *ret = (struct part){.number = p->number,
                             .record = r,
                             .skip = p->skip,
                             .length = r.length - p->skip};
        if (is_divisible(&r))
            ret->length = MIN_OF(ret->length, PLAN_CHUNK_SIZE);
        return true;
    }
    return false;
}

static void pass_over(struct pass *p, const struct part *part)
{
    p->skip = part->skip + part->length;
    if (p->skip == part->record.length) {
        p->skip = 0;
        p->number++;
    }
}

static uint64_t begin_of(const struct part *part)
{
    return part->record.file_offset + part->skip;
}

static uint64_t end_of(const struct part *part)
{
    return is_divisible(&part->record)
               ? begin_of(part) + part->length
               : part->record.file_offset + part->record.stored_length;
}

/* Make the chunk end in front of `end`, without records. */
static int plan_gap(struct pass *p, struct chunk *c, uint64_t end)
{
    c->kind = GAP;
    c->end = p->at = end;
    return 1;
}

static int add_part(struct pass *p, struct chunk *c, const struct part *part,
                    struct error *err)
{
    if (vec_push(&c->parts, *part) < 0)
        return error_memory(err);
    c->end = p->at = end_of(part);
    pass_over(p, part);
    return 1;
}

/* Lay out the next chunk: 1; 0: there is none. */
static int plan_chunk(struct pass *p, struct chunk *c, struct error *err)
{
    const struct pass_request *q = p->request;
    struct part part;

    c->kind = READ;
    c->begin = c->end = p->at;
    c->parts.count = 0;
    while (next_part(p, &part)) {
        uint64_t begin = begin_of(&part);
        bool first = c->parts.count == 0;

        if (first && q->sum && begin > p->at &&
            (begin - p->at > GAP_MAX || kind_of(&part.record) != READ))
            return plan_gap(p, c, begin);
        if (first && !q->sum)
            c->begin = begin;
        if (first && kind_of(&part.record) != READ) {
            c->kind = kind_of(&part.record);
            return add_part(p, c, &part, err);
        }
        if (kind_of(&part.record) != READ || begin > p->at + GAP_MAX)
            if (!first)
                return 1;
        if (end_of(&part) - c->begin > CHUNK_SIZE)
            return 1;
        if (add_part(p, c, &part, err) < 0)
            return -1;
    }
    if (c->parts.count > 0)
        return 1;
    return q->sum && p->at < q->size ? plan_gap(p, c, q->size) : 0;
}

/* Note what is wrong with a part (NULL: between them). */
static void add_found(struct chunk *c, const struct part *part,
                      struct error *err)
{
    struct found found = {.in_record = part != NULL, .error = ERROR_INIT};

    if (part)
        found.part = *part;
    error_move(&found.error, err);
    if (vec_push(&c->found, found) == 0)
        return;
    error_clear(&found.error);
    c->out_of_memory = true;
}

/* A stream_put for what the index calls zero. */
static int need_zeroes(void *opaque, const void *bytes, size_t length,
                       struct error *err)
{
    const struct chunk *c = opaque;
    const unsigned char *b = bytes;

    if (length > 0 && (b[0] != 0 || memcmp(b, b + 1, length - 1) != 0))
        return error_set(err, ERR_DAMAGED,
                         "'%s' holds data where its index says that there are "
                         "zeroes",
                         c->pass->request->name);
    return stop_check(err);
}

/* A stream_put for data: the reader has checked what there is to check. */
static int ignore_bytes(void *opaque, const void *bytes, size_t length,
                        struct error *err)
{
    const struct chunk *c = opaque;

    progress_read(c->pass->request->disk, length);
    return stop_check(err);
}

/* A stream_put for stored bytes. */
static int sum_bytes(void *opaque, const void *bytes, size_t length,
                     struct error *err)
{
    struct chunk *c = opaque;

    c->sum = adler_add(c->sum, bytes, length);
    return 0;
}

/* A part whose stored bytes are in memory. */
static int check_part(struct chunk *c, const struct part *part,
                      const unsigned char *stored, struct error *err)
{
    const unsigned char *plain = NULL;

    if (is_divisible(&part->record))
        return ignore_bytes(c, stored, part->length, err);
    if (record_unpack(c->reader, c->pass->request->name, &part->record, stored,
                      NULL, &plain, err) < 0)
        return -1;
    return part->record.kind == INDEX_ZERO
               ? need_zeroes(c, plain, part->length, err)
               : ignore_bytes(c, plain, part->length, err);
}

/* A part by itself. */
static int read_part(struct chunk *c, const struct part *part,
                     struct error *err)
{
    const struct pass_request *q = c->pass->request;

    return record_read(
        c->reader, q->fd, q->name, &part->record, part->skip, part->length,
        part->record.kind == INDEX_ZERO ? need_zeroes : ignore_bytes, c, err);
}

/* All of it by one read. */
static int read_chunk(struct chunk *c, struct error *err)
{
    const struct pass_request *q = c->pass->request;
    const unsigned char *bytes = NULL;

    if (window_read(c->window, q->fd, q->name, c->begin,
                    (size_t)(c->end - c->begin), &bytes, err) == 0) {
        if (q->sum)
            sum_bytes(c, bytes, (size_t)(c->end - c->begin), err);
        vec_foreach (part, &c->parts)
            if (check_part(c, part, bytes + (begin_of(part) - c->begin), err) <
                0)
                add_found(c, part, err);
        return 0;
    }
    /* Which of them is it? */
    vec_foreach (part, &c->parts) {
        struct error why = ERROR_INIT;

        if (read_part(c, part, &why) < 0)
            add_found(c, part, &why);
    }
    if (c->found.count == 0 && q->sum)
        return -1;
    error_clear(err);
    return 0;
}

/* A record that is read piece by piece. */
static int read_long(struct chunk *c, struct error *err)
{
    int r = 0;

    record_reader_tap(c->reader, sum_bytes, c);
    r = read_part(c, &c->parts.items[0], err);
    record_reader_tap(c->reader, NULL, NULL);
    return r;
}

/* What is called zero and stored all the same; holes are passed over. */
static int read_zeroes(struct chunk *c, struct error *err)
{
    const struct pass_request *q = c->pass->request;
    struct part part = c->parts.items[0];
    uint64_t at = c->begin;

    while (at < c->end) {
        off_t data = lseek(q->fd, (off_t)at, SEEK_DATA);

        if (data < 0 && errno == ENXIO)
            break;
        at = data < 0 ? at : MIN_OF((uint64_t)data, c->end);
        part.skip = at - part.record.file_offset;
        part.length = MIN_OF(c->end - at, PLAN_CHUNK_SIZE);
        if (at < c->end && read_part(c, &part, err) < 0)
            return -1;
        at += part.length;
    }
    return 0;
}

static int sum_chunk(struct chunk *c, struct error *err)
{
    const struct pass_request *q = c->pass->request;

    return q->sum ? sum_range(c->window, q->fd, q->name, c->begin, c->end,
                              &c->sum, err)
                  : 0;
}

static int work(struct chunk *c, struct error *err)
{
    if (stop_check(err) < 0)
        return -1;
    switch (c->kind) {
    case READ:
        return read_chunk(c, err);
    case LONG:
        return read_long(c, err);
    case ZERO:
        return read_zeroes(c, err) < 0 ? -1 : sum_chunk(c, err);
    case GAP:
    default:
        return sum_chunk(c, err);
    }
}

static void run_chunk(struct job *job)
{
    struct chunk *c = container_of(job, struct chunk, job);
    struct error err = ERROR_INIT;

    c->sum = ADLER_NOTHING;
    if (work(c, &err) < 0)
        add_found(c, c->kind == LONG || c->kind == ZERO ? c->parts.items : NULL,
                  &err);
    LOCK_SCOPE(&c->pass->lock);
    c->done = true;
    pthread_cond_signal(&c->pass->done);
}

static void wait_for_chunk(struct chunk *c)
{
    LOCK_SCOPE(&c->pass->lock);
    while (!c->done)
        pthread_cond_wait(&c->pass->done, &c->pass->lock);
}

/* Tell what the oldest chunk has found; a record only once. */
static int tell(struct pass *p, struct chunk *c, size_t *last, uint32_t *sum,
                struct error *err)
{
    const struct pass_request *q = p->request;

    if (c->out_of_memory)
        return error_memory(err);
    *sum = adler_join(*sum, c->sum, c->end - c->begin);
    vec_foreach (found, &c->found) {
        if (found->in_record && found->part.number == *last) {
            error_clear(&found->error);
            continue;
        }
        error_move(err, &found->error);
        if (q->fault(q->opaque, found->in_record ? &found->part.record : NULL,
                     err) < 0)
            return -1;
        if (found->in_record)
            *last = found->part.number;
    }
    return 0;
}

static int run(struct pass *p, uint32_t *ret_sum, struct error *err)
{
    size_t last = SIZE_MAX;
    uint32_t sum = ADLER_NOTHING;
    int more = 1;

    while (more > 0 || p->told < p->planned) {
        struct chunk *c = &p->chunks[p->planned % CHUNKS];

        if (more > 0 && p->planned - p->told < CHUNKS) {
            more = plan_chunk(p, c, err);
            if (more < 0)
                return -1;
            if (more == 0)
                continue;
            c->done = c->out_of_memory = false;
            forget_found(c);
            p->planned++;
            workers_add(p->workers, &c->job);
            continue;
        }
        c = &p->chunks[p->told % CHUNKS];
        wait_for_chunk(c);
        p->told++;
        progress_tick(p->request->progress);
        if (tell(p, c, &last, &sum, err) < 0)
            return -1;
    }
    *ret_sum = sum;
    return 0;
}

int pass_run(struct pass *p, const struct pass_request *request,
             uint32_t *ret_sum, struct error *err)
{
    int r = 0;

    p->request = request;
    p->number = 0;
    p->skip = p->at = 0;
    p->planned = p->told = 0;
    window_past_cache(request->fd);
    r = run(p, ret_sum, err);
    workers_wait(p->workers);
    return r;
}
