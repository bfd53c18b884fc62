/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.c - see record.h */
#include "set/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "block/plan.h"
#include "set/window.h"
#include "stream/codec.h"

/* Stored bytes that are read at a time from a long frame. */
#define FEED_SIZE ((size_t)(512 * KIB))

struct record_reader {
    struct codec *codec;
    struct codec_stream *stream; /* made when a long frame turns up */
    unsigned char *plain;        /* PLAN_CHUNK_SIZE */
    struct window *window;       /* stored_max() */
    stream_put tap;              /* or NULL */
    void *tap_opaque;
};

/* The most that is read at a time. */
static size_t stored_max(void)
{
    return codec_bound(PLAN_CHUNK_SIZE);
}

int record_reader_new(struct record_reader **ret, struct error *err)
{
    struct record_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return error_memory(err);
    r->plain = malloc(PLAN_CHUNK_SIZE);
    if (!r->plain) {
        record_reader_free(r);
        return error_memory(err);
    }
    r->codec = codec_new(err);
    if (!r->codec || window_new(stored_max(), &r->window, err) < 0) {
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
    window_free(r->window);
    free(r);
}

void record_reader_tap(struct record_reader *r, stream_put tap, void *opaque)
{
    r->tap = tap;
    r->tap_opaque = opaque;
}

/* Stored bytes, valid until the next call. */
static int read_at(struct record_reader *r, int fd, const char *name,
                   uint64_t offset, size_t length, const unsigned char **ret,
                   struct error *err)
{
    if (window_read(r->window, fd, name, offset, length, ret, err) < 0)
        return -1;
    return r->tap ? r->tap(r->tap_opaque, *ret, length, err) : 0;
}

int record_pread(int fd, const char *name, const struct index_record *record,
                 uint64_t skip, void *buf, size_t length, struct error *err)
{
    uint64_t offset = record->file_offset + skip;
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

bool record_is_short(const struct index_record *record)
{
    return record->length <= PLAN_CHUNK_SIZE &&
           record->stored_length <= stored_max();
}

int record_unpack(struct record_reader *r, const char *name,
                  const struct index_record *record,
                  const unsigned char *stored, unsigned char *room,
                  const unsigned char **ret, struct error *err)
{
    const unsigned char *plain = stored;

    if (record->compressed) {
        plain = room = room ? room : r->plain;
        if (codec_decode(r->codec, stored, (size_t)record->stored_length, room,
                         (size_t)record->length, err) < 0)
            return error_prefix(err, "'%s' is damaged at %llu", name,
                                (unsigned long long)record->file_offset);
    }
    if (record->hashed && check_hash(plain, name, record, err) < 0)
        return -1;
    *ret = plain;
    return 0;
}

/* A record of at most a chunk: all of it is checked before any is given. */
static int read_whole(struct record_reader *r, int fd, const char *name,
                      const struct index_record *record, stream_put put,
                      void *opaque, struct error *err)
{
    const unsigned char *bytes = NULL;

    if (read_at(r, fd, name, record->file_offset, (size_t)record->stored_length,
                &bytes, err) < 0 ||
        record_unpack(r, name, record, bytes, NULL, &bytes, err) < 0)
        return -1;
    return put(opaque, bytes, (size_t)record->length, err);
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
        const unsigned char *bytes = NULL;

        if (read_at(r, fd, name, record->file_offset + done, n, &bytes, err) <
            0)
            return -1;
        status = codec_stream_feed(r->stream, bytes, n, err);
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
        const unsigned char *bytes = NULL;

        if (read_at(r, fd, name, record->file_offset + skip + done, n, &bytes,
                    err) < 0 ||
            put(opaque, bytes, n, err) < 0)
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
    if (record_is_short(record))
        return read_whole(r, fd, name, record, put, opaque, err);
    if (record->hashed)
        return error_set(err, ERR_DAMAGED,
                         "'%s': the index has a record of %llu bytes, longer "
                         "than any that is written",
                         name, (unsigned long long)record->length);
    return read_stream(r, fd, name, record, put, opaque, err);
}
