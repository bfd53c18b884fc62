/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt_index.c - the index of a data file that another program wrote */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/stop.h"
#include "set/adler.h"
#include "set/adopt_private.h"
#include "set/index.h"
#include "stream/codec.h"
#include "stream/reader.h"

#define READ_SIZE ((size_t)(256 * KIB))

/* The flags of an lz4 frame, behind its magic number. */
#define FLAGS_AT 4
#define FLAG_CONTENT_CHECKSUM 4

/* A data file on its way into an index. */
struct job {
    const char *name;
    int fd;        /* owned */
    uint64_t size; /* of the file */
    uint64_t at;   /* `adler` is that of the bytes before */
    uint32_t adler;
    unsigned char *plain;  /* INDEX_PLAIN_MAX */
    unsigned char *stored; /* codec_bound(INDEX_PLAIN_MAX) */
    struct codec *codec;
    struct codec_stream *stream;
    struct index_writer *writer;
};

static void job_done(struct job *j)
{
    closep(&j->fd);
    free(j->plain);
    free(j->stored);
    codec_free(j->codec);
    codec_stream_free(j->stream);
    index_writer_free(j->writer);
}

/* The callback of the reader.  It goes forwards, but for the trailer, which it
 * fetches first: that is not summed up until its turn comes.
 */
static int read_at(void *opaque, uint64_t offset, void *buf, size_t len,
                   struct error *err)
{
    struct job *j = opaque;
    ssize_t got = file_pread_full(j->fd, buf, len, offset);

    if (got < 0)
        return error_errno(err, errno, "cannot read '%s' at %llu", j->name,
                           (unsigned long long)offset);
    if ((size_t)got != len)
        return error_set(err, ERR_DAMAGED, "'%s' ends before byte %llu",
                         j->name, (unsigned long long)(offset + len));
    if (offset == j->at) {
        j->adler = adler_add(j->adler, buf, len);
        j->at += len;
    }
    return 0;
}

/* Sum up what is left of the file. */
static int read_rest(struct job *j, struct error *err)
{
    while (j->at < j->size) {
        size_t n = (size_t)MIN_OF(j->size - j->at, INDEX_PLAIN_MAX);

        if (stop_check(err) < 0 || read_at(j, j->at, j->plain, n, err) < 0)
            return -1;
    }
    return 0;
}

/* A plain piece: one record a MiB. */
static int add_plain(struct job *j, struct stream_reader *reader,
                     const struct reader_piece *piece, struct error *err)
{
    uint64_t done = 0;

    while (done < piece->length) {
        size_t want = (size_t)MIN_OF(piece->length - done, INDEX_PLAIN_MAX);
        size_t have = 0, got = 0;
        struct index_record record = {
            .offset = piece->start + done,
            .length = want,
            .file_offset = piece->file_offset + done,
            .stored_length = want,
            .kind = INDEX_DATA,
            .hashed = true,
        };

        if (stop_check(err) < 0)
            return -1;
        for (; have < want; have += got) {
            int more =
                reader_payload(reader, j->plain + have, want - have, &got, err);

            if (more < 0)
                return -1;
            if (more == 0)
                return error_set(err, ERR_DAMAGED, "'%s' is cut off", j->name);
        }
        index_hash_block(j->plain, want, record.hash);
        if (index_writer_add(j->writer, &record, err) < 0)
            return -1;
        done += want;
    }
    return 0;
}

/* The reader has said that it needs no more than codec_bound(length). */
static int add_packed(struct job *j, struct stream_reader *reader,
                      struct index_record *record, struct error *err)
{
    size_t have = 0, got = 0;
    int more = 0;

    while ((more = reader_payload(reader, j->stored + have,
                                  (size_t)record->stored_length - have, &got,
                                  err)) > 0) {
        have += got;
        if (have == record->stored_length)
            break;
    }
    if (more < 0)
        return -1;
    if (codec_decode(j->codec, j->stored, have, j->plain,
                     (size_t)record->length, err) < 0)
        return error_prefix(err, "'%s' is damaged at %llu", j->name,
                            (unsigned long long)record->file_offset);
    index_hash_block(j->plain, (size_t)record->length, record->hash);
    record->hashed = true;
    return index_writer_add(j->writer, record, err);
}

static int drop(void *opaque, const void *bytes, size_t len, struct error *err)
{
    (void)opaque;
    (void)bytes;
    (void)len;
    (void)err;
    return 0;
}

static int check_flags(const struct job *j, const struct index_record *record,
                       size_t have, struct error *err)
{
    if (have > FLAGS_AT && (j->stored[FLAGS_AT] & FLAG_CONTENT_CHECKSUM))
        return 0;
    return error_set(err, ERR_INPUT,
                     "'%s' has no checksum for the piece at %llu, and none can "
                     "be added",
                     j->name, (unsigned long long)record->file_offset);
}

/* A long compressed piece: its own checksum has to do. */
static int add_long(struct job *j, struct stream_reader *reader,
                    const struct index_record *record, struct error *err)
{
    uint64_t done = 0;
    size_t got = 0;
    int more = 0;

    if (!j->stream)
        j->stream = codec_stream_new(err);
    if (!j->stream)
        return -1;
    codec_stream_begin(j->stream, record->length, drop, NULL);
    while (done < record->stored_length) {
        more = reader_payload(reader, j->stored, READ_SIZE, &got, err);
        if (more < 0)
            return -1;
        if (more == 0 || (done == 0 && check_flags(j, record, got, err) < 0))
            break;
        if (codec_stream_feed(j->stream, j->stored, got, err) < 0)
            return error_prefix(err, "'%s' is damaged at %llu", j->name,
                                (unsigned long long)record->file_offset);
        done += got;
    }
    if (done < record->stored_length)
        return more > 0
                   ? -1
                   : error_set(err, ERR_DAMAGED, "'%s' is cut off", j->name);
    if (codec_stream_end(j->stream, err) < 0)
        return error_prefix(err, "'%s' is damaged at %llu", j->name,
                            (unsigned long long)record->file_offset);
    return index_writer_add(j->writer, record, err);
}

static int add_pieces(struct job *j, struct stream_reader *reader,
                      struct error *err)
{
    struct reader_piece piece = {0};
    int more = 0, result = 0;

    while ((more = reader_piece(reader, &piece, err)) > 0) {
        struct index_record record = {
            .offset = piece.start,
            .length = piece.length,
            .file_offset = piece.file_offset,
            .stored_length = piece.stored_length,
            .kind = INDEX_DATA,
            .compressed = true,
        };

        if (stop_check(err) < 0)
            return -1;
        if (!reader_meta(reader)->compressed)
            result = add_plain(j, reader, &piece, err);
        else if (piece.length <= INDEX_PLAIN_MAX)
            result = add_packed(j, reader, &record, err);
        else
            result = add_long(j, reader, &record, err);
        if (result < 0)
            return -1;
    }
    return more;
}

static int add_stream(struct job *j, struct error *err)
{
    struct reader_source source = {
        .read = read_at,
        .opaque = j,
        .size = j->size,
        .name = j->name,
    };
    _cleanup_(reader_closep) struct stream_reader *reader =
        reader_open(&source, err);
    struct reader_frame frame = {0};
    int more = 0;

    if (!reader)
        return -1;
    while ((more = reader_next(reader, &frame, err)) > 0) {
        struct index_record zero = {
            .offset = frame.start,
            .length = frame.length,
            .kind = INDEX_ZERO,
        };
        int result = frame.kind == FRAME_ZERO
                         ? index_writer_add(j->writer, &zero, err)
                         : add_pieces(j, reader, err);

        if (result < 0)
            return -1;
    }
    return more < 0 ? -1 : read_rest(j, err);
}

/* A part of a raw image, as index_scan_raw tells it. */
static int add_raw_part(struct job *j, struct index_record record,
                        struct error *err)
{
    uint64_t end = record.offset + record.length;

    if (record.kind == INDEX_ZERO) {
        j->adler = adler_add_zeroes(j->adler, record.length);
        j->at = end;
        return index_writer_add(j->writer, &record, err);
    }
    while (record.offset < end) {
        record.length = MIN_OF(end - record.offset, INDEX_PLAIN_MAX);
        record.stored_length = record.length;
        record.hashed = true;
        if (stop_check(err) < 0 ||
            read_at(j, record.offset, j->plain, (size_t)record.length, err) < 0)
            return -1;
        index_hash_block(j->plain, (size_t)record.length, record.hash);
        if (index_writer_add(j->writer, &record, err) < 0)
            return -1;
        record.offset += record.length;
        record.file_offset = record.offset;
    }
    return 0;
}

static int add_raw(struct job *j, int dirfd, struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;

    if (index_scan_raw(dirfd, j->name, &idx, err) < 0)
        return -1;
    for (size_t i = 0; i < index_count(idx); i++)
        if (add_raw_part(j, index_get(idx, i), err) < 0)
            return -1;
    if (j->at != j->size)
        return error_set(err, ERR_DAMAGED, "'%s' changes while it is read",
                         j->name);
    return 0;
}

static int job_open(struct job *j, const struct chain *chain,
                    const struct chain_file *file, struct error *err)
{
    j->name = file->file;
    j->size = file->file_size;
    j->adler = ADLER_NOTHING;
    j->plain = malloc(INDEX_PLAIN_MAX);
    j->stored = malloc(codec_bound(INDEX_PLAIN_MAX));
    if (!j->plain || !j->stored)
        return error_memory(err);
    j->codec = codec_new(err);
    if (!j->codec)
        return -1;
    return chain_file_open(chain, file, &j->fd, err);
}

int adopt_index(int dirfd, const struct chain *chain,
                const struct chain_file *file, const char *index,
                struct manifest_disk *fill, uint32_t *ret_adler,
                struct error *err)
{
    _cleanup_(job_done) struct job j = {.fd = -1};

    if (job_open(&j, chain, file, err) < 0 ||
        index_writer_new(dirfd, index, file->virtual_size, &j.writer, err) < 0)
        return -1;
    if ((file->raw ? add_raw(&j, dirfd, err) : add_stream(&j, err)) < 0)
        return -1;
    /* Whoever wrote it may not have waited for the disk. */
    if (file_sync(j.fd, j.name, err) < 0 ||
        index_writer_finish(j.writer, j.size, fill->index_hash, err) < 0 ||
        index_publish(dirfd, index, err) < 0)
        return -1;
    fill->virtual_size = file->virtual_size;
    fill->file_size = j.size;
    fill->data_size =
        file->raw ? index_writer_data_size(j.writer) : file->meta.data_size;
    fill->zero_size = index_writer_zero_size(j.writer);
    *ret_adler = j.adler;
    return 0;
}
