/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reader.c - see reader.h
 *
 * Every number from the file is checked before it is used: lengths against
 * what is left of the file and of the disk, so that no sum below overflows.
 */
#include "stream/reader.h"

#include <inttypes.h>
#include <string.h>

#include "base/macro.h"
#include "stream/codec.h"
#include "stream/trailer.h"

struct stream_reader {
    struct reader_source source;
    struct meta meta;
    struct trailer trailer;
    size_t trailer_next; /* the first piece of the next data frame */
    uint64_t frames_end; /* file offset behind the stop frame's header */
    uint64_t position;   /* file offset of the next header */
    uint64_t cursor;     /* end of the last frame on the disk */
    uint64_t data_sum;   /* plain bytes in data frames so far */
    bool stopped;

    /* The frame at hand. */
    uint64_t header_at;    /* file offset of its header */
    bool has_payload;      /* a terminator precedes the next header */
    uint64_t piece_start;  /* of the next piece: byte offset on the disk, */
    uint64_t piece_left;   /* plain bytes from there to the frame's end, */
    uint64_t piece_at;     /* file offset, */
    size_t piece_index;    /* and number in the trailer */
    uint64_t payload_at;   /* next byte of the piece at hand */
    uint64_t payload_left; /* bytes of it not read yet */
};

/* Put the place in front of what went wrong. */
static int fail_at(const struct stream_reader *r, uint64_t offset,
                   struct error *err)
{
    return error_prefix(err, "'%s', byte %" PRIu64, r->source.name, offset);
}

static int refuse(const struct stream_reader *r, uint64_t offset,
                  struct error *err, const char *why)
{
    error_set(err, ERR_DAMAGED, "%s", why);
    return fail_at(r, offset, err);
}

/* Read `len` bytes at `offset`, which must end before `end`. */
static int fetch(const struct stream_reader *r, uint64_t offset, void *buf,
                 size_t len, uint64_t end, struct error *err)
{
    if (offset > end || len > end - offset)
        return refuse(r, MIN_OF(offset, end), err, "the stream ends too early");
    return r->source.read(r->source.opaque, offset, buf, len, err);
}

static int fetch_header(const struct stream_reader *r, uint64_t offset,
                        struct frame *ret_frame, struct error *err)
{
    char header[FRAME_SIZE] = "";

    if (fetch(r, offset, header, sizeof(header), r->frames_end, err) < 0)
        return -1;
    if (frame_decode(header, ret_frame, err) < 0)
        return fail_at(r, offset, err);
    return 0;
}

bool reader_is_stream(const void *bytes, size_t len)
{
    return len >= 5 && memcmp(bytes, "meta ", 5) == 0;
}

static int open_meta(struct stream_reader *r, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    struct frame f = {0};
    size_t len = 0;

    if (fetch_header(r, 0, &f, err) < 0)
        return -1;
    if (f.kind != FRAME_META || f.start != 0)
        return refuse(r, 0, err, "a stream begins with metadata");
    if (f.length > META_SIZE_MAX)
        return refuse(r, 0, err, "the metadata is too long");
    len = (size_t)f.length;
    text = malloc(len + FRAME_TERM_SIZE);
    if (!text)
        return error_memory(err);
    if (fetch(r, FRAME_SIZE, text, len + FRAME_TERM_SIZE, r->frames_end, err) <
        0)
        return -1;
    if (memcmp(text + len, FRAME_TERM, FRAME_TERM_SIZE) != 0)
        return refuse(r, FRAME_SIZE + len, err,
                      "the metadata is not terminated");
    if (meta_decode(text, len, &r->meta, err) < 0)
        return fail_at(r, FRAME_SIZE, err);
    r->position = FRAME_SIZE + len + FRAME_TERM_SIZE;
    return 0;
}

/* Parse the array that ends where the last terminator and header begin. */
static int parse_trailer(struct stream_reader *r, uint64_t start,
                         uint64_t length, struct error *err)
{
    struct trailer_parser parser = {0};
    char part[4096];

    trailer_parse_begin(&parser, &r->trailer, start);
    for (uint64_t done = 0; done < length;) {
        size_t n = (size_t)MIN_OF(sizeof(part), length - done);

        if (fetch(r, start + done, part, n, r->source.size, err) < 0)
            return -1;
        if (trailer_parse_feed(&parser, part, n, err) < 0)
            return fail_at(r, start, err);
        done += n;
    }
    if (trailer_parse_end(&parser, err) < 0)
        return fail_at(r, start, err);
    return 0;
}

/* Find the trailer from the end of the file. */
static int open_trailer(struct stream_reader *r, struct error *err)
{
    char tail[FRAME_TERM_SIZE + FRAME_SIZE] = "";
    uint64_t size = r->source.size;
    uint64_t end = 0;
    struct frame f = {0};

    if (size - r->position < sizeof(tail))
        return refuse(r, size, err, "the stream ends without its trailer");
    end = size - sizeof(tail);
    if (fetch(r, end, tail, sizeof(tail), size, err) < 0)
        return -1;
    if (frame_decode(tail + FRAME_TERM_SIZE, &f, err) < 0 ||
        f.kind != FRAME_COMP)
        return refuse(r, end + FRAME_TERM_SIZE, err,
                      "the stream does not end with its trailer");
    if (f.start != 0 || f.length > end - r->position)
        return refuse(r, end + FRAME_TERM_SIZE, err,
                      "the trailer does not fit into the file");
    if (memcmp(tail, FRAME_TERM, FRAME_TERM_SIZE) != 0)
        return refuse(r, end, err, "the trailer is not terminated");
    r->frames_end = end - f.length;
    return parse_trailer(r, r->frames_end, f.length, err);
}

struct stream_reader *reader_open(const struct reader_source *source,
                                  struct error *err)
{
    _cleanup_(reader_closep) struct stream_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        error_memory(err);
        return NULL;
    }
    r->source = *source;
    r->frames_end = source->size;
    if (open_meta(r, err) < 0)
        return NULL;
    if (r->meta.compressed && open_trailer(r, err) < 0)
        return NULL;
    return take(r);
}

void reader_close(struct stream_reader *r)
{
    if (!r)
        return;
    meta_free(&r->meta);
    trailer_free(&r->trailer);
    free(r);
}

const struct meta *reader_meta(const struct stream_reader *r)
{
    return &r->meta;
}

/* The frame must continue the disk where the last one allows it. */
static int check_range(const struct stream_reader *r, const struct frame *f,
                       struct error *err)
{
    const struct meta *m = &r->meta;

    if (f->length == 0)
        return refuse(r, r->header_at, err, "the frame is empty");
    if (f->start > m->virtual_size || f->length > m->virtual_size - f->start)
        return refuse(r, r->header_at, err,
                      "the frame reaches beyond the end of the disk");
    if (f->start < r->cursor)
        return refuse(r, r->header_at, err,
                      "the frame overlaps those before, or is out of order");
    if (!m->incremental && f->start > r->cursor)
        return refuse(r, r->header_at, err,
                      "a part of the disk is missing before the frame");
    return 0;
}

/* The trailer's entry for this frame: its pieces and its stored length. */
static int next_entry(struct stream_reader *r, struct reader_frame *frame,
                      struct error *err)
{
    const struct trailer *t = &r->trailer;
    size_t i = r->trailer_next;

    do {
        if (i == t->count)
            return refuse(r, r->header_at, err,
                          "the trailer has no entry for the frame");
        frame->stored_length += trailer_piece_size(t, i);
        frame->piece_count++;
    } while (!trailer_piece_last(t, i++));
    r->piece_index = r->trailer_next;
    r->trailer_next = i;
    return 0;
}

static int start_data(struct stream_reader *r, struct reader_frame *frame,
                      struct error *err)
{
    uint64_t payload = r->header_at + FRAME_SIZE;

    if (frame->length > r->meta.data_size - r->data_sum)
        return refuse(r, r->header_at, err,
                      "more data than the metadata announces");
    r->data_sum += frame->length;
    if (r->meta.compressed) {
        if (next_entry(r, frame, err) < 0)
            return -1;
    } else {
        frame->stored_length = frame->length;
        frame->piece_count = 1;
    }
    if (frame->stored_length > r->frames_end - payload)
        return refuse(r, r->header_at, err,
                      "the frame reaches beyond the end of the stream");
    frame->file_offset = payload;
    r->has_payload = true;
    r->piece_start = frame->start;
    r->piece_left = frame->length;
    r->piece_at = payload;
    r->position = payload + frame->stored_length;
    return 0;
}

/* What can be known only at the end. */
static int check_stop(struct stream_reader *r, const struct frame *f,
                      struct error *err)
{
    uint64_t end = r->header_at + FRAME_SIZE;

    if (f->start != 0 || f->length != 0)
        return refuse(r, r->header_at, err, "the stop frame is not empty");
    if (r->data_sum != r->meta.data_size)
        return refuse(r, r->header_at, err,
                      "less data than the metadata announces");
    if (!r->meta.incremental && r->cursor != r->meta.virtual_size)
        return refuse(r, r->header_at, err, "the end of the disk is missing");
    if (r->trailer_next != r->trailer.count)
        return refuse(r, r->frames_end, err,
                      "the trailer has more entries than there are frames");
    if (end != r->frames_end)
        return refuse(r, end, err, "something follows the stop frame");
    r->stopped = true;
    return 0;
}

/* Finish the frame at hand and read the header of the next. */
static int next_header(struct stream_reader *r, struct frame *ret_frame,
                       struct error *err)
{
    char bytes[FRAME_TERM_SIZE + FRAME_SIZE] = "";
    size_t term = r->has_payload ? FRAME_TERM_SIZE : 0;
    struct reader_piece piece = {0};
    int more = 0;

    while ((more = reader_piece(r, &piece, err)) > 0)
        continue;
    if (more < 0 ||
        fetch(r, r->position, bytes, term + FRAME_SIZE, r->frames_end, err) < 0)
        return -1;
    if (memcmp(bytes, FRAME_TERM, term) != 0)
        return refuse(r, r->position, err, "the frame is not terminated");
    r->header_at = r->position + term;
    r->has_payload = false;
    if (frame_decode(bytes + term, ret_frame, err) < 0)
        return fail_at(r, r->header_at, err);
    return 0;
}

int reader_next(struct stream_reader *r, struct reader_frame *ret_frame,
                struct error *err)
{
    struct reader_frame frame = {0};
    struct frame f = {0};

    if (r->stopped)
        return 0;
    if (next_header(r, &f, err) < 0)
        return -1;
    if (f.kind == FRAME_STOP)
        return check_stop(r, &f, err);
    if (f.kind != FRAME_DATA && f.kind != FRAME_ZERO)
        return refuse(r, r->header_at, err, "a frame was expected");
    if (check_range(r, &f, err) < 0)
        return -1;
    frame.kind = f.kind;
    frame.start = f.start;
    frame.length = f.length;
    r->position = r->header_at + FRAME_SIZE;
    if (f.kind == FRAME_DATA && start_data(r, &frame, err) < 0)
        return -1;
    r->cursor = f.start + f.length;
    *ret_frame = frame;
    return 1;
}

/* The plain length of the piece that is next: all that is left if it is the
 * last of its frame, else what its own head says.
 */
static int plain_length(const struct stream_reader *r, uint64_t stored,
                        bool last, uint64_t *ret_length, struct error *err)
{
    char head[CODEC_HEAD_SIZE] = "";
    size_t len = (size_t)MIN_OF(sizeof(head), stored);
    uint64_t length = CODEC_PLAIN_MAX;

    if (last) {
        length = r->piece_left;
    } else if (fetch(r, r->piece_at, head, len, r->frames_end, err) < 0) {
        return -1;
    } else if (codec_plain_length(head, len, &length, err) < 0) {
        return fail_at(r, r->piece_at, err);
    } else if (length >= r->piece_left) {
        return refuse(r, r->piece_at, err,
                      "the lz4 frame holds more than is left of the frame");
    }
    if (length == 0 || length > CODEC_PLAIN_MAX ||
        stored > codec_bound((size_t)length))
        return refuse(r, r->piece_at, err,
                      "the sizes of the lz4 frame are not possible");
    *ret_length = length;
    return 0;
}

int reader_piece(struct stream_reader *r, struct reader_piece *ret_piece,
                 struct error *err)
{
    struct reader_piece piece = {.start = r->piece_start,
                                 .length = r->piece_left,
                                 .file_offset = r->piece_at,
                                 .stored_length = r->piece_left};

    r->payload_left = 0;
    if (r->piece_left == 0)
        return 0;
    if (r->meta.compressed) {
        size_t i = r->piece_index++;

        piece.stored_length = trailer_piece_size(&r->trailer, i);
        if (plain_length(r, piece.stored_length,
                         trailer_piece_last(&r->trailer, i), &piece.length,
                         err) < 0)
            return -1;
    }
    r->piece_start += piece.length;
    r->piece_left -= piece.length;
    r->piece_at += piece.stored_length;
    r->payload_at = piece.file_offset;
    r->payload_left = piece.stored_length;
    *ret_piece = piece;
    return 1;
}

int reader_payload(struct stream_reader *r, void *buf, size_t cap,
                   size_t *ret_len, struct error *err)
{
    size_t len = (size_t)MIN_OF(cap, r->payload_left);

    if (len == 0)
        return 0;
    if (fetch(r, r->payload_at, buf, len, r->frames_end, err) < 0)
        return -1;
    r->payload_at += len;
    r->payload_left -= len;
    *ret_len = len;
    return 1;
}
