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

#include "stream/codec_frame.h"

/* What we write: independent blocks with checksums, the content's size; the
 * checksum of the content may be there or not.
 */
#define FLG                                                                    \
    (CODEC_FLG_VERSION | CODEC_FLG_INDEPENDENT | CODEC_FLG_BLOCK_CHECKSUM |    \
     CODEC_FLG_CONTENT_SIZE)

#define LENGTH_SIZE ((size_t)4)

struct codec_block {
    LZ4F_dctx *decoder;
    size_t head_length;
    unsigned char head[LZ4F_HEADER_SIZE_MAX];
};

int codec_blocks(const void *frame, size_t len, size_t count,
                 uint32_t *ret_stored)
{
    const unsigned char *in = frame;
    size_t at = CODEC_BLOCK_BEGIN;

    if (len < at || (in[CODEC_FLG_AT] & ~CODEC_FLG_CONTENT_CHECKSUM) != FLG ||
        in[CODEC_BD_AT] != CODEC_BD_64K)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t data = 0;

        if (len - at < CODEC_BLOCK_EXTRA)
            return 0;
        data = codec_get32(in + at) & ~CODEC_NOT_COMPRESSED;
        if (data == 0 || data > CODEC_BLOCK_SIZE ||
            data > len - at - CODEC_BLOCK_EXTRA)
            return 0;
        ret_stored[i] = (uint32_t)(CODEC_BLOCK_EXTRA + data);
        at += ret_stored[i];
    }
    return len - at >= LENGTH_SIZE && codec_get32(in + at) == 0;
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
        (codec_get32(in) & ~CODEC_NOT_COMPRESSED) != in_len - CODEC_BLOCK_EXTRA)
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
