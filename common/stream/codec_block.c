/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec_block.c - see codec_block.h
 *
 * The library decodes frames: it is given the head of one, made once, and then
 * a block, as if that were the frame's first.
 */
#include "stream/codec_block.h"

#include <stdbool.h>
#include <string.h>

#include <lz4frame.h>

/* The frame's head: 4 bytes of magic number, FLG, BD, content size, checksum.
 * FLG: version 1, independent blocks, their checksums, content size; the
 * checksum of the content may be there or not.  BD: blocks of 64 KiB.
 */
#define FLG_AT 4
#define FLG 0x78
#define FLG_CONTENT_CHECKSUM 0x04
#define BD 0x40

/* A block: its length, which has this bit if it is not compressed, its bytes,
 * their checksum.
 */
#define LENGTH_SIZE ((size_t)4)
#define NOT_COMPRESSED 0x80000000U

struct codec_block {
    LZ4F_dctx *decoder;
    size_t head_length;
    unsigned char head[LZ4F_HEADER_SIZE_MAX];
};

static uint32_t get32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 |
           (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

int codec_blocks(const void *frame, size_t len, size_t count,
                 uint32_t *ret_stored)
{
    const unsigned char *in = frame;
    size_t at = CODEC_BLOCK_BEGIN;

    if (len < at || (in[FLG_AT] & ~FLG_CONTENT_CHECKSUM) != FLG ||
        in[FLG_AT + 1] != BD)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t data = 0;

        if (len - at < CODEC_BLOCK_EXTRA)
            return 0;
        data = get32(in + at) & ~NOT_COMPRESSED;
        if (data == 0 || data > CODEC_BLOCK_SIZE ||
            data > len - at - CODEC_BLOCK_EXTRA)
            return 0;
        ret_stored[i] = (uint32_t)(CODEC_BLOCK_EXTRA + data);
        at += ret_stored[i];
    }
    return len - at >= LENGTH_SIZE && get32(in + at) == 0;
}

int codec_block_new(struct codec_block **ret, struct error *err)
{
    _cleanup_(codec_block_freep) struct codec_block *c = calloc(1, sizeof(*c));
    LZ4F_preferences_t p = LZ4F_INIT_PREFERENCES;
    LZ4F_cctx *encoder = NULL;

    p.frameInfo.blockSizeID = LZ4F_max64KB;
    p.frameInfo.blockMode = LZ4F_blockIndependent;
    p.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    if (!c ||
        LZ4F_isError(
            LZ4F_createDecompressionContext(&c->decoder, LZ4F_VERSION)) ||
        LZ4F_isError(LZ4F_createCompressionContext(&encoder, LZ4F_VERSION)))
        return error_memory(err);
    c->head_length = LZ4F_compressBegin(encoder, c->head, sizeof(c->head), &p);
    LZ4F_freeCompressionContext(encoder);
    if (LZ4F_isError(c->head_length))
        return error_memory(err);
    *ret = take(c);
    return 0;
}

void codec_block_free(struct codec_block *c)
{
    if (!c)
        return;
    LZ4F_freeDecompressionContext(c->decoder);
    free(c);
}

/* Feed all of `in`: what was made of it, or an error code of the library. */
static size_t feed(struct codec_block *c, const unsigned char *in, size_t len,
                   unsigned char *out)
{
    size_t made = 0;

    while (len > 0) {
        size_t eaten = len, room = CODEC_BLOCK_SIZE - made;
        size_t r =
            LZ4F_decompress(c->decoder, out + made, &room, in, &eaten, NULL);

        if (LZ4F_isError(r))
            return r;
        if (eaten == 0 && room == 0)
            break;
        made += room;
        in += eaten;
        len -= eaten;
    }
    return made;
}

int codec_block_decode(struct codec_block *c, const void *in, size_t in_len,
                       void *out, size_t out_len, struct error *err)
{
    size_t made = 0;

    /* The library gives bytes before it has seen their checksum. */
    if (in_len < CODEC_BLOCK_EXTRA ||
        (get32(in) & ~NOT_COMPRESSED) != in_len - CODEC_BLOCK_EXTRA)
        return error_set(err, ERR_DAMAGED,
                         "a block of an lz4 frame has another length");
    LZ4F_resetDecompressionContext(c->decoder);
    made = feed(c, c->head, c->head_length, out);
    if (!LZ4F_isError(made))
        made = feed(c, in, in_len, out);
    if (LZ4F_isError(made))
        return error_set(err, ERR_DAMAGED, "a block of an lz4 frame: %s",
                         LZ4F_getErrorName(made));
    if (made != out_len)
        return error_set(err, ERR_DAMAGED,
                         "a block of an lz4 frame has %zu bytes, not %zu", made,
                         out_len);
    return 0;
}
