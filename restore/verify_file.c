/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify_file.c - see verify_file.h */
#include "verify_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "set/index.h"
#include "sum.h"

/* Damaged records of a file that are logged one by one, and ranges in a line.
 */
#define SAID_MAX 10
#define RANGES_MAX 50

void lost_done(struct lost_ranges *ranges)
{
    vec_free(ranges);
}

int lost_add(struct lost_ranges *ranges, uint64_t offset, uint64_t length,
             struct error *err)
{
    struct lost_range *last = vec_last(ranges);

    if (ranges->count > 0 && last->offset + last->length == offset) {
        last->length += length;
        return 0;
    }
    return vec_push(ranges, (struct lost_range){offset, length}) < 0
               ? error_memory(err)
               : 0;
}

char *lost_text(const struct lost_ranges *ranges)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out)
        return NULL;
    for (size_t i = 0; i < ranges->count && i < RANGES_MAX; i++)
        fprintf(out, "%s%llu bytes at %llu", i > 0 ? ", " : "",
                (unsigned long long)ranges->items[i].length,
                (unsigned long long)ranges->items[i].offset);
    if (ranges->count > RANGES_MAX)
        fprintf(out, " and %zu more", ranges->count - RANGES_MAX);
    return text_stream_end(out, &text) < 0 ? NULL : text;
}

/* Is this something wrong with the set?  Unreadable sectors are. */
static bool is_fault(const struct error *err)
{
    return err->kind == ERR_DAMAGED || err->kind == ERR_INPUT ||
           (err->kind == ERR_SYSTEM && err->code == EIO);
}

int verify_note(struct error *err)
{
    if (!is_fault(err))
        return -1;
    log_error("%s", error_text(err));
    error_clear(err);
    return 0;
}

/* A file at work. */
struct examine {
    struct verify_tools *t;
    const struct chain_file *f;
    struct file_check *check;
    struct progress_disk *progress;
    const struct index *idx;
    int fd;
};

/* Count a fault and go on: 0; or -1. */
static int note(struct examine *x, struct error *err)
{
    if (!is_fault(err))
        return -1;
    x->check->faults++;
    if (x->check->faults <= SAID_MAX)
        return verify_note(err);
    error_clear(err);
    return 0;
}

/* Does record `a` of the index lie where the frames say? */
static int compare_record(const char *name, const struct index_record *a,
                          const struct index *frames, struct error *err)
{
    size_t i = index_find(frames, a->offset);
    struct index_record b;
    bool fits;

    if (i == index_count(frames))
        return error_set(err, ERR_DAMAGED,
                         "'%s': its index has data at disk offset %llu, where "
                         "the file has none",
                         name, (unsigned long long)a->offset);
    b = index_get(frames, i);
    fits = a->offset >= b.offset &&
           a->offset + a->length <= b.offset + b.length &&
           a->compressed == b.compressed;
    if (fits && b.kind == INDEX_ZERO)
        fits = a->kind == INDEX_ZERO;
    else if (fits && b.compressed)
        fits = a->offset == b.offset && a->length == b.length &&
               a->file_offset == b.file_offset &&
               a->stored_length == b.stored_length;
    else if (fits)
        fits = a->file_offset - b.file_offset == a->offset - b.offset;
    if (fits)
        return 0;
    return error_set(err, ERR_DAMAGED,
                     "'%s' and its index differ at disk offset %llu (file "
                     "offset %llu)",
                     name, (unsigned long long)a->offset,
                     (unsigned long long)a->file_offset);
}

/* Walk the frames of a stream that has an index.  (Of one without, the table
 * was made from the frames; a plain image has none, each record has its place.)
 */
static int check_structure(const struct examine *x, struct error *err)
{
    _cleanup_(index_freep) struct index *frames = NULL;

    if (!x->f->entry || x->f->raw)
        return 0;
    if (index_scan(x->t->set->dirfd, x->f->file, &frames, err) < 0)
        return -1;
    if (index_data_size(frames) + index_zero_size(frames) !=
        index_data_size(x->idx) + index_zero_size(x->idx))
        return error_set(err, ERR_DAMAGED,
                         "'%s' and its index cover different parts of the disk",
                         x->f->file);
    for (size_t i = 0; i < index_count(x->idx); i++) {
        struct index_record record = index_get(x->idx, i);

        if (compare_record(x->f->file, &record, frames, err) < 0)
            return -1;
    }
    return 0;
}

/* In a plain image every byte is where it is on the disk. */
static int check_places(const struct examine *x, struct error *err)
{
    for (size_t i = 0; x->f->raw && i < index_count(x->idx); i++) {
        struct index_record record = index_get(x->idx, i);

        if (record.stored_length > 0 && record.file_offset != record.offset)
            return error_set(err, ERR_DAMAGED,
                             "'%s' is a plain image, but its index says that "
                             "disk offset %llu is at %llu",
                             x->f->file, (unsigned long long)record.offset,
                             (unsigned long long)record.file_offset);
    }
    return 0;
}

/* Everything but what its bytes are. */
static int check_form(struct examine *x, struct error *err)
{
    _cleanup_meta_ struct meta meta = META_INIT;

    if (!x->f->raw && chain_file_meta(x->t->set->chain, x->f, &meta, err) < 0 &&
        note(x, err) < 0)
        return -1;
    if (check_places(x, err) < 0 && note(x, err) < 0)
        return -1;
    return 0;
}

/* What the pass has found. */
static int take_fault(void *opaque, const struct index_record *record,
                      struct error *err)
{
    struct examine *x = opaque;

    if (note(x, err) < 0)
        return -1;
    /* A restore does not read zeroes. */
    if (!record || record->kind != INDEX_DATA)
        return 0;
    return lost_add(&x->check->lost, record->offset, record->length, err);
}

/* The walk from frame to frame waits for the disk more than it does: a job of
 * its own, beside the pass over all bytes.
 */
struct walk {
    struct job job;
    const struct examine *x;
    int status;
    struct error error;
};

static void run_walk(struct job *job)
{
    struct walk *w = container_of(job, struct walk, job);

    w->status = check_structure(w->x, &w->error);
}

/* The sum of all bytes.  Of a file with damage it says nothing new. */
static int check_sum(struct examine *x, uint32_t sum, struct error *err)
{
    if (x->check->faults > 0 || sum_compare(x->t->set, x->f, sum, err) == 0)
        return 0;
    /* Without an index it is all there is, and restore keeps to it. */
    x->check->unusable = !x->f->entry;
    return note(x, err);
}

/* All of its bytes, and how they hang together. */
static int check_bytes(struct examine *x, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    struct walk walk = {.job.run = run_walk, .x = x, .error = ERROR_INIT};
    struct pass_request request = {
        .fd = x->fd,
        .name = x->f->file,
        .size = x->f->file_size,
        .idx = x->idx,
        .sample = &x->t->sample,
        .sum = !x->f->raw && sample_rounds(&x->t->sample) <= 1,
        .progress = x->t->progress,
        .disk = x->progress,
        .fault = take_fault,
        .opaque = x,
    };
    uint32_t sum = 0;
    int status = 0;

    workers_add(pass_workers(x->t->pass), &walk.job);
    status = pass_run(x->t->pass, &request, &sum, err); /* waits for both */
    error_move(&why, &walk.error);
    if (status < 0 || (walk.status < 0 && note(x, &why) < 0)) {
        if (status == 0)
            error_move(err, &why);
        return -1;
    }
    return request.sum ? check_sum(x, sum, err) : 0;
}

static int say_lost(const struct file_check *check, struct error *err)
{
    _cleanup_free_ char *text = NULL;

    if (check->lost.count == 0)
        return 0;
    text = lost_text(&check->lost);
    if (!text)
        return error_memory(err);
    log_error("'%s': damaged ranges of disk %s: %s", check->file->file,
              check->file->disk, text);
    return 0;
}

static int examine(struct examine *x, struct error *err)
{
    const struct chain *chain = x->t->set->chain;
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_close_ int fd = -1;

    x->check->unusable = true; /* until it is open */
    if (x->f->damage)
        return error_set(err, ERR_DAMAGED, "'%s': %s", x->f->file,
                         x->f->damage);
    if (chain_file_open(chain, x->f, &fd, err) < 0 ||
        chain_file_index(chain, x->f, &idx, err) < 0)
        return -1;
    x->check->unusable = false;
    x->fd = fd;
    x->idx = idx;
    x->progress =
        progress_add(x->t->progress, x->f->file, index_data_size(idx));
    if (check_form(x, err) < 0 || check_bytes(x, err) < 0 ||
        say_lost(x->check, err) < 0)
        return -1;
    progress_done(x->progress);
    x->t->bytes += x->f->file_size;
    return 0;
}

int verify_file(struct verify_tools *t, const struct chain_file *f,
                struct file_check *ret, struct error *err)
{
    struct examine x = {.t = t, .f = f, .check = ret, .fd = -1};

    *ret = (struct file_check){.file = f};
    if (examine(&x, err) < 0 && note(&x, err) < 0) {
        lost_done(&ret->lost);
        return -1;
    }
    return 0;
}
