/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* walk.h - streams in memory, for the tests of this layer and the fuzzers
 *
 * A growing buffer to write to, a source to read from, and one complete walk
 * through a stream that looks at everything.
 */
#ifndef TESTS_COMMON_STREAM_WALK_H
#define TESTS_COMMON_STREAM_WALK_H

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/codec.h"
#include "stream/reader.h"

struct bytes {
    char *data;
    size_t len, cap;
};

#define BYTES_INIT                                                             \
    {                                                                          \
        NULL, 0, 0                                                             \
    }

void bytes_free(struct bytes *b);
#define _cleanup_bytes_ _cleanup_(bytes_free)

/* A stream_put whose opaque is a struct bytes. */
int bytes_put(void *opaque, const void *part, size_t len, struct error *err);

/* The file in `path`, unzipped if it is a gzip file; nothing if it cannot be
 * read.
 */
struct bytes bytes_load(const char *path);

/* A source over memory that counts how it was used. */
struct memory_source {
    const char *data;
    size_t len;
    uint64_t highest;  /* end of the furthest read */
    size_t reads;      /* calls */
    size_t backwards;  /* calls that started before the one before */
    uint64_t previous; /* where that one started */
};

struct reader_source memory_source(struct memory_source *m, const char *data,
                                   size_t len);

struct walk {
    unsigned char *disk; /* virtual_size bytes to apply the stream to; NULL:
                            decode and drop */
    uint64_t virtual_size;
    uint64_t data_frames, zero_frames, pieces;
    uint64_t plain; /* bytes decoded */
    /* Borrowed, to be used for this walk; NULL: new ones for each. */
    struct codec *codec;
    struct codec_stream *decoder;
};

/* Walk through the whole stream.  Compressed pieces are decoded both ways,
 * in memory (if they have at most a MiB) and as a stream.
 */
must_check int walk_stream(const struct reader_source *source, struct walk *w,
                           struct error *err);

#endif
