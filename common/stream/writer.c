/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* writer.c - see writer.h */
#include "stream/writer.h"

#include <inttypes.h>

#include "stream/frame.h"

enum state {
    NEW,     /* before the metadata */
    FRAMES,  /* between two frames */
    PAYLOAD, /* in a data frame */
    STOPPED, /* behind the stop frame */
    DONE,    /* behind the trailer */
};

void writer_init(struct stream_writer *w, stream_put put, void *opaque)
{
    *w = (struct stream_writer){.put = put, .opaque = opaque};
}

void writer_done(struct stream_writer *w)
{
    trailer_free(&w->trailer);
}

static int check_state(const struct stream_writer *w, int wanted,
                       struct error *err)
{
    if (w->state != wanted)
        return error_set(err, ERR_INPUT,
                         "the parts of the stream come in the wrong order");
    return 0;
}

static int put_bytes(struct stream_writer *w, const void *bytes, size_t len,
                     struct error *err)
{
    if (w->put(w->opaque, bytes, len, err) < 0)
        return -1;
    w->position += len;
    return 0;
}

static int put_term(struct stream_writer *w, struct error *err)
{
    return put_bytes(w, FRAME_TERM, FRAME_TERM_SIZE, err);
}

static int put_header(struct stream_writer *w, enum frame_kind kind,
                      uint64_t start, uint64_t length, struct error *err)
{
    struct frame f = {kind, start, length};
    char header[FRAME_SIZE];

    frame_encode(&f, header);
    return put_bytes(w, header, sizeof(header), err);
}

int writer_meta(struct stream_writer *w, const struct meta *m,
                struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    if (check_state(w, NEW, err) < 0 || meta_encode(m, &text, &len, err) < 0 ||
        put_header(w, FRAME_META, 0, len, err) < 0 ||
        put_bytes(w, text, len, err) < 0 || put_term(w, err) < 0)
        return -1;
    w->virtual_size = m->virtual_size;
    w->data_size = m->data_size;
    w->incremental = m->incremental;
    w->compressed = m->compressed;
    w->state = FRAMES;
    return 0;
}

/* May [start, start + length) follow the frames so far? */
static int check_range(const struct stream_writer *w, uint64_t start,
                       uint64_t length, struct error *err)
{
    uint64_t end = 0;

    if (check_state(w, FRAMES, err) < 0)
        return -1;
    if (length == 0 || __builtin_add_overflow(start, length, &end) ||
        end > w->virtual_size)
        return error_set(err, ERR_INPUT,
                         "a frame of %" PRIu64 " bytes at %" PRIu64
                         " is not within the disk of %" PRIu64 " bytes",
                         length, start, w->virtual_size);
    if (start < w->cursor || (!w->incremental && start > w->cursor))
        return error_set(err, ERR_INPUT,
                         "a frame at %" PRIu64 " cannot follow one that ended "
                         "at %" PRIu64,
                         start, w->cursor);
    return 0;
}

int writer_data_begin(struct stream_writer *w, uint64_t start, uint64_t length,
                      struct error *err)
{
    if (check_range(w, start, length, err) < 0)
        return -1;
    if (w->compressed && length >= WRITER_COMPRESSED_FRAME_MAX)
        return error_set(err, ERR_INPUT,
                         "a compressed frame of %" PRIu64 " bytes at %" PRIu64
                         " is too long",
                         length, start);
    if (length > w->data_size - w->data_sum)
        return error_set(err, ERR_INPUT,
                         "more than the announced %" PRIu64 " bytes of data",
                         w->data_size);
    if (put_header(w, FRAME_DATA, start, length, err) < 0)
        return -1;
    w->cursor = start + length;
    w->data_sum += length;
    w->open = length;
    w->state = PAYLOAD;
    return 0;
}

int writer_data_end(struct stream_writer *w, uint64_t stored_length,
                    struct error *err)
{
    if (check_state(w, PAYLOAD, err) < 0)
        return -1;
    if (!w->compressed && stored_length != w->open)
        return error_set(err, ERR_INPUT,
                         "%" PRIu64 " bytes stored for a frame of %" PRIu64,
                         stored_length, w->open);
    if (w->compressed && trailer_add(&w->trailer, stored_length, true, err) < 0)
        return -1;
    w->position += stored_length;
    w->open = 0;
    w->state = FRAMES;
    return put_term(w, err);
}

int writer_zero(struct stream_writer *w, uint64_t start, uint64_t length,
                struct error *err)
{
    if (check_range(w, start, length, err) < 0 ||
        put_header(w, FRAME_ZERO, start, length, err) < 0)
        return -1;
    w->cursor = start + length;
    return 0;
}

int writer_stop(struct stream_writer *w, struct error *err)
{
    if (check_state(w, FRAMES, err) < 0)
        return -1;
    if (w->data_sum != w->data_size)
        return error_set(err, ERR_INPUT,
                         "%" PRIu64 " bytes of data instead of the announced "
                         "%" PRIu64,
                         w->data_sum, w->data_size);
    if (!w->incremental && w->cursor != w->virtual_size)
        return error_set(err, ERR_INPUT,
                         "the frames end at %" PRIu64 " of %" PRIu64 " bytes",
                         w->cursor, w->virtual_size);
    if (put_header(w, FRAME_STOP, 0, 0, err) < 0)
        return -1;
    w->state = STOPPED;
    return 0;
}

int writer_trailer(struct stream_writer *w, struct error *err)
{
    uint64_t length = 0;

    if (check_state(w, STOPPED, err) < 0)
        return -1;
    w->state = DONE;
    if (!w->compressed)
        return 0;
    if (trailer_encode(&w->trailer, w->put, w->opaque, &length, err) < 0)
        return -1;
    w->position += length;
    if (put_term(w, err) < 0)
        return -1;
    return put_header(w, FRAME_COMP, 0, length, err);
}
