/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-codec.c - lz4 frames: ours, everybody else's, and hostile ones
 *
 * Output buffers are allocated to the byte, so that the sanitizer sees any
 * write beyond them.
 */
#include "stream/codec.h"
#include "stream/codec_block.h"

#include <lz4frame.h>

#include "check.h"
#include "walk.h"

/* Bytes that compress somewhat; the same for the same seed. */
static char *noise(size_t len, uint64_t seed)
{
    char *out = malloc(len + 1);

    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        out[i] = (char)("abcdefgh"[seed >> 61] + (i >> 12));
    }
    return out;
}

/* A frame as some other writer makes it. */
static struct bytes frame_of(const void *plain, size_t len, int block_size,
                             bool linked, bool checksums, bool content_size)
{
    LZ4F_preferences_t p = LZ4F_INIT_PREFERENCES;
    struct bytes b = BYTES_INIT;

    p.frameInfo.blockSizeID = block_size;
    p.frameInfo.blockMode = linked ? LZ4F_blockLinked : LZ4F_blockIndependent;
    p.frameInfo.contentChecksumFlag = checksums;
    p.frameInfo.blockChecksumFlag = checksums;
    p.frameInfo.contentSize = content_size ? len : 0;
    b.cap = LZ4F_compressFrameBound(len, &p);
    b.data = malloc(b.cap);
    b.len = LZ4F_compressFrame(b.data, b.cap, plain, len, &p);
    return b;
}

/* Decode into exactly `out_len` bytes, in memory and as a stream in parts of
 * `step`; both must agree whether it works.
 */
static int decode(const struct bytes *in, size_t out_len, size_t step,
                  char **ret_plain, struct error *err)
{
    _cleanup_(codec_freep) struct codec *c = codec_new(err);
    _cleanup_(codec_stream_freep) struct codec_stream *s =
        codec_stream_new(err);
    _cleanup_error_ struct error other = ERROR_INIT;
    _cleanup_free_ char *plain = malloc(out_len);
    _cleanup_free_ char *copy = malloc(in->len);
    _cleanup_bytes_ struct bytes streamed = BYTES_INIT;
    int result = 0, stream_result = 0;

    memcpy(copy, in->data, in->len); /* without room behind it */
    result = codec_decode(c, copy, in->len, plain, out_len, err);
    codec_stream_begin(s, out_len, bytes_put, &streamed);
    for (size_t i = 0; i < in->len && stream_result == 0; i += step)
        stream_result =
            codec_stream_feed(s, copy + i, MIN_OF(step, in->len - i), &other);
    if (stream_result == 0)
        stream_result = codec_stream_end(s, &other);
    if (result != stream_result)
        CHECK_FAIL("decoded: %d %s; as a stream: %d %s", result,
                   error_text(err), stream_result, error_text(&other));
    CHECK(streamed.len <= out_len);
    if (result == 0) {
        CHECK_EQ_U64(streamed.len, out_len);
        CHECK_MEM(streamed.data, plain, out_len);
        *ret_plain = take(plain);
    }
    return result;
}

static void check_roundtrip(size_t len, int level)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *c = codec_new(&err);
    _cleanup_free_ char *plain = noise(len, len);
    _cleanup_free_ char *back = NULL;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    uint64_t claimed = 0;

    b.cap = codec_bound(len);
    b.data = malloc(b.cap);
    REQUIRE(c && b.data);
    CHECK_OK(codec_encode(c, level, plain, len, b.data, b.cap, &b.len, &err),
             &err);
    CHECK(b.len <= b.cap);
    /* Version 1, independent blocks, all checksums, content size; 64 KiB. */
    CHECK_MEM(b.data, "\x04\x22\x4d\x18\x7c\x40", 6);
    CHECK_EQ_INT(codec_plain_length(b.data, b.len, &claimed, &err), 1);
    CHECK_EQ_U64(claimed, len);
    CHECK_OK(decode(&b, len, 4096, &back, &err), &err);
    REQUIRE(back);
    CHECK_MEM(back, plain, len);
}

static void test_roundtrip(void)
{
    static const size_t sizes[] = {1,       2,       511,        65535,
                                   65536,   65537,   262144,     1048575,
                                   1048576, 1048577, 5 * 1048576};

    for (size_t i = 0; i < array_size(sizes); i++)
        check_roundtrip(sizes[i], 2);
    for (int level = -1; level <= 16; level++)
        check_roundtrip(200000, level);
}

/* The library's own frame of the same, with all checksums. */
static struct bytes library_frame(const void *plain, size_t len, int level)
{
    LZ4F_preferences_t p = LZ4F_INIT_PREFERENCES;
    struct bytes b = BYTES_INIT;
    LZ4F_cctx *c = NULL;

    p.frameInfo.blockSizeID = LZ4F_max64KB;
    p.frameInfo.blockMode = LZ4F_blockIndependent;
    p.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    p.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    p.frameInfo.contentSize = len;
    p.compressionLevel = level;
    b.cap = LZ4F_compressFrameBound(len, &p);
    b.data = malloc(b.cap);
    CHECK(b.data &&
          !LZ4F_isError(LZ4F_createCompressionContext(&c, LZ4F_VERSION)));
    b.len = LZ4F_compressBegin(c, b.data, b.cap, &p);
    b.len +=
        LZ4F_compressUpdate(c, b.data + b.len, b.cap - b.len, plain, len, NULL);
    b.len += LZ4F_compressEnd(c, b.data + b.len, b.cap - b.len, NULL);
    LZ4F_freeCompressionContext(c);
    return b;
}

/* Checksums that we compute are those that the library would. */
static void test_same_as_library(void)
{
    static const size_t sizes[] = {1, 100, 65535, 65536, 65537, 300000};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *c = codec_new(&err);

    REQUIRE(c);
    for (size_t i = 0; i < 2 * array_size(sizes); i++) {
        size_t len = sizes[i / 2], bound = codec_bound(len), made = 0;
        int level = i % 2 ? 9 : 1;
        _cleanup_free_ char *plain = noise(len, i);
        _cleanup_free_ char *out = malloc(bound);
        _cleanup_bytes_ struct bytes theirs = library_frame(plain, len, level);

        CHECK_OK(codec_encode(c, level, plain, len, out, bound, &made, &err),
                 &err);
        CHECK_EQ_U64(made, theirs.len);
        CHECK_MEM(out, theirs.data, MIN_OF(made, theirs.len));
    }
}

/* A block that holds nothing, and behind it one whose checksum is wrong: the
 * library goes on at the first, and so do we.
 */
static void test_empty_block(void)
{
    static const unsigned char blocks[] = {
        0,    0,    0,    0x80, 0x05, 0x5d, 0xcc, 0x02, /* XXH32 of nothing */
        4,    0,    0,    0x80, 'a',  'b',  'c',  'd',
        0xef, 0xbe, 0xad, 0xde, 0,    0,    0,    0};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *c = codec_new(&err);
    LZ4F_preferences_t p = LZ4F_INIT_PREFERENCES;
    LZ4F_cctx *encoder = NULL;
    unsigned char frame[LZ4F_HEADER_SIZE_MAX + sizeof(blocks)];
    char out[4];
    size_t len;

    p.frameInfo.blockMode = LZ4F_blockIndependent;
    p.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    p.frameInfo.contentSize = sizeof(out);
    REQUIRE(c && !LZ4F_isError(
                     LZ4F_createCompressionContext(&encoder, LZ4F_VERSION)));
    len = LZ4F_compressBegin(encoder, frame, sizeof(frame), &p);
    LZ4F_freeCompressionContext(encoder);
    memcpy(frame + len, blocks, sizeof(blocks));
    CHECK_FAILS(
        codec_decode(c, frame, len + sizeof(blocks), out, sizeof(out), &err),
        &err, "checksum");
}

static void test_largest(void)
{
    check_roundtrip(CODEC_PLAIN_MAX, 1);
}

/* One context does one frame after the other, also after errors. */
static void test_reuse(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *c = codec_new(&err);
    char out[70000], plain[65536], again[65536];
    size_t len = 0;

    REQUIRE(c);
    for (int i = 0; i < 50; i++) {
        memset(plain, i, sizeof(plain));
        CHECK_OK(codec_encode(c, i % 13, plain, sizeof(plain), out, sizeof(out),
                              &len, &err),
                 &err);
        CHECK(codec_decode(c, out, len - 1, again, sizeof(again), NULL) < 0);
        CHECK(codec_decode(c, out, len, again, sizeof(again) - 1, NULL) < 0);
        out[len - 1] ^= 1;
        CHECK(codec_decode(c, out, len, again, sizeof(again), NULL) < 0);
        out[len - 1] ^= 1;
        CHECK_OK(codec_decode(c, out, len, again, sizeof(again), &err), &err);
        CHECK_MEM(again, plain, sizeof(plain));
    }
}

static void test_encode_refused(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *c = codec_new(&err);
    char out[200];
    size_t len = 0;

    REQUIRE(c);
    CHECK_FAILS(codec_encode(c, 1, "", 0, out, sizeof(out), &len, &err), &err,
                "cannot compress 0 bytes");
    CHECK_FAILS(
        codec_encode(c, 1, "abcd", 4, out, codec_bound(4) - 1, &len, &err),
        &err, "cannot compress 4 bytes");
    CHECK_FAILS(
        codec_encode(c, 1, out, CODEC_PLAIN_MAX + 1, out, SIZE_MAX, &len, &err),
        &err, "cannot compress");
}

/* Whatever valid frame somebody writes. */
static void test_foreign(void)
{
    static const size_t sizes[] = {16, 65537, 1500000, 4500000};

    for (size_t i = 0; i < array_size(sizes); i++)
        for (int how = 0; how < 32; how++) {
            _cleanup_error_ struct error err = ERROR_INIT;
            _cleanup_free_ char *plain = noise(sizes[i], i);
            _cleanup_free_ char *back = NULL;
            _cleanup_bytes_ struct bytes b =
                frame_of(plain, sizes[i], LZ4F_max64KB + how / 8, how & 1,
                         (how & 2) != 0, (how & 4) != 0);

            CHECK_OK(decode(&b, sizes[i], 10007, &back, &err), &err);
            REQUIRE(back);
            CHECK_MEM(back, plain, sizes[i]);
        }
}

/* Bombs, and frames of another size than expected, with and without a content
 * size to tell.
 */
/* covers: F11:R */
static void test_sizes(void)
{
    static const size_t expected[] = {1,      65535,  65536,   100000,
                                      524287, 524289, 1048576, 4194304};
    _cleanup_free_ char *zeroes = calloc(1, 524288);

    for (int how = 0; how < 32; how++)
        for (size_t i = 0; i < array_size(expected); i++) {
            _cleanup_error_ struct error err = ERROR_INIT;
            _cleanup_free_ char *back = NULL;
            bool known = (how & 4) != 0;
            _cleanup_bytes_ struct bytes b =
                frame_of(zeroes, 524288, LZ4F_max64KB + how / 8, how & 1,
                         (how & 2) != 0, known);

            CHECK_FAILS(decode(&b, expected[i], 100, &back, &err), &err,
                        known                  ? "524288 bytes instead of"
                        : expected[i] < 524288 ? "more bytes"
                                               : "fewer bytes");
        }
}

/* A frame that claims another size than it has. */
/* covers: F11:R */
static void test_lie(void)
{
    _cleanup_free_ char *zeroes = calloc(1, 524288);
    _cleanup_bytes_ struct bytes b =
        frame_of(zeroes, 524288, LZ4F_max64KB, false, true, true);
    _cleanup_(codec_freep) struct codec *c = codec_new(NULL);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *back = NULL;
    int found = 0;

    REQUIRE(c);
    b.data[6 + 2] = 1; /* 65536 */
    for (int check = 0; check < 256; check++) {
        b.data[14] = (char)check;
        CHECK(decode(&b, 65536, 4096, &back, &err) < 0);
        found += strstr(error_text(&err), "more bytes") != NULL;
        error_clear(&err);
        CHECK(decode(&b, 524288, 4096, &back, &err) < 0);
        error_clear(&err);
    }
    CHECK_EQ_INT(found, 1);
}

static void test_truncated(void)
{
    _cleanup_free_ char *plain = noise(1000, 3);
    _cleanup_bytes_ struct bytes b =
        frame_of(plain, 1000, LZ4F_max64KB, false, true, true);
    size_t full = b.len;

    for (b.len = 1; b.len < full; b.len++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *back = NULL;

        CHECK(decode(&b, 1000, 37, &back, &err) < 0);
        CHECK_EQ_INT(err.kind, ERR_DAMAGED);
    }
}

static void test_flipped(void)
{
    _cleanup_free_ char *plain = noise(1000, 4);
    _cleanup_bytes_ struct bytes b =
        frame_of(plain, 1000, LZ4F_max64KB, false, true, true);

    for (size_t bit = 0; bit < b.len * 8; bit++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *back = NULL;

        b.data[bit / 8] ^= (char)(1 << bit % 8);
        CHECK(decode(&b, 1000, 100, &back, &err) < 0);
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void check_around(const char *front, size_t front_len, const char *back,
                         size_t back_len, const char *why)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes one =
        frame_of("abcdefghijklmnop", 16, LZ4F_max64KB, false, true, true);
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    _cleanup_free_ char *plain = NULL;

    CHECK_OK(bytes_put(&b, front, front_len, &err), &err);
    CHECK_OK(bytes_put(&b, one.data, one.len, &err), &err);
    CHECK_OK(bytes_put(&b, back, back_len, &err), &err);
    CHECK_FAILS(decode(&b, 16, b.len, &plain, &err), &err, why);
    CHECK(decode(&b, 16, 1, &plain, &err) < 0);
}

/* What is no frame, or more than one. */
static void test_not_one_frame(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes one =
        frame_of("abcdefghijklmnop", 16, LZ4F_max64KB, false, true, true);
    struct bytes dictionary = {one.data, one.len, 0};
    char *plain = NULL;

    check_around("\x50\x2a\x4d\x18\0\0\0\0", 8, "", 0, "not an lz4 frame");
    check_around("\x02\x21\x4c\x18", 4, "", 0, "not an lz4 frame");
    check_around("x", 1, "", 0, "not an lz4 frame");
    check_around("", 0, "x", 1, "1 bytes follow");
    check_around("", 0, one.data, one.len, "47 bytes follow");
    check_around("", 0, "\x50\x2a\x4d\x18\0\0\0\0", 8, "8 bytes follow");
    dictionary.data[4] |= 1;
    CHECK_FAILS(decode(&dictionary, 16, 5, &plain, &err), &err, "dictionary");
    dictionary.data[4] = '\x9c';
    CHECK_FAILS(decode(&dictionary, 16, 5, &plain, &err), &err, "version");
}

static void test_plain_length(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes without =
        frame_of("abcd", 4, LZ4F_max64KB, false, false, false);
    uint64_t length = 7;

    CHECK_EQ_INT(codec_plain_length(without.data, without.len, &length, &err),
                 0);
    CHECK_EQ_U64(length, 7);
    CHECK_EQ_INT(codec_plain_length("\x04\x22\x4d\x18\x7c\x40"
                                    "\xff\xff\xff\xff\xff\xff\xff\xff",
                                    14, &length, &err),
                 1);
    CHECK_EQ_U64(length, UINT64_MAX);
    CHECK_FAILS(
        codec_plain_length("\x04\x22\x4d\x18\x7c\x40\xff", 7, &length, &err),
        &err, "too early");
    CHECK_FAILS(codec_plain_length("\x04\x22\x4d", 3, &length, &err), &err,
                "not an lz4 frame");
}

/* Each block of a frame, alone, and not if one of its bytes is another. */
static void check_blocks(size_t len)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *c = codec_new(&err);
    _cleanup_(codec_block_freep) struct codec_block *b = NULL;
    _cleanup_free_ char *plain = noise(len, len), *frame = NULL;
    _cleanup_free_ char *out = malloc(CODEC_BLOCK_SIZE);
    size_t count = (len + CODEC_BLOCK_SIZE - 1) / CODEC_BLOCK_SIZE, used = 0;
    size_t at = CODEC_BLOCK_BEGIN;
    uint32_t stored[16] = {0};

    /* One that does not become smaller. */
    for (size_t i = 0; i < MIN_OF(len, CODEC_BLOCK_SIZE); i++)
        plain[i] = (char)random();
    frame = malloc(codec_bound(len));
    CHECK_OK(
        codec_encode(c, 1, plain, len, frame, codec_bound(len), &used, &err),
        &err);
    CHECK_OK(codec_block_new(&b, &err), &err);
    CHECK_EQ_INT(codec_blocks(frame, used, count, stored), 1);
    CHECK_EQ_INT(codec_blocks(frame, used, count + 1, stored), 0);
    CHECK_EQ_INT(codec_blocks(frame, used, count - 1, stored), 0);
    CHECK_EQ_INT(codec_blocks(frame, at + 2, count, stored), 0);
    for (size_t i = 0; i < count; at += stored[i++]) {
        size_t n = MIN_OF(len - i * CODEC_BLOCK_SIZE, CODEC_BLOCK_SIZE);
        size_t flipped = at + 4 + (size_t)random() % (stored[i] - 4);
        _cleanup_free_ char *alone = malloc(stored[i]);

        memcpy(alone, frame + at, stored[i]);
        CHECK_OK(codec_block_decode(b, alone, stored[i], out, n, &err), &err);
        CHECK_MEM(out, plain + i * CODEC_BLOCK_SIZE, n);
        CHECK_FAILS(codec_block_decode(b, alone, stored[i], out, n - 1, &err),
                    &err, "bytes, not");
        CHECK_FAILS(codec_block_decode(b, alone, stored[i] - 1, out, n, &err),
                    &err, "block");
        alone[flipped - at] ^= 4;
        CHECK_FAILS(codec_block_decode(b, alone, stored[i], out, n, &err), &err,
                    "block");
    }
}

static void test_blocks(void)
{
    static const size_t sizes[] = {1, 65535, 65536, 65537, 300000, 1048576};

    for (size_t i = 0; i < array_size(sizes); i++)
        check_blocks(sizes[i]);
}

/* Blocks that need those before them, or have no checksum, or another size. */
static void test_no_blocks(void)
{
    _cleanup_free_ char *plain = noise(200000, 1);
    _cleanup_bytes_ struct bytes linked =
        frame_of(plain, 200000, LZ4F_max64KB, true, true, true);
    _cleanup_bytes_ struct bytes unchecked =
        frame_of(plain, 200000, LZ4F_max64KB, false, false, true);
    _cleanup_bytes_ struct bytes large =
        frame_of(plain, 200000, LZ4F_max256KB, false, true, true);
    uint32_t stored[16] = {0};

    CHECK_EQ_INT(codec_blocks(linked.data, linked.len, 4, stored), 0);
    CHECK_EQ_INT(codec_blocks(unchecked.data, unchecked.len, 4, stored), 0);
    CHECK_EQ_INT(codec_blocks(large.data, large.len, 1, stored), 0);
}

int main(void)
{
    RUN(test_blocks);
    RUN(test_no_blocks);
    RUN(test_roundtrip);
    RUN(test_same_as_library);
    RUN(test_empty_block);
    RUN(test_largest);
    RUN(test_reuse);
    RUN(test_encode_refused);
    RUN(test_foreign);
    RUN(test_sizes);
    RUN(test_lie);
    RUN(test_truncated);
    RUN(test_flipped);
    RUN(test_not_one_frame);
    RUN(test_plain_length);
    return check_result();
}
