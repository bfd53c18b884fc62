/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec.c - see codec.h; the only file that knows liblz4
 *
 * Only the frame API is used, and only its stable part.  Where a frame is in
 * memory as a whole its checksums are ours (codec_frame.h).
 */
#include "stream/codec.h"

#include <stdbool.h>
#include <string.h>

#include <lz4frame.h>

#include "stream/codec_frame.h"

struct codec {
    LZ4F_cctx *encoder;
    LZ4F_dctx *decoder;
};

static const unsigned char magic[4] = {0x04, 0x22, 0x4d, 0x18};

/* Each piece of so many bytes that the library is given becomes a block. */
#define BLOCK_SIZE ((size_t)(64 * KIB))

static LZ4F_preferences_t preferences(int level, size_t len)
{
    LZ4F_preferences_t p = LZ4F_INIT_PREFERENCES;

    p.frameInfo.blockSizeID = LZ4F_max64KB;
    p.frameInfo.blockMode = LZ4F_blockIndependent;
    p.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    p.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    p.frameInfo.contentSize = len;
    p.compressionLevel = level;
    p.autoFlush = 1;
    return p;
}

static int refuse_library(struct error *err, const char *what, size_t code)
{
    const char *name = LZ4F_getErrorName(code);

    /* The number behind the name is not in the stable part. */
    if (strcmp(name, "ERROR_allocation_failed") == 0)
        return error_memory(err);
    return error_set(err, ERR_DAMAGED, "%s: %s", what, name);
}

struct codec *codec_new(struct error *err)
{
    _cleanup_(codec_freep) struct codec *c = calloc(1, sizeof(*c));

    if (!c ||
        LZ4F_isError(
            LZ4F_createCompressionContext(&c->encoder, LZ4F_VERSION)) ||
        LZ4F_isError(
            LZ4F_createDecompressionContext(&c->decoder, LZ4F_VERSION))) {
        error_memory(err);
        return NULL;
    }
    return take(c);
}

void codec_free(struct codec *c)
{
    if (!c)
        return;
    LZ4F_freeCompressionContext(c->encoder);
    LZ4F_freeDecompressionContext(c->decoder);
    free(c);
}

size_t codec_bound(size_t len)
{
    LZ4F_preferences_t p = preferences(0, len);

    return LZ4F_compressFrameBound(len, &p);
}

/* The head of a frame whose checksums are not the library's affair: its length,
 * or an error code.
 */
static size_t encode_head(struct codec *c, int level, size_t len,
                          unsigned char *out, size_t cap)
{
    LZ4F_preferences_t p = preferences(level, len);
    size_t n;

    p.frameInfo.blockChecksumFlag = LZ4F_noBlockChecksum;
    p.frameInfo.contentChecksumFlag = LZ4F_noContentChecksum;
    n = LZ4F_compressBegin(c->encoder, out, cap, &p);
    if (!LZ4F_isError(n))
        codec_frame_mark(out, n,
                         CODEC_FLG_BLOCK_CHECKSUM | CODEC_FLG_CONTENT_CHECKSUM);
    return n;
}

/* One block and its checksum. */
static size_t encode_block(struct codec *c, const char *in, size_t len,
                           unsigned char *out, size_t cap)
{
    size_t n = LZ4F_compressUpdate(c->encoder, out, cap, in, len, NULL);

    if (LZ4F_isError(n))
        return n;
    codec_put_sum(out + n, out + 4, n - 4);
    return n + CODEC_SUM_SIZE;
}

int codec_encode(struct codec *c, int level, const void *in, size_t len,
                 void *out, size_t cap, size_t *ret_len, struct error *err)
{
    unsigned char *to = out;
    size_t used = 0, n = 0;

    if (len == 0 || len > CODEC_PLAIN_MAX || cap < codec_bound(len))
        return error_set(err, ERR_INPUT,
                         "cannot compress %zu bytes into %zu bytes", len, cap);
    used = encode_head(c, level, len, to, cap);
    if (LZ4F_isError(used))
        return error_memory(err);
    for (size_t done = 0; done < len; done += BLOCK_SIZE) {
        n = encode_block(c, (const char *)in + done,
                         MIN_OF(len - done, BLOCK_SIZE), to + used, cap - used);
        if (LZ4F_isError(n))
            return refuse_library(err, "cannot compress", n);
        used += n;
    }
    n = LZ4F_compressEnd(c->encoder, to + used, cap - used, NULL);
    if (LZ4F_isError(n))
        return refuse_library(err, "cannot compress", n);
    codec_put_sum(to + used + n, in, len);
    *ret_len = used + n + CODEC_SUM_SIZE;
    return 0;
}

int codec_plain_length(const void *head, size_t len, uint64_t *ret_length,
                       struct error *err)
{
    const unsigned char *bytes = head;
    uint64_t length = 0;

    if (len < CODEC_HEAD_SIZE / 2 || memcmp(bytes, magic, sizeof(magic)) != 0)
        return error_set(err, ERR_DAMAGED, "not an lz4 frame");
    if ((bytes[CODEC_FLG_AT] & CODEC_FLG_VERSION_MASK) != CODEC_FLG_VERSION)
        return error_set(err, ERR_DAMAGED,
                         "an lz4 frame of an unknown version");
    if (bytes[CODEC_FLG_AT] & CODEC_FLG_DICTIONARY)
        return error_set(err, ERR_DAMAGED,
                         "an lz4 frame that needs a dictionary");
    if (!(bytes[CODEC_FLG_AT] & CODEC_FLG_CONTENT_SIZE))
        return 0;
    if (len < CODEC_HEAD_SIZE)
        return error_set(err, ERR_DAMAGED, "the lz4 frame ends too early");
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[6 + i];
    *ret_length = length;
    return 1;
}

/* The head of a frame must allow for `plain_length` bytes. */
static int check_head(const void *head, size_t len, uint64_t plain_length,
                      struct error *err)
{
    uint64_t claimed = plain_length;

    if (codec_plain_length(head, len, &claimed, err) < 0)
        return -1;
    if (claimed != plain_length)
        return error_set(
            err, ERR_DAMAGED, "the lz4 frame holds %llu bytes instead of %llu",
            (unsigned long long)claimed, (unsigned long long)plain_length);
    return 0;
}

/* What one call of the library did. */
struct step {
    size_t eaten, made;
    bool ended; /* the frame is complete */
};

/* One call of the library.  `whole`: `out` keeps what was made before, and the
 * caller compares the checksums.
 */
static int decode_step(LZ4F_dctx *decoder, const char *in, size_t in_len,
                       char *out, size_t room, bool whole,
                       struct step *ret_step, struct error *err)
{
    LZ4F_decompressOptions_t options = {.stableDst = whole};
    struct step s = {.eaten = in_len, .made = room};
    size_t hint;

#ifdef LZ4_SKIPS_CHECKSUMS /* or else it compares them, too */
    options.skipChecksums = whole;
#endif
    hint = LZ4F_decompress(decoder, out, &s.made, in, &s.eaten, &options);
    if (LZ4F_isError(hint))
        return refuse_library(err, "damaged lz4 frame", hint);
    s.ended = hint == 0;
    *ret_step = s;
    return 0;
}

static int refuse_length(struct error *err, bool more, uint64_t plain_length)
{
    return error_set(err, ERR_DAMAGED,
                     "the lz4 frame holds %s bytes than the expected %llu",
                     more ? "more" : "fewer", (unsigned long long)plain_length);
}

int codec_decode(struct codec *c, const void *in, size_t in_len, void *out,
                 size_t out_len, struct error *err)
{
    struct step s = {0};
    size_t eaten = 0, made = 0;

    if (check_head(in, in_len, out_len, err) < 0)
        return -1;
    LZ4F_resetDecompressionContext(c->decoder);
    while (!s.ended) {
        if (decode_step(c->decoder, (const char *)in + eaten, in_len - eaten,
                        (char *)out + made, out_len - made, true, &s, err) < 0)
            return -1;
        eaten += s.eaten;
        made += s.made;
        /* It always goes on while it has bytes to eat and room for them. */
        if (!s.ended && s.eaten == 0 && s.made == 0)
            return eaten == in_len ? error_set(err, ERR_DAMAGED,
                                               "the lz4 frame ends too early")
                                   : refuse_length(err, true, out_len);
    }
    if (eaten != in_len)
        return error_set(err, ERR_DAMAGED,
                         "%zu bytes follow the lz4 frame of %zu bytes",
                         in_len - eaten, eaten);
    if (made != out_len)
        return refuse_length(err, false, out_len);
    return codec_frame_check(in, in_len, out, out_len, err);
}

struct codec_stream {
    LZ4F_dctx *decoder;
    char *part; /* CODEC_PART_SIZE bytes; owned */
    size_t used;
    uint64_t plain_length;
    uint64_t made;
    unsigned char head[CODEC_HEAD_SIZE]; /* collected, then checked */
    size_t head_len;
    bool ended;
    stream_put put;
    void *opaque;
};

struct codec_stream *codec_stream_new(struct error *err)
{
    _cleanup_(codec_stream_freep) struct codec_stream *s =
        calloc(1, sizeof(*s));

    if (s)
        s->part = malloc(CODEC_PART_SIZE);
    if (!s || !s->part ||
        LZ4F_isError(
            LZ4F_createDecompressionContext(&s->decoder, LZ4F_VERSION))) {
        error_memory(err);
        return NULL;
    }
    return take(s);
}

void codec_stream_free(struct codec_stream *s)
{
    if (!s)
        return;
    LZ4F_freeDecompressionContext(s->decoder);
    free(s->part);
    free(s);
}

void codec_stream_begin(struct codec_stream *s, uint64_t plain_length,
                        stream_put put, void *opaque)
{
    LZ4F_resetDecompressionContext(s->decoder);
    s->used = 0;
    s->plain_length = plain_length;
    s->made = 0;
    s->head_len = 0;
    s->ended = false;
    s->put = put;
    s->opaque = opaque;
}

/* Collect the first bytes of the frame beside decoding them; check the head
 * once it is there.
 */
static int stream_head(struct codec_stream *s, const char *in, size_t len,
                       struct error *err)
{
    size_t wanted = CODEC_HEAD_SIZE - s->head_len;
    size_t n = MIN_OF(len, wanted);

    if (n == 0)
        return 0;
    memcpy(s->head + s->head_len, in, n);
    s->head_len += n;
    if (s->head_len < CODEC_HEAD_SIZE)
        return 0;
    return check_head(s->head, s->head_len, s->plain_length, err);
}

/* Hand out the part if it is full or the last. */
static int stream_flush(struct codec_stream *s, struct error *err)
{
    size_t used = s->used;

    if (used == 0 || (used < CODEC_PART_SIZE && s->made < s->plain_length))
        return 0;
    s->used = 0;
    return s->put(s->opaque, s->part, used, err);
}

int codec_stream_feed(struct codec_stream *s, const void *in, size_t len,
                      struct error *err)
{
    size_t eaten = 0;

    if (stream_head(s, in, len, err) < 0)
        return -1;
    while (!s->ended) {
        struct step step = {0};
        uint64_t room =
            MIN_OF(CODEC_PART_SIZE - s->used, s->plain_length - s->made);

        if (decode_step(s->decoder, (const char *)in + eaten, len - eaten,
                        s->part + s->used, (size_t)room, false, &step, err) < 0)
            return -1;
        eaten += step.eaten;
        s->used += step.made;
        s->made += step.made;
        s->ended = step.ended;
        if (stream_flush(s, err) < 0)
            return -1;
        if (step.eaten == 0 && step.made == 0 && !step.ended)
            break;
    }
    if (eaten == len)
        return 0;
    if (s->ended)
        return error_set(err, ERR_DAMAGED, "%zu bytes follow the lz4 frame",
                         len - eaten);
    return refuse_length(err, true, s->plain_length);
}

int codec_stream_end(struct codec_stream *s, struct error *err)
{
    if (!s->ended)
        return error_set(err, ERR_DAMAGED, "the lz4 frame ends too early");
    if (s->made != s->plain_length)
        return refuse_length(err, false, s->plain_length);
    return 0;
}
