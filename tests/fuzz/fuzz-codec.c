/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-codec.c - both decoders agree on any bytes and stay within their
 * buffers; what is encoded comes back
 *
 * The first two bytes: the expected plain length; the third: whether to encode
 * too, and the level; the fourth: the step of the stream.  How to build and
 * run: fuzz.h.
 */
#include <string.h>

#include "stream/codec.h"

#include "fuzz.h"
#include "walk.h"

/* Both are reused, as programs do. */
static struct codec *c;
static struct codec_stream *s;

static int decode_stream(const uint8_t *in, size_t len, size_t plain_len,
                         size_t step, struct bytes *plain)
{
    codec_stream_begin(s, plain_len, bytes_put, plain);
    for (size_t i = 0; i < len; i += step)
        if (codec_stream_feed(s, in + i, MIN_OF(step, len - i), NULL) < 0)
            return -1;
    return codec_stream_end(s, NULL);
}

static void check_decode(const uint8_t *in, size_t len, size_t plain_len,
                         size_t step)
{
    _cleanup_bytes_ struct bytes streamed = BYTES_INIT;
    _cleanup_free_ char *plain = malloc(plain_len);
    int result = codec_decode(c, in, len, plain, plain_len, NULL);

    PROMISE(decode_stream(in, len, plain_len, step, &streamed) == result);
    PROMISE(streamed.len <= plain_len);
    if (result < 0)
        return;
    PROMISE(streamed.len == plain_len);
    PROMISE(memcmp(streamed.data, plain, plain_len) == 0);
}

static void check_encode(const uint8_t *in, size_t len, int level)
{
    size_t cap = codec_bound(len), stored_len = 0;
    _cleanup_free_ char *stored = malloc(cap);
    _cleanup_free_ char *back = malloc(len);

    PROMISE(codec_encode(c, level, in, len, stored, cap, &stored_len, NULL) ==
            0);
    PROMISE(codec_decode(c, stored, stored_len, back, len, NULL) == 0);
    PROMISE(memcmp(back, in, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    if (!c)
        c = codec_new(NULL);
    if (!s)
        s = codec_stream_new(NULL);
    PROMISE(c && s);
    check_decode(data + 4, size - 4, 1 + (data[0] | (size_t)data[1] << 8),
                 1 + data[3]);
    if (data[2] >= 240)
        check_encode(data + 4, size - 4, data[2] % 13);
    return 0;
}
