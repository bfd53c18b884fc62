/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec_frame.c - see codec_frame.h */
#include "stream/codec_frame.h"

#include <xxhash.h>

static uint32_t sum_of(const void *bytes, size_t len)
{
    return XXH32(bytes, len, 0);
}

void codec_put_sum(unsigned char *to, const void *bytes, size_t len)
{
    uint32_t sum = sum_of(bytes, len);

    for (size_t i = 0; i < CODEC_SUM_SIZE; i++)
        to[i] = (unsigned char)(sum >> 8 * i);
}

/* The second byte of the checksum of everything but the magic number. */
static unsigned char head_sum(const unsigned char *head, size_t length)
{
    return (
        unsigned char)(sum_of(head + CODEC_FLG_AT, length - CODEC_FLG_AT - 1) >>
                       8);
}

void codec_frame_mark(unsigned char *head, size_t length, unsigned char flags)
{
    head[CODEC_FLG_AT] |= flags;
    head[length - 1] = head_sum(head, length);
}

static int refuse(struct error *err)
{
    return error_set(err, ERR_DAMAGED,
                     "damaged lz4 frame: a checksum is another");
}

static size_t head_length(unsigned char flg)
{
    return 7 + (flg & CODEC_FLG_CONTENT_SIZE ? 8 : 0) +
           (flg & CODEC_FLG_DICTIONARY ? 4 : 0);
}

/* The blocks, from `*at` on, which becomes what is behind them.  The lengths
 * are right, as the frame was decoded; but nobody has to know that here.
 */
static int check_blocks(const unsigned char *in, size_t len, size_t *at,
                        struct error *err)
{
    size_t extra =
        in[CODEC_FLG_AT] & CODEC_FLG_BLOCK_CHECKSUM ? CODEC_SUM_SIZE : 0;

    for (;;) {
        const unsigned char *data;
        uint32_t word;
        size_t length;

        if (len - *at < 4)
            return refuse(err);
        word = codec_get32(in + *at);
        *at += 4;
        if (word == 0) /* not a block that holds nothing, which goes on */
            return 0;
        length = word & ~CODEC_NOT_COMPRESSED;
        if (length > len - *at || extra > len - *at - length)
            return refuse(err);
        data = in + *at;
        if (extra && codec_get32(data + length) != sum_of(data, length))
            return refuse(err);
        *at += length + extra;
    }
}

int codec_frame_check(const void *frame, size_t len, const void *plain,
                      size_t plain_len, struct error *err)
{
    const unsigned char *in = frame;
    size_t at = 0;

    if (len <= CODEC_BD_AT)
        return refuse(err);
    at = head_length(in[CODEC_FLG_AT]);
    if (len < at || head_sum(in, at) != in[at - 1] ||
        check_blocks(in, len, &at, err) < 0)
        return refuse(err);
    if (in[CODEC_FLG_AT] & CODEC_FLG_CONTENT_CHECKSUM) {
        if (len - at < CODEC_SUM_SIZE ||
            codec_get32(in + at) != sum_of(plain, plain_len))
            return refuse(err);
        at += CODEC_SUM_SIZE;
    }
    /* Or the library has read the blocks otherwise. */
    return at == len ? 0 : refuse(err);
}
