/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maker_file.c - see maker_file.h */
#include "maker_file.h"

#include "stream/codec.h"
#include "stream/frame.h"
#include "stream/trailer.h"

/* The file in the making. */
struct file {
    struct maker *m;
    int fd;
    uint64_t at;
    bool compressed;
    bool zero_frames;
    uint64_t max_frame; /* 0: no limit */
    uint64_t data_size;
    struct codec *codec;
    struct trailer trailer;
    struct index_writer *index; /* or NULL */
};

static void put(struct file *f, const void *bytes, size_t length)
{
    if (file_pwrite_full(f->fd, bytes, length, f->at) < 0)
        abort();
    f->at += length;
}

static int put_trailer(void *opaque, const void *bytes, size_t length,
                       struct error *err)
{
    put(opaque, bytes, length);
    return 0;
}

static void put_header(struct file *f, enum frame_kind kind, uint64_t start,
                       uint64_t length)
{
    struct frame frame = {kind, start, length};
    char head[FRAME_SIZE];

    frame_encode(&frame, head);
    put(f, head, sizeof(head));
}

static void put_index(struct file *f, uint64_t offset, uint64_t length,
                      uint64_t stored, bool zero)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct index_record r = {
        .offset = offset,
        .length = length,
        .file_offset = stored ? f->at : 0,
        .stored_length = stored,
        .kind = zero ? INDEX_ZERO : INDEX_DATA,
        .compressed = f->compressed && stored > 0,
        .hashed = !zero,
    };

    if (!f->index)
        return;
    if (!zero)
        index_hash_block(f->m->disk + offset, (size_t)length, r.hash);
    CHECK_OK(index_writer_add(f->index, &r, &err), &err);
}

/* Plain bytes; zeroes become a hole. */
static void put_plain(struct file *f, uint64_t offset, uint64_t length,
                      bool zero)
{
    if (zero) {
        put_index(f, offset, length, length, true);
        f->at += length;
        return;
    }
    for (uint64_t done = 0, n = 0; done < length; done += n) {
        n = MIN_OF(length - done, INDEX_PLAIN_MAX);
        put_index(f, offset + done, n, n, false);
        put(f, f->m->disk + offset + done, (size_t)n);
    }
}

/* One lz4 frame for each piece of at most 32 MiB. */
static void put_packed(struct file *f, uint64_t offset, uint64_t length,
                       bool zero)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    for (uint64_t done = 0, n = 0; done < length; done += n) {
        size_t cap = codec_bound((size_t)MIN_OF(length, CODEC_PLAIN_MAX));
        _cleanup_free_ char *room = malloc(cap);
        size_t stored = 0;

        n = MIN_OF(length - done, CODEC_PLAIN_MAX);
        f->m->nested |= n < length;
        CHECK_OK(codec_encode(f->codec, 1, f->m->disk + offset + done,
                              (size_t)n, room, cap, &stored, &err),
                 &err);
        CHECK_OK(trailer_add(&f->trailer, stored, done + n == length, &err),
                 &err);
        put_index(f, offset + done, n, stored, zero);
        put(f, room, stored);
    }
}

/* An extent: one frame, or several. */
static void put_extent(struct file *f, uint64_t offset, uint64_t length,
                       bool zero)
{
    uint64_t n = length;

    if (zero && f->zero_frames) {
        put_index(f, offset, length, 0, true);
        put_header(f, FRAME_ZERO, offset, length);
        return;
    }
    for (uint64_t done = 0; done < length; done += n) {
        n = length - done;
        if (f->max_frame)
            n = MIN_OF(n, f->max_frame);
        put_header(f, FRAME_DATA, offset + done, n);
        if (f->compressed)
            put_packed(f, offset + done, n, zero);
        else
            put_plain(f, offset + done, n, zero);
        put(f, "\r\n", 2);
        f->data_size += n;
    }
}

/* How far the disk is all zero, or all not, from `at` on, granule by granule;
 * unless `whole`, no farther than it has changed.
 */
static uint64_t run(const struct maker *m, uint64_t at, bool whole,
                    bool *ret_zero)
{
    uint64_t begin = at;

    while (at < m->size) {
        uint64_t end = MIN_OF(m->size, (at / m->granule + 1) * m->granule);
        bool zero = m->disk[at] == 0 &&
                    memcmp(m->disk + at, m->disk + at + 1, end - at - 1) == 0;

        if (!whole && !m->changed[at / m->granule])
            break;
        if (at > begin && zero != *ret_zero)
            break;
        *ret_zero = zero;
        at = end;
    }
    return at - begin;
}

/* All extents, or what has changed; without `f`: the size of the data. */
static uint64_t put_extents(struct maker *m, struct file *f, bool whole,
                            bool zero_frames)
{
    uint64_t at = 0, size = 0;

    while (at < m->size) {
        bool zero = false;
        uint64_t length = run(m, at, whole, &zero);

        if (length == 0) {
            at = MIN_OF(m->size, (at / m->granule + 1) * m->granule);
            continue;
        }
        if (f)
            put_extent(f, at, length, zero);
        if (!zero || !zero_frames)
            size += length;
        at += length;
    }
    return size;
}

static void put_end(struct file *f)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t length = 0;

    put_header(f, FRAME_STOP, 0, 0);
    if (!f->compressed)
        return;
    CHECK_OK(trailer_encode(&f->trailer, put_trailer, f, &length, &err), &err);
    put(f, "\r\n", 2);
    put_header(f, FRAME_COMP, 0, length);
}

/* What the metadata says of the point. */
static void put_meta(struct file *f, const struct maker_point *p, bool whole)
{
    const struct maker *m = f->m;
    const struct maker_point *owner = &m->points[m->owner];
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    char date[32] = "";
    struct meta meta = {
        .virtual_size = m->size,
        .data_size =
            put_extents((struct maker *)m, NULL, whole, f->zero_frames),
        .date = date,
        .disk_name = (char *)"vda",
        .disk_format = (char *)"qcow2",
        .checkpoint_name = (char *)(p->owner ? p->name : "virtnbdbackup.99"),
        .parent_checkpoint = (char *)(whole ? "" : owner->name),
        .incremental = !whole,
        .compressed = f->compressed,
        .level = f->compressed ? 1 : 0,
    };

    snprintf(date, sizeof(date), "2026-01-02T03:04:%02zu.000001", m->count);
    CHECK_OK(meta_encode(&meta, &text, &length, &err), &err);
    put_header(f, FRAME_META, 0, length);
    put(f, text, length);
    put(f, "\r\n", 2);
}

void maker_file(struct maker *m, const struct maker_point *p, bool whole,
                struct manifest_disk *d)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct name_text index = {""};
    struct file f = {
        .m = m,
        .fd = openat(m->lab.dirfd, p->file, O_WRONLY | O_CREAT | O_EXCL, 0600),
        .compressed = maker_random(m, 2) ? !(m->kind & MAKER_PLAIN)
                                         : (m->kind & MAKER_PACKED) != 0,
        .zero_frames = maker_random(m, 2),
        .codec = codec_new(&err),
        .trailer = TRAILER_INIT,
    };

    if (f.compressed && !(m->kind & MAKER_UPSTREAM))
        f.max_frame = MIB;
    CHECK_OK(name_index(p->file, &index, &err), &err);
    if (!(m->kind & MAKER_UPSTREAM))
        CHECK_OK(
            index_writer_new(m->lab.dirfd, index.text, m->size, &f.index, &err),
            &err);
    put_meta(&f, p, whole);
    put_extents(m, &f, whole, f.zero_frames);
    put_end(&f);
    /* The last bytes may be a hole. */
    if (ftruncate(f.fd, (off_t)f.at) < 0 || close(f.fd) < 0)
        abort();
    if (f.index) {
        d->data_size = f.data_size;
        d->zero_size = index_writer_zero_size(f.index);
        d->file_size = f.at;
        d->compressed = f.compressed;
        CHECK_OK(index_writer_finish(f.index, f.at, d->index_hash, &err), &err);
        CHECK_OK(index_publish(m->lab.dirfd, index.text, &err), &err);
        CHECK_EQ_INT(manifest_set(&d->index, index.text, &err), 0);
    }
    index_writer_free(f.index);
    codec_free(f.codec);
    trailer_free(&f.trailer);
}

void maker_raw(struct maker *m, const struct maker_point *p)
{
    int fd = openat(m->lab.dirfd, p->file, O_WRONLY | O_CREAT | O_EXCL, 0600);

    for (uint64_t at = 0, n = 0; at < m->size; at += n) {
        bool zero = false;

        n = run(m, at, true, &zero);
        if (!zero && file_pwrite_full(fd, m->disk + at, (size_t)n, at) < 0)
            abort();
    }
    if (ftruncate(fd, (off_t)m->size) < 0 || close(fd) < 0)
        abort();
}
