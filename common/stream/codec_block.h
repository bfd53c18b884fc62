/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec_block.h - one block of an lz4 frame, without the rest of the frame
 *
 * The frames that we write are made of independent blocks with checksums of
 * their own (codec.h).  Who needs a few bytes of a frame that was proven whole
 * before decodes one block of it.  Hides liblz4 and the layout of frames.
 */
#ifndef STREAM_CODEC_BLOCK_H
#define STREAM_CODEC_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

/* Plain bytes of a block; the last one of a frame may have fewer. */
#define CODEC_BLOCK_SIZE ((size_t)(64 * KIB))

/* Bytes of the frame before its first block, and what is stored of a block
 * besides its data, of which there are 1 to CODEC_BLOCK_SIZE bytes.
 */
#define CODEC_BLOCK_BEGIN 15
#define CODEC_BLOCK_EXTRA ((size_t)8)

/* Where the blocks of a frame lie, which was decoded without an error before:
 * ret_stored[i] is the number of stored bytes of block `i`, all that belongs to
 * it; they follow each other from CODEC_BLOCK_BEGIN on.  1; or 0: its blocks
 * cannot be decoded alone, or there are not `count` of them.
 */
int codec_blocks(const void *frame, size_t len, size_t count,
                 uint32_t *ret_stored);

/* Decodes blocks; for one thread at a time. */
struct codec_block;
must_check int codec_block_new(struct codec_block **ret, struct error *err);
void codec_block_free(struct codec_block *c);
DEFINE_CLEANUP(struct codec_block *, codec_block_free);

/* Decode the block whose stored bytes are `in` to exactly `out_len` bytes, and
 * compare it with its checksum; `out` has room for CODEC_BLOCK_SIZE.
 * ERR_DAMAGED.
 */
must_check int codec_block_decode(struct codec_block *c, const void *in,
                                  size_t in_len, void *out, size_t out_len,
                                  struct error *err);

#endif
