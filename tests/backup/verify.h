/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify.h - is a backup of one disk what it should be?
 *
 * Every statement of the stream file, of its index and of the result is
 * compared with the raw image, by readers that share nothing with the engines
 * that wrote them.  Holes are skipped, so that huge disks cost nothing.
 */
#ifndef TESTS_BACKUP_VERIFY_H
#define TESTS_BACKUP_VERIFY_H

#include <zlib.h>

#include "pipeline.h"
#include "stream/codec.h"
#include "stream/reader.h"

#define STEP ((size_t)(1 * MIB))

static unsigned char verify_a[1 << 20], verify_b[1 << 20];

/* The first data in [at, end) of a file, or `end`. */
static inline uint64_t next_data(int fd, uint64_t at, uint64_t end)
{
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);

    if (data < 0)
        return errno == ENXIO ? end : at;
    return MIN_OF((uint64_t)data, end);
}

static inline bool get(int fd, uint64_t at, void *to, size_t length)
{
    if (fd >= 0)
        return file_pread_full(fd, to, length, at) == (ssize_t)length;
    memset(to, 0, length);
    return true;
}

/* Are two ranges equal?  File -1 is all zeroes. */
static inline bool same(int a, uint64_t at, int b, uint64_t bt, uint64_t length)
{
    while (length > 0) {
        uint64_t skip = next_data(a, at, at + length) - at;
        size_t n;

        if (b >= 0)
            skip = MIN_OF(skip, next_data(b, bt, bt + length) - bt);
        at += skip;
        bt += skip;
        length -= skip;
        n = (size_t)MIN_OF(length, STEP);
        if (n > 0 && (!get(a, at, verify_a, n) || !get(b, bt, verify_b, n) ||
                      memcmp(verify_a, verify_b, n) != 0))
            return false;
        at += n;
        bt += n;
        length -= n;
    }
    return true;
}

/* adler32 of a file by zlib; of its holes by the definition: the low half
 * stays, the high half grows by it with every zero.
 */
static inline uint32_t file_adler(int fd, uint64_t size)
{
    uint64_t at = 0;
    uint32_t sum = 1;

    while (at < size) {
        uint64_t zeroes = next_data(fd, at, size) - at;
        uint32_t low = sum & 0xffff, high = sum >> 16;
        size_t n;

        high = (uint32_t)((high + zeroes % 65521 * low) % 65521);
        sum = high << 16 | low;
        at += zeroes;
        n = (size_t)MIN_OF(size - at, STEP);
        if (n > 0 && !get(fd, at, verify_a, n))
            return 0;
        sum = (uint32_t)adler32(sum, verify_a, (uInt)n);
        at += n;
    }
    return sum;
}

static inline int stream_read(void *opaque, uint64_t offset, void *buf,
                              size_t len, struct error *err)
{
    int *fd = opaque;

    if (file_pread_full(*fd, buf, len, offset) == (ssize_t)len)
        return 0;
    return error_set(err, ERR_DAMAGED, "read");
}

/* One stored piece of a data frame against the raw image. */
static inline void verify_piece(const struct reader_piece *p, bool compressed,
                                int fd, int raw)
{
    _cleanup_(codec_freep) struct codec *codec = NULL;
    _cleanup_free_ unsigned char *stored = NULL, *plain = NULL, *truth = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    if (!compressed) {
        CHECK_EQ_U64(p->stored_length, p->length);
        if (!same(fd, p->file_offset, raw, p->start, p->length))
            CHECK_FAIL("data at %" PRIu64 " differs", p->start);
        return;
    }
    codec = codec_new(&err);
    stored = malloc(p->stored_length);
    plain = malloc(p->length);
    truth = malloc(p->length);
    REQUIRE(codec && stored && plain && truth);
    CHECK(p->length <= MIB);
    CHECK(get(fd, p->file_offset, stored, p->stored_length));
    CHECK(get(raw, p->start, truth, p->length));
    CHECK_OK(
        codec_decode(codec, stored, p->stored_length, plain, p->length, &err),
        &err);
    CHECK_MEM(plain, truth, p->length);
}

/* The stream, read to its end, is the raw image. */
static inline void verify_stream(const struct bench *b, const struct variant *v,
                                 int fd, int raw, uint64_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct reader_source source = {stream_read, &fd, b->result.file_size,
                                   b->data.text};
    _cleanup_(reader_closep) struct stream_reader *r =
        reader_open(&source, &err);
    struct reader_frame frame;
    struct reader_piece piece;
    uint64_t at = 0, data = 0;
    int more = 0;

    if (!r)
        CHECK_FAIL("%s", error_text(&err));
    REQUIRE(r);
    CHECK_EQ_U64(reader_meta(r)->virtual_size, size);
    CHECK_EQ_U64(reader_meta(r)->compressed, v->level > 0);
    while ((more = reader_next(r, &frame, &err)) > 0) {
        CHECK_EQ_U64(frame.start, at);
        at += frame.length;
        if (frame.kind == FRAME_ZERO) {
            CHECK(!v->cover);
            CHECK(same(raw, frame.start, -1, 0, frame.length));
            continue;
        }
        data += frame.length;
        while ((more = reader_piece(r, &piece, &err)) > 0)
            verify_piece(&piece, v->level > 0, fd, raw);
        CHECK_OK(more, &err);
    }
    CHECK_OK(more, &err);
    CHECK_EQ_U64(at, size);
    CHECK_EQ_U64(data, b->result.data_size);
    CHECK_EQ_U64(data, reader_meta(r)->data_size);
}

/* Hashes and zeroes of the index against the raw image; what it calls data and
 * zero against the result.
 */
static inline void verify_hashes(const struct bench *b, const struct index *idx,
                                 int raw, uint64_t expected_data)
{
    uint64_t data = 0, zero = 0;
    unsigned char hash[INDEX_HASH_SIZE];

    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);

        if (r.kind == INDEX_ZERO) {
            zero += r.length;
            CHECK(same(raw, r.offset, -1, 0, r.length));
            continue;
        }
        data += r.length;
        CHECK(r.hashed && r.length <= STEP);
        if (r.length > STEP)
            continue;
        CHECK(get(raw, r.offset, verify_a, (size_t)r.length));
        index_hash_block(verify_a, (size_t)r.length, hash);
        CHECK_MEM(hash, r.hash, sizeof(hash));
    }
    CHECK_EQ_U64(data, expected_data);
    CHECK_EQ_U64(zero, b->result.zero_size);
    CHECK_EQ_U64(index_file_size(idx), b->result.file_size);
}

/* The index says the same as a walk through the stream's frames, but for its
 * pieces being shorter and its knowing which data is zeroes.
 */
static inline void verify_scan(const struct index *idx,
                               const struct index *scan)
{
    size_t k = 0;

    for (size_t i = 0; i < index_count(scan); i++) {
        struct index_record s = index_get(scan, i);
        uint64_t done = 0;

        while (done < s.length && k < index_count(idx)) {
            struct index_record r = index_get(idx, k++);

            CHECK_EQ_U64(r.offset, s.offset + done);
            CHECK(s.kind == INDEX_DATA || r.kind == INDEX_ZERO);
            CHECK_EQ_U64(r.compressed, s.compressed);
            if (s.stored_length > 0)
                CHECK_EQ_U64(r.file_offset, s.file_offset + done);
            if (s.compressed || r.kind == INDEX_ZERO)
                CHECK_EQ_U64(r.stored_length, s.stored_length);
            else
                CHECK_EQ_U64(r.stored_length, r.length);
            done += r.length;
        }
        CHECK_EQ_U64(done, s.length);
    }
    CHECK_EQ_U64(k, index_count(idx));
}

/* What the file may occupy: the data it stores, and for every record the edges
 * of a hole and short holes that are written out.
 */
static inline void verify_holes(const struct bench *b, const struct index *idx,
                                int fd)
{
    uint64_t most = 2 * MIB;
    struct stat st = {0};

    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);

        most += 4 * 4096;
        if (r.kind == INDEX_DATA || r.compressed)
            most += r.stored_length;
        else
            most += MIN_OF(r.stored_length, 16 * 4096);
    }
    CHECK_EQ_INT(fstat(fd, &st), 0);
    CHECK_EQ_U64(st.st_size, b->result.file_size);
    if ((uint64_t)st.st_blocks * 512 > most)
        CHECK_FAIL("%llu bytes on disk, %" PRIu64 " expected at the most",
                   (unsigned long long)st.st_blocks * 512, most);
}

static inline void verify_backup(const struct bench *b, const struct variant *v,
                                 const char *raw_name, uint64_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int raw = work_open(raw_name);
    _cleanup_close_ int fd =
        openat(b->lab.dirfd, b->data.text, O_RDONLY | O_CLOEXEC);
    _cleanup_(index_freep) struct index *idx = NULL, *scan = NULL;

    CHECK_EQ_U64(b->result.virtual_size, size);
    CHECK_OK(index_open(b->lab.dirfd, b->index.text, b->result.index_hash, &idx,
                        &err),
             &err);
    CHECK_OK(index_scan(b->lab.dirfd, b->data.text, &scan, &err), &err);
    REQUIRE(raw >= 0 && fd >= 0 && idx && scan);
    CHECK_EQ_U64(file_adler(fd, b->result.file_size), b->result.adler);
    CHECK(index_covers(idx));
    verify_stream(b, v, fd, raw, size);
    verify_hashes(b, idx, raw, b->result.read_size);
    verify_scan(idx, scan);
    verify_holes(b, idx, fd);
}

/* The same for a raw image: the file is the disk, and its index says so. */
static inline void verify_image(const struct bench *b, const char *raw_name,
                                uint64_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int raw = work_open(raw_name);
    _cleanup_close_ int fd =
        openat(b->lab.dirfd, b->data.text, O_RDONLY | O_CLOEXEC);
    _cleanup_(index_freep) struct index *idx = NULL;

    CHECK_EQ_U64(b->result.virtual_size, size);
    CHECK_EQ_U64(b->result.file_size, size);
    CHECK_EQ_U64(b->result.data_size + b->result.zero_size, size);
    CHECK_OK(index_open(b->lab.dirfd, b->index.text, b->result.index_hash, &idx,
                        &err),
             &err);
    REQUIRE(raw >= 0 && fd >= 0 && idx);
    CHECK(index_covers(idx));
    CHECK(same(fd, 0, raw, 0, size));
    CHECK_EQ_U64(file_adler(fd, size), b->result.adler);
    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);

        CHECK_EQ_U64(r.file_offset, r.offset);
        CHECK_EQ_U64(r.stored_length, r.length);
        CHECK(!r.compressed);
    }
    verify_hashes(b, idx, raw, b->result.data_size);
    verify_holes(b, idx, fd);
}

#endif
