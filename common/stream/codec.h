/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec.h - one lz4 frame in, one lz4 frame out
 *
 * Written are frames of independent 64 KiB blocks with all checksums and the
 * content size; read is every lz4 frame that needs no dictionary.  Skippable
 * and legacy frames are no frames.  Hides liblz4; must not know the stream.
 */
#ifndef STREAM_CODEC_H
#define STREAM_CODEC_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/put.h"

/* No piece of a stream holds more plain bytes than this (32 MiB). */
#define CODEC_PLAIN_MAX (32 * MIB)

/* The plain bytes that codec_stream hands out at most at a time. */
#define CODEC_PART_SIZE (1 * MIB)

/* The head of a frame up to its content size, for codec_plain_length. */
#define CODEC_HEAD_SIZE 14

/* The library's contexts and their memory, for use again and again by one
 * thread at a time.
 */
struct codec;

struct codec *codec_new(struct error *err);
void codec_free(struct codec *c);
DEFINE_CLEANUP(struct codec *, codec_free);

/* Room that the frame of `len` plain bytes needs at most.  Upstream's frames
 * never exceed it either.
 */
size_t codec_bound(size_t len);

/* Compress `len` bytes, 1..CODEC_PLAIN_MAX, into one frame at `out`; `cap`
 * must be at least codec_bound(len).  `level` as in the lz4 tool: 1, 2 fast;
 * 3..12 slower and smaller; more is 12; 0 is the library's default.
 */
must_check int codec_encode(struct codec *c, int level, const void *in,
                            size_t len, void *out, size_t cap, size_t *ret_len,
                            struct error *err);

/* Decompress the one frame that fills `in` exactly into exactly `out_len`
 * bytes; nothing is ever written beyond them.  ERR_DAMAGED if the frame is
 * damaged or has another size; `out` is then undefined.
 */
must_check int codec_decode(struct codec *c, const void *in, size_t in_len,
                            void *out, size_t out_len, struct error *err);

/* The plain length that the frame starting with `head` claims (`len` bytes of
 * it, at least CODEC_HEAD_SIZE unless the frame is shorter): 1 with
 * `*ret_length`, 0 if it does not say, -1 (ERR_DAMAGED) if no frame that we
 * read starts so.  Only decoding proves the claim.
 */
must_check int codec_plain_length(const void *head, size_t len,
                                  uint64_t *ret_length, struct error *err);

/* The same as codec_decode for frames that should not be in memory as a whole:
 * compressed bytes are fed in parts of any size, plain ones handed out in
 * parts of CODEC_PART_SIZE, the last one shorter.  The checksum of the whole
 * frame stands at its end: parts handed out are proven by codec_stream_end.
 */
struct codec_stream;

struct codec_stream *codec_stream_new(struct error *err);
void codec_stream_free(struct codec_stream *s);
DEFINE_CLEANUP(struct codec_stream *, codec_stream_free);

/* Start a frame of `plain_length` > 0 bytes; whatever was before is dropped. */
void codec_stream_begin(struct codec_stream *s, uint64_t plain_length,
                        stream_put put, void *opaque);

/* The next `len` bytes of the frame.  More plain bytes than announced, and
 * bytes behind the end of the frame, are errors; after any error only
 * codec_stream_begin or _free may follow.
 */
must_check int codec_stream_feed(struct codec_stream *s, const void *in,
                                 size_t len, struct error *err);

/* No more bytes: the frame must be complete. */
must_check int codec_stream_end(struct codec_stream *s, struct error *err);

#endif
