/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify.c - see verify.h
 *
 * A data file is examined three times over: its frames are walked and must
 * tell the same as its index; every record is read, decompressed and hashed;
 * and all its bytes are summed for the adler32 that upstream knows.
 */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/startup.h"
#include "set/index.h"
#include "set/record.h"
#include "sum.h"

struct verify {
    const struct backup_set *set;
    struct progress *progress;
    struct record_reader *reader;
    unsigned damaged; /* files and points */
    unsigned files;
    uint64_t bytes;
};

/* A stream_put: the reader has checked what there is to check. */
static int ignore_bytes(void *opaque, const void *bytes, size_t length,
                        struct error *err)
{
    struct progress_disk *d = opaque;

    progress_read(d, length);
    return stop_check(err);
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

static int check_structure(const struct verify *v, const struct chain_file *f,
                           const struct index *idx, struct error *err)
{
    _cleanup_(index_freep) struct index *frames = NULL;

    if (!f->entry || f->raw)
        return 0; /* the table was made from the frames */
    if (index_scan(v->set->dirfd, f->file, &frames, err) < 0)
        return -1;
    if (index_data_size(frames) + index_zero_size(frames) !=
        index_data_size(idx) + index_zero_size(idx))
        return error_set(err, ERR_DAMAGED,
                         "'%s' and its index cover different parts of the disk",
                         f->file);
    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record record = index_get(idx, i);

        if (compare_record(f->file, &record, frames, err) < 0)
            return -1;
    }
    return 0;
}

static int check_records(struct verify *v, const struct chain_file *f, int fd,
                         const struct index *idx, struct progress_disk *d,
                         struct error *err)
{
    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record record = index_get(idx, i);

        progress_tick(v->progress);
        if (record.kind != INDEX_DATA)
            continue;
        if (record_read(v->reader, fd, f->file, &record, 0, record.length,
                        ignore_bytes, d, err) < 0)
            return -1;
    }
    return 0;
}

static int check_file(struct verify *v, struct chain_file *f, struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_close_ int fd = -1;
    _cleanup_meta_ struct meta meta = META_INIT;
    struct progress_disk *d = NULL;

    if (f->damage)
        return error_set(err, ERR_DAMAGED, "'%s': %s", f->file, f->damage);
    if (chain_file_open(v->set->chain, f, &fd, err) < 0 ||
        chain_file_index(v->set->chain, f, &idx, err) < 0)
        return -1;
    if (!f->raw && chain_file_meta(v->set->chain, f, &meta, err) < 0)
        return -1;
    d = progress_add(v->progress, f->file, index_data_size(idx));
    if (check_structure(v, f, idx, err) < 0 ||
        check_records(v, f, fd, idx, d, err) < 0)
        return -1;
    if (!f->raw && sum_check(v->set, f, fd, err) < 0)
        return -1;
    progress_done(d);
    v->files++;
    v->bytes += f->file_size;
    return 0;
}

/* Damage is counted, and the work goes on; anything else ends it. */
static int note_damage(struct verify *v, struct error *err)
{
    /* ERR_INPUT: metadata that this version cannot read. */
    if (err->kind != ERR_DAMAGED && err->kind != ERR_INPUT)
        return -1;
    log_error("%s", error_text(err));
    error_clear(err);
    v->damaged++;
    return 0;
}

static int check_point(struct verify *v, struct chain_point *p,
                       const char *disk, struct error *err)
{
    log_info("point '%s': %zu %s", p->name, p->file_count,
             p->file_count == 1 ? "disk" : "disks");
    if (p->damage) {
        error_set(err, ERR_DAMAGED, "point '%s': %s", p->name, p->damage);
        if (note_damage(v, err) < 0)
            return -1;
    }
    if (p->ours &&
        manifest_check_files(v->set->dirfd, &p->manifest, true, err) < 0 &&
        note_damage(v, err) < 0)
        return -1;
    for (size_t i = 0; i < p->file_count; i++) {
        if (disk && strcmp(disk, p->files[i].disk) != 0)
            continue;
        if (check_file(v, &p->files[i], err) < 0 && note_damage(v, err) < 0)
            return -1;
    }
    return 0;
}

static int run_checks(struct verify *v, const char *disk, struct error *err)
{
    struct chain *chain = v->set->chain;

    if (backup_set_check_strangers(v->set, err) < 0 && note_damage(v, err) < 0)
        return -1;
    for (size_t i = 0; i < v->set->point_count; i++)
        if (check_point(v, &chain->points[i], disk, err) < 0)
            return -1;
    return 0;
}

int verify_set(const struct backup_set *set, const char *disk,
               const struct cli_common *common, struct error *err)
{
    _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
    _cleanup_(progress_freep) struct progress *progress =
        progress_new(startup_progress(common), stderr);
    struct verify v = {.set = set, .progress = progress};
    char size[TEXT_SIZE_ROOM];

    if (record_reader_new(&reader, err) < 0)
        return -1;
    v.reader = reader;
    if (run_checks(&v, disk, err) < 0)
        return -1;
    if (v.damaged > 0)
        return error_set(err, ERR_DAMAGED,
                         "'%s' is damaged: %u %s found (see above)", set->path,
                         v.damaged, v.damaged == 1 ? "fault" : "faults");
    if (v.files == 0)
        return error_set(err, ERR_INPUT, "'%s' holds no data%s%s", set->path,
                         disk ? " of disk " : "", disk ? disk : "");
    log_info("%u %s verified, %s: no damage", v.files,
             v.files == 1 ? "file" : "files", text_size(v.bytes, size));
    return 0;
}
