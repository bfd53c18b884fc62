/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* walk.c - see walk.h */
#include "walk.h"

#include <string.h>

#include <zlib.h>

#include "stream/codec.h"

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes)BYTES_INIT;
}

int bytes_put(void *opaque, const void *part, size_t len, struct error *err)
{
    struct bytes *b = opaque;

    if (len == 0)
        return 0;
    if (b->cap - b->len < len) {
        size_t cap = (b->len + len) * 2;
        char *data = realloc(b->data, cap);

        if (!data)
            return error_memory(err);
        b->data = data;
        b->cap = cap;
    }
    memcpy(b->data + b->len, part, len);
    b->len += len;
    return 0;
}

struct bytes bytes_load(const char *path)
{
    struct bytes b = BYTES_INIT;
    gzFile file = gzopen(path, "rbe");
    char part[4096];
    int n = 0;

    while (file && (n = gzread(file, part, sizeof(part))) > 0)
        if (bytes_put(&b, part, (size_t)n, NULL) < 0)
            break;
    if (file)
        gzclose(file);
    return b;
}

static int memory_read(void *opaque, uint64_t offset, void *buf, size_t len,
                       struct error *err)
{
    struct memory_source *m = opaque;

    if (offset > m->len || len > m->len - offset)
        return error_set(err, ERR_SYSTEM, "read beyond the source");
    memcpy(buf, m->data + offset, len);
    m->reads++;
    m->backwards += offset < m->previous;
    m->previous = offset;
    if (offset + len > m->highest)
        m->highest = offset + len;
    return 0;
}

struct reader_source memory_source(struct memory_source *m, const char *data,
                                   size_t len)
{
    *m = (struct memory_source){.data = data, .len = len};
    return (struct reader_source){
        .read = memory_read, .opaque = m, .size = len, .name = "test.data"};
}

/* Where plain bytes go: to the disk, if there is one. */
struct target {
    struct walk *walk;
    uint64_t offset;
};

static int target_put(void *opaque, const void *bytes, size_t len,
                      struct error *err)
{
    struct target *t = opaque;
    struct walk *w = t->walk;

    if (len == 0 || len > CODEC_PART_SIZE)
        return error_set(err, ERR_USAGE, "a part of %zu bytes", len);
    if (w->disk) {
        if (t->offset > w->virtual_size || len > w->virtual_size - t->offset)
            return error_set(err, ERR_USAGE, "a part beyond the disk");
        memcpy(w->disk + t->offset, bytes, len);
    }
    t->offset += len;
    w->plain += len;
    return 0;
}

/* The same piece in one go must give the same bytes. */
static int check_whole(const struct bytes *stored, const struct walk *w,
                       const struct reader_piece *piece, struct error *err)
{
    _cleanup_(codec_freep) struct codec *own = NULL;
    struct codec *codec = w->codec ? w->codec : (own = codec_new(err));
    _cleanup_free_ char *plain = malloc((size_t)piece->length);

    if (!codec || !plain)
        return error_memory(err);
    if (codec_decode(codec, stored->data, stored->len, plain,
                     (size_t)piece->length, err) < 0)
        return -1;
    if (w->disk &&
        memcmp(w->disk + piece->start, plain, (size_t)piece->length) != 0)
        return error_set(err, ERR_USAGE, "the two decoders differ");
    return 0;
}

static int walk_piece(struct stream_reader *r, struct codec_stream *s,
                      const struct reader_piece *piece, struct walk *w,
                      struct error *err)
{
    _cleanup_bytes_ struct bytes stored = BYTES_INIT;
    struct target t = {w, piece->start};
    bool compressed = reader_meta(r)->compressed;
    bool whole = compressed && piece->length <= CODEC_PART_SIZE;
    char part[1000];
    size_t len = 0;
    int more = 0;

    w->pieces++;
    codec_stream_begin(s, piece->length, target_put, &t);
    while ((more = reader_payload(r, part, sizeof(part), &len, err)) > 0) {
        if (whole && bytes_put(&stored, part, len, err) < 0)
            return -1;
        if ((compressed ? codec_stream_feed(s, part, len, err)
                        : target_put(&t, part, len, err)) < 0)
            return -1;
    }
    if (more < 0 || (compressed && codec_stream_end(s, err) < 0))
        return -1;
    if (t.offset != piece->start + piece->length)
        return error_set(err, ERR_USAGE, "not the whole piece was decoded");
    return whole ? check_whole(&stored, w, piece, err) : 0;
}

int walk_stream(const struct reader_source *source, struct walk *w,
                struct error *err)
{
    _cleanup_(reader_closep) struct stream_reader *r = reader_open(source, err);
    _cleanup_(codec_stream_freep) struct codec_stream *own = NULL;
    struct codec_stream *s =
        w->decoder ? w->decoder : (own = codec_stream_new(err));
    struct reader_frame frame = {0};
    struct reader_piece piece = {0};
    int more = 0;

    if (!r || !s)
        return -1;
    while ((more = reader_next(r, &frame, err)) > 0) {
        int inner = 0;

        if (frame.kind == FRAME_ZERO) {
            w->zero_frames++;
            if (w->disk)
                memset(w->disk + frame.start, 0, (size_t)frame.length);
            continue;
        }
        w->data_frames++;
        while ((inner = reader_piece(r, &piece, err)) > 0)
            if (walk_piece(r, s, &piece, w, err) < 0)
                return error_prefix(err, "'%s', byte %llu", source->name,
                                    (unsigned long long)piece.file_offset);
        if (inner < 0)
            return -1;
    }
    return more;
}
