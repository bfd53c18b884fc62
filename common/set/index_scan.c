/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* index_scan.c - the table of a data file that has no index, see index.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "set/files.h"
#include "set/index_private.h"
#include "stream/reader.h"

/* Reads of the walk: many headers at once where they lie close together; little
 * more than the header where there is payload in between, which nobody wants
 * yet.
 */
#define WINDOW_SIZE (64 * KIB)
#define WINDOW_FAR (1 * KIB)
#define FAR (4 * KIB)

/* The file behind a reader, with the last bytes read. */
struct walk {
    int fd;
    uint64_t size;
    const char *name;
    uint64_t at; /* file offset of the window */
    size_t used; /* bytes in it */
    unsigned char *window;
};

/* How much to read at `offset`, where `len` bytes are needed. */
static size_t window_size(const struct walk *walk, uint64_t offset, size_t len)
{
    uint64_t end = walk->at + walk->used;

    if (walk->used == 0 || offset < walk->at || offset > end + FAR)
        return MAX_OF(len, WINDOW_FAR);
    return WINDOW_SIZE;
}

static int read_at(void *opaque, uint64_t offset, void *buf, size_t len,
                   struct error *err)
{
    struct walk *walk = opaque;
    ssize_t got = 0;

    if (len > WINDOW_SIZE) {
        got = file_pread_full(walk->fd, buf, len, offset);
        if (got >= 0 && (size_t)got == len)
            return 0;
    } else {
        if (offset < walk->at || offset - walk->at > walk->used ||
            walk->used - (offset - walk->at) < len) {
            size_t size = window_size(walk, offset, len);

            walk->used = 0;
            got = file_pread_full(walk->fd, walk->window, size, offset);
            walk->at = offset;
            walk->used = got < 0 ? 0 : (size_t)got;
        }
        if (walk->used >= offset - walk->at + len) {
            memcpy(buf, walk->window + (offset - walk->at), len);
            return 0;
        }
    }
    if (got < 0)
        return error_errno(err, errno, "cannot read '%s' at %llu", walk->name,
                           (unsigned long long)offset);
    return error_set(err, ERR_DAMAGED, "'%s' ends before byte %llu", walk->name,
                     (unsigned long long)(offset + len));
}

static int add_zero(struct index_builder *b, const struct reader_frame *frame,
                    struct error *err)
{
    struct index_record record = {
        .offset = frame->start,
        .length = frame->length,
        .kind = INDEX_ZERO,
    };

    return index_builder_add(b, &record, err);
}

static int add_pieces(struct index_builder *b, struct stream_reader *reader,
                      struct error *err)
{
    struct reader_piece piece = {0};
    int more = 0;

    while ((more = reader_piece(reader, &piece, err)) > 0) {
        struct index_record record = {
            .offset = piece.start,
            .length = piece.length,
            .file_offset = piece.file_offset,
            .stored_length = piece.stored_length,
            .kind = INDEX_DATA,
            .compressed = reader_meta(reader)->compressed,
        };

        if (index_builder_add(b, &record, err) < 0)
            return -1;
    }
    return more;
}

static int add_frames(struct index_builder *b, struct stream_reader *reader,
                      struct error *err)
{
    struct reader_frame frame = {0};
    int more = 0;

    while ((more = reader_next(reader, &frame, err)) > 0) {
        int result = frame.kind == FRAME_ZERO ? add_zero(b, &frame, err)
                                              : add_pieces(b, reader, err);

        if (result < 0)
            return -1;
    }
    return more;
}

int index_scan(int dirfd, const char *datafile, struct index **ret,
               struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ unsigned char *window = malloc(WINDOW_SIZE);
    _cleanup_(index_freep) struct index *idx = calloc(1, sizeof(*idx));
    _cleanup_(reader_closep) struct stream_reader *reader = NULL;
    struct walk walk = {.name = datafile, .window = window};
    struct reader_source source = {.read = read_at, .name = datafile};
    struct index_builder b = {0};

    if (!window || !idx)
        return error_memory(err);
    if (files_open(dirfd, datafile, &fd, &walk.size, err) < 0)
        return -1;
    walk.fd = fd;
    source.opaque = &walk;
    source.size = walk.size;
    reader = reader_open(&source, err);
    if (!reader)
        return -1;
    b.idx = idx;
    b.rules.virtual_size = reader_meta(reader)->virtual_size;
    b.rules.file_size = walk.size;
    if (add_frames(&b, reader, err) < 0)
        return -1;
    *ret = index_builder_finish(&b);
    idx = NULL;
    return 0;
}

/* Where the next data (or hole) of a raw image begins, at most `size`.  A file
 * system that cannot tell calls all of it data.
 */
static int seek_next(int fd, const char *name, uint64_t from, int whence,
                     uint64_t size, uint64_t *ret, struct error *err)
{
    off_t at = lseek(fd, (off_t)from, whence);

    if (at < 0 && errno == ENXIO)
        at = (off_t)size;
    else if (at < 0 && errno == EINVAL)
        at = whence == SEEK_DATA ? (off_t)from : (off_t)size;
    else if (at < 0)
        return error_errno(err, errno, "cannot find the holes of '%s'", name);
    *ret = (uint64_t)at > size ? size : (uint64_t)at;
    return 0;
}

static int add_raw(struct index_builder *b, uint64_t from, uint64_t to,
                   enum index_kind kind, struct error *err)
{
    struct index_record record = {
        .offset = from,
        .length = to - from,
        .file_offset = from,
        .stored_length = to - from,
        .kind = kind,
    };

    return from == to ? 0 : index_builder_add(b, &record, err);
}

int index_scan_raw(int dirfd, const char *datafile, struct index **ret,
                   struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_(index_freep) struct index *idx = calloc(1, sizeof(*idx));
    struct index_builder b = {.idx = idx};
    uint64_t size = 0, at = 0;

    if (!idx)
        return error_memory(err);
    if (files_open(dirfd, datafile, &fd, &size, err) < 0)
        return -1;
    b.rules.virtual_size = b.rules.file_size = size;
    while (at < size) {
        uint64_t data = 0, hole = 0;

        if (seek_next(fd, datafile, at, SEEK_DATA, size, &data, err) < 0 ||
            seek_next(fd, datafile, data, SEEK_HOLE, size, &hole, err) < 0)
            return -1;
        /* A file that changes under our eyes must not hold us for ever. */
        if (data < at || hole < data || hole == at)
            return error_set(err, ERR_DAMAGED, "'%s' changes while it is read",
                             datafile);
        if (add_raw(&b, at, data, INDEX_ZERO, err) < 0 ||
            add_raw(&b, data, hole, INDEX_DATA, err) < 0)
            return error_prefix(err, "'%s'", datafile);
        at = hole;
    }
    *ret = index_builder_finish(&b);
    idx = NULL;
    return 0;
}
