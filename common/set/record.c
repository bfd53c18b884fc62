/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.c - see record.h */
#include "set/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "block/plan.h"
#include "stream/codec.h"

/* Stored bytes that are read at a time from a long frame. */
#define FEED_SIZE ((size_t)(256 * KIB))

struct record_reader {
    struct codec *codec;
    struct codec_stream *stream; /* made when a long frame turns up */
    unsigned char *plain;        /* PLAN_CHUNK_SIZE */
    unsigned char *stored;       /* codec_bound(PLAN_CHUNK_SIZE) */
};

int record_reader_new(struct record_reader **ret, struct error *err)
{
    struct record_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return error_memory(err);
    r->plain = malloc(PLAN_CHUNK_SIZE);
    r->stored = malloc(codec_bound(PLAN_CHUNK_SIZE));
    if (!r->plain || !r->stored) {
        record_reader_free(r);
        return error_memory(err);
    }
    r->codec = codec_new(err);
    if (!r->codec) {
        record_reader_free(r);
        return -1;
    }
    *ret = r;
    return 0;
}

void record_reader_free(struct record_reader *r)
{
    if (!r)
        return;
    codec_free(r->codec);
    codec_stream_free(r->stream);
    free(r->plain);
    free(r->stored);
    free(r);
}

static int read_at(int fd, const char *name, void *buf, size_t length,
                   uint64_t offset, struct error *err)
{
    ssize_t n = file_pread_full(fd, buf, length, offset);

    if (n < 0)
        return error_errno(err, errno, "read '%s' at %llu", name,
                           (unsigned long long)offset);
    if ((size_t)n < length)
        return error_set(err, ERR_DAMAGED,
                         "'%s' ends at %llu, in the middle of its data", name,
                         (unsigned long long)offset + (size_t)n);
    return 0;
}

int record_pread(int fd, const char *name, const struct index_record *record,
                 uint64_t skip, void *buf, size_t length, struct error *err)
{
    return read_at(fd, name, buf, length, record->file_offset + skip, err);
}

static int check_hash(const unsigned char *plain, const char *name,
                      const struct index_record *record, struct error *err)
{
    unsigned char hash[INDEX_HASH_SIZE];

    index_hash_block(plain, (size_t)record->length, hash);
    if (memcmp(hash, record->hash, INDEX_HASH_SIZE) == 0)
        return 0;
    return error_set(err, ERR_DAMAGED,
                     "'%s' is damaged at %llu: the %llu bytes stored there "
                     "(disk offset %llu) do not have the hash they were "
                     "written with",
                     name, (unsigned long long)record->file_offset,
                     (unsigned long long)record->stored_length,
                     (unsigned long long)record->offset);
}

/* A record of at most a chunk: all of it is checked before any is given. */
static int read_whole(struct record_reader *r, int fd, const char *name,
                      const struct index_record *record, stream_put put,
                      void *opaque, struct error *err)
{
    size_t length = (size_t)record->length;
    size_t stored = (size_t)record->stored_length;

    if (!record->compressed) {
        if (read_at(fd, name, r->plain, length, record->file_offset, err) < 0)
            return -1;
    } else {
        if (read_at(fd, name, r->stored, stored, record->file_offset, err) < 0)
            return -1;
        if (codec_decode(r->codec, r->stored, stored, r->plain, length, err) <
            0)
            return error_prefix(err, "'%s' is damaged at %llu", name,
                                (unsigned long long)record->file_offset);
    }
    if (record->hashed && check_hash(r->plain, name, record, err) < 0)
        return -1;
    return put(opaque, r->plain, length, err);
}

/* A long compressed frame, as upstream writes them. */
static int read_stream(struct record_reader *r, int fd, const char *name,
                       const struct index_record *record, stream_put put,
                       void *opaque, struct error *err)
{
    uint64_t done = 0;
    int status = 0;

    if (!r->stream)
        r->stream = codec_stream_new(err);
    if (!r->stream)
        return -1;
    codec_stream_begin(r->stream, record->length, put, opaque);
    while (done < record->stored_length && status == 0) {
        size_t n = (size_t)MIN_OF(record->stored_length - done, FEED_SIZE);

        if (read_at(fd, name, r->stored, n, record->file_offset + done, err) <
            0)
            return -1;
        status = codec_stream_feed(r->stream, r->stored, n, err);
        done += n;
    }
    if (status == 0)
        status = codec_stream_end(r->stream, err);
    if (status < 0 && err->kind == ERR_DAMAGED)
        error_prefix(err, "'%s' is damaged at %llu", name,
                     (unsigned long long)record->file_offset);
    return status;
}

/* Plain bytes without a hash. */
static int read_part(struct record_reader *r, int fd, const char *name,
                     const struct index_record *record, uint64_t skip,
                     uint64_t length, stream_put put, void *opaque,
                     struct error *err)
{
    for (uint64_t done = 0; done < length;) {
        size_t n = (size_t)MIN_OF(length - done, PLAN_CHUNK_SIZE);

        if (read_at(fd, name, r->plain, n, record->file_offset + skip + done,
                    err) < 0 ||
            put(opaque, r->plain, n, err) < 0)
            return -1;
        done += n;
    }
    return 0;
}

int record_read(struct record_reader *r, int fd, const char *name,
                const struct index_record *record, uint64_t skip,
                uint64_t length, stream_put put, void *opaque,
                struct error *err)
{
    if (!record->hashed && !record->compressed)
        return read_part(r, fd, name, record, skip, length, put, opaque, err);
    if (record->length <= PLAN_CHUNK_SIZE &&
        record->stored_length <= codec_bound(PLAN_CHUNK_SIZE))
        return read_whole(r, fd, name, record, put, opaque, err);
    if (record->hashed)
        return error_set(err, ERR_DAMAGED,
                         "'%s': the index has a record of %llu bytes, longer "
                         "than any that is written",
                         name, (unsigned long long)record->length);
    return read_stream(r, fd, name, record, put, opaque, err);
}
