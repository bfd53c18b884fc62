/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-reader.c - walks through good streams and refusals of bad ones
 *
 * Streams are put together by hand, so that they can be wrong in any way.
 */
#include "stream/reader.h"

#include "stream/codec.h"
#include "stream/writer.h"

#include "build.h"
#include "check.h"
#include "walk.h"

static int walk(const struct bytes *b, unsigned char *disk, struct walk *ret,
                struct error *err)
{
    struct memory_source memory = {0};
    /* Without room behind it, for the sanitizer's sake. */
    _cleanup_free_ char *copy = malloc(b->len ? b->len : 1);
    struct walk w = {.disk = disk, .virtual_size = disk ? 4096 : 0};
    struct reader_source source = {0};
    int result = 0;

    if (b->len > 0)
        memcpy(copy, b->data, b->len);
    source = memory_source(&memory, copy, b->len);
    result = walk_stream(&source, &w, err);
    if (ret)
        *ret = w;
    return result;
}

/* Walk over the frames only. */
static int skim(const struct bytes *b, struct error *err)
{
    struct memory_source memory = {0};
    struct reader_source source = memory_source(&memory, b->data, b->len);
    _cleanup_(reader_closep) struct stream_reader *r =
        reader_open(&source, err);
    struct reader_frame f = {0};
    int more = 1;

    while (r && more > 0)
        more = reader_next(r, &f, err);
    return r ? more : -1;
}

/* The stream is refused because of `why`, as damage of the file. */
static void refused(const struct bytes *b, const char *why)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (walk(b, NULL, NULL, &err) == 0) {
        CHECK_FAIL("accepted, not refused with: %s", why);
        return;
    }
    CHECK_CONTAINS(error_text(&err), why);
    CHECK_CONTAINS(error_text(&err), "'test.data', byte ");
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
}

static void test_walk(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    unsigned char disk[4096];
    struct walk w = {0};

    memset(disk, 'x', sizeof(disk));
    build_meta(&b, 4096, 11, true, 0);
    build_data(&b, 0, "abc");
    build_data(&b, 3, "def");
    build_header(&b, "zero", 1024, 1024);
    build_data(&b, 4091, "ghijk");
    build_header(&b, "stop", 0, 0);
    CHECK_OK(walk(&b, disk, &w, &err), &err);
    CHECK_EQ_U64(w.data_frames, 3);
    CHECK_EQ_U64(w.zero_frames, 1);
    CHECK_MEM(disk, "abcdefxx", 8);
    CHECK(disk[1023] == 'x' && disk[1024] == 0 && disk[2047] == 0);
    CHECK(disk[2048] == 'x' && disk[4090] == 'x');
    CHECK_MEM(disk + 4091, "ghijk", 5);
}

static void test_empty_disk(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;

    build_meta(&b, 0, 0, false, 0);
    build_header(&b, "stop", 0, 0);
    CHECK_OK(walk(&b, NULL, NULL, &err), &err);
}

static void test_is_stream(void)
{
    CHECK(reader_is_stream("meta 0000", 9));
    CHECK(reader_is_stream("meta ", 5));
    CHECK(!reader_is_stream("meta", 4));
    CHECK(!reader_is_stream("QFI\xfb", 4));
    CHECK(!reader_is_stream("", 0));
}

/* Where everything is, as an index needs it. */
static void test_offsets(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    struct memory_source memory = {0};
    struct reader_source source = {0};
    struct reader_frame f = {0};
    struct reader_piece p[3] = {{0}};
    size_t sizes[3] = {0}, payload = 0;

    build_meta(&b, 100 * MIB, 70 * MIB + 7, true, 1);
    build_header(&b, "data", MIB, 70 * MIB);
    payload = b.len;
    sizes[0] = build_lz4(&b, 'a', 32 * MIB);
    sizes[1] = build_lz4(&b, 'b', 32 * MIB);
    sizes[2] = build_lz4(&b, 'c', 6 * MIB);
    build_text(&b, "\r\n");
    build_header(&b, "data", 99 * MIB, 7);
    build_text(&b, "%c%c%c", 4, 0x22, 0x4d); /* no valid frame: nobody looks */
    build_text(&b, "0123456789\r\n");
    build_header(&b, "stop", 0, 0);
    {
        char array[100];

        snprintf(array, sizeof(array), "[{\"%zu\": [%zu, %zu, %zu]}, 13]",
                 sizes[0] + sizes[1] + sizes[2], sizes[0], sizes[1], sizes[2]);
        build_trailer(&b, array);
    }
    source = memory_source(&memory, b.data, b.len);
    _cleanup_(reader_closep) struct stream_reader *r =
        reader_open(&source, &err);
    REQUIRE(r);
    CHECK_EQ_INT(reader_next(r, &f, &err), 1);
    CHECK_EQ_INT(f.kind, FRAME_DATA);
    CHECK_EQ_U64(f.start, MIB);
    CHECK_EQ_U64(f.length, 70 * MIB);
    CHECK_EQ_U64(f.file_offset, payload);
    CHECK_EQ_U64(f.stored_length, sizes[0] + sizes[1] + sizes[2]);
    CHECK_EQ_U64(f.piece_count, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ_INT(reader_piece(r, &p[i], &err), 1);
    CHECK_EQ_INT(reader_piece(r, &p[0], &err), 0);
    CHECK_EQ_U64(p[1].start, 33 * MIB);
    CHECK_EQ_U64(p[1].length, 32 * MIB);
    CHECK_EQ_U64(p[1].file_offset, payload + sizes[0]);
    CHECK_EQ_U64(p[1].stored_length, sizes[1]);
    CHECK_EQ_U64(p[2].start, 65 * MIB);
    CHECK_EQ_U64(p[2].length, 6 * MIB);
    CHECK_EQ_U64(p[2].file_offset, payload + sizes[0] + sizes[1]);
    CHECK_EQ_U64(p[2].stored_length, sizes[2]);
    CHECK_EQ_INT(reader_next(r, &f, &err), 1);
    CHECK_EQ_U64(f.start, 99 * MIB);
    CHECK_EQ_U64(f.stored_length, 13);
    CHECK_EQ_INT(reader_next(r, &f, &err), 0);
    CHECK_EQ_INT(reader_next(r, &f, &err), 0);
}

/* A frame of two pieces decodes to what it was. */
static void test_object_form(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    struct walk w = {0};
    size_t first = 0, second = 0;
    char array[100];

    build_meta(&b, 33 * MIB, 33 * MIB, false, 2);
    build_header(&b, "data", 0, 33 * MIB);
    first = build_lz4(&b, 0, 32 * MIB);
    second = build_lz4(&b, 0, 1 * MIB);
    build_text(&b, "\r\n");
    build_header(&b, "stop", 0, 0);
    snprintf(array, sizeof(array), "[{\"%zu\": [%zu, %zu]}]", first + second,
             first, second);
    build_trailer(&b, array);
    CHECK_OK(walk(&b, NULL, &w, &err), &err);
    CHECK_EQ_U64(w.plain, 33 * MIB);
    CHECK_EQ_U64(w.pieces, 2);
}

/* Payloads are skipped without being read, and nothing is read twice. */
static void test_skip(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    _cleanup_free_ char *big = malloc(1000001);
    struct memory_source memory = {0};
    struct reader_source source = {0};
    struct reader_frame f = {0};
    struct reader_piece p = {0};
    char part[10];
    size_t len = 0;
    int frames = 0, more = 0;

    memset(big, 'b', 1000000);
    big[1000000] = '\0';
    build_meta(&b, 10000000, 5000000, true, 0);
    for (uint64_t i = 0; i < 5; i++)
        build_data(&b, i * 1500000, big);
    build_header(&b, "stop", 0, 0);
    source = memory_source(&memory, b.data, b.len);
    _cleanup_(reader_closep) struct stream_reader *r =
        reader_open(&source, &err);
    REQUIRE(r);
    while ((more = reader_next(r, &f, &err)) > 0) {
        if (frames++ % 2 == 0)
            continue;
        /* Left in the middle. */
        CHECK_EQ_INT(reader_piece(r, &p, &err), 1);
        CHECK_EQ_INT(reader_payload(r, part, sizeof(part), &len, &err), 1);
        CHECK_EQ_U64(len, 10);
        CHECK_MEM(part, "bbbbbbbbbb", 10);
    }
    CHECK_EQ_INT(more, 0);
    CHECK_EQ_INT(frames, 5);
    CHECK_EQ_U64(memory.backwards, 0);
    CHECK_EQ_U64(memory.highest, b.len);
    /* Header, metadata, one header a frame, the stop; two payloads. */
    CHECK_EQ_U64(memory.reads, 2 + 5 + 1 + 2);
}

/* A stream cut anywhere, plain and compressed, is refused. */
static void check_cuts(struct bytes *b)
{
    size_t full = b->len;

    for (b->len = 0; b->len < full; b->len++)
        refused(b, "");
    b->len = full;
    build_text(b, "x");
    refused(b, "");
}

/* covers: F2:RVM */
static void test_cuts(void)
{
    _cleanup_bytes_ struct bytes plain = BYTES_INIT, packed = BYTES_INIT;

    build_meta(&plain, 4096, 6, true, 0);
    build_data(&plain, 0, "abcdef");
    build_header(&plain, "zero", 10, 100);
    build_header(&plain, "stop", 0, 0);
    check_cuts(&plain);
    build_meta(&packed, 4096, 16, true, 1);
    build_header(&packed, "data", 0, 16);
    CHECK_EQ_U64(build_lz4(&packed, 'x', 16), 47);
    build_text(&packed, "\r\n");
    build_header(&packed, "stop", 0, 0);
    build_trailer(&packed, "[47]");
    {
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK_OK(walk(&packed, NULL, NULL, &err), &err);
    }
    check_cuts(&packed);
}

/* Single flipped bits behind the metadata and outside payloads: refused, but
 * for those that make a digit upper case.
 */
static void test_flips(void)
{
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    unsigned char good[4096] = "abcdef", disk[4096];
    size_t frames = 0;
    int accepted = 0;

    build_meta(&b, 4096, 6, false, 0);
    frames = b.len;
    build_data(&b, 0, "abcdef");
    build_header(&b, "zero", 6, 4090);
    build_header(&b, "stop", 0, 0);
    for (size_t bit = frames * 8; bit < b.len * 8; bit++) {
        _cleanup_error_ struct error err = ERROR_INIT;

        if (bit / 8 >= frames + FRAME_SIZE && bit / 8 < frames + FRAME_SIZE + 6)
            continue;
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        memset(disk, 0, sizeof(disk));
        if (walk(&b, disk, NULL, &err) == 0) {
            CHECK_MEM(disk, good, sizeof(good));
            accepted++;
        }
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    CHECK_EQ_INT(accepted, 3); /* the letters of 0xffa */
}

/* What may stand between a metadata of 4096 bytes with 6 of data and the end.
 */
static const struct {
    const char *why;
    bool incremental;
    struct {
        const char *kind;
        uint64_t start, length;
    } frames[5];
} bad_frames[] = {
    {"unknown kind 'zerp'", true, {{"data", 0, 6}, {"zerp", 6, 10}}},
    {"unknown kind 'meta'", true, {{"meta", 0, 6}}},
    {"a frame was expected", true, {{"comp", 0, 6}}},
    {"empty", true, {{"data", 0, 0}}},
    {"empty", true, {{"zero", 0, 0}}},
    {"beyond the end of the disk", true, {{"data", 4091, 6}}},
    {"beyond the end of the disk", true, {{"zero", 4096, 1}}},
    {"beyond the end of the disk", true, {{"zero", 1, 4096}}},
    {"beyond the end of the disk", true, {{"zero", 1, UINT64_MAX}}},
    {"beyond the end of the disk", true, {{"zero", UINT64_MAX, 1}}},
    {"beyond the end of the disk", true, {{"data", UINT64_MAX - 3, 6}}},
    {"overlaps", true, {{"data", 0, 6}, {"zero", 5, 6}}},
    {"overlaps", true, {{"data", 100, 3}, {"data", 0, 3}}},
    {"overlaps", true, {{"data", 0, 3}, {"data", 0, 3}}},
    {"missing before", false, {{"data", 1, 6}}},
    {"missing before", false, {{"data", 0, 6}, {"zero", 7, 4089}}},
    {"the end of the disk", false, {{"data", 0, 6}, {"zero", 6, 4089}}},
    {"the end of the disk", false, {{"data", 0, 6}}},
    {"more data", true, {{"data", 0, 7}}},
    {"more data", true, {{"data", 0, 6}, {"data", 6, 1}}},
    {"less data", true, {{"data", 0, 5}}},
    {"less data", true, {{"zero", 0, 4096}}},
    {"stop frame is not empty", true, {{"data", 0, 6}, {"stop", 0, 1}}},
    {"stop frame is not empty", true, {{"data", 0, 6}, {"stop", 1, 0}}},
    {"something follows",
     true,
     {{"data", 0, 6}, {"stop", 0, 0}, {"zero", 6, 9}}},
};

/* covers: F5:RM F7:RVM F8:RM F9:RM */
static void test_bad_frames(void)
{
    for (size_t i = 0; i < array_size(bad_frames); i++) {
        _cleanup_bytes_ struct bytes b = BYTES_INIT;

        build_meta(&b, 4096, 6, bad_frames[i].incremental, 0);
        for (size_t k = 0; k < 5 && bad_frames[i].frames[k].kind; k++) {
            const char *kind = bad_frames[i].frames[k].kind;
            uint64_t length = bad_frames[i].frames[k].length;

            build_header(&b, kind, bad_frames[i].frames[k].start, length);
            if (strcmp(kind, "data") == 0)
                build_text(&b, "%.*s\r\n", (int)length, "abcdefghij");
        }
        build_header(&b, "stop", 0, 0);
        printf("# %zu\n", i);
        refused(&b, strstr(bad_frames[i].why, "'meta'") ? "expected"
                                                        : bad_frames[i].why);
    }
}

static void test_bad_payload(void)
{
    _cleanup_bytes_ struct bytes huge = BYTES_INIT, open = BYTES_INIT;

    build_meta(&huge, 1ULL << 62, 1ULL << 61, true, 0);
    build_header(&huge, "data", 0, 1ULL << 61);
    build_text(&huge, "abcdef\r\n");
    refused(&huge, "beyond the end of the stream");
    build_meta(&open, 4096, 6, true, 0);
    build_header(&open, "data", 0, 6);
    build_text(&open, "abcdef\r\r");
    build_header(&open, "stop", 0, 0);
    refused(&open, "not terminated");
}

/* covers: F6:RVM F10:RV */
static void test_bad_meta(void)
{
    static const char newer[] =
        "{\"virtualSize\": 1, \"dataSize\": 0, \"streamVersion\": 9}";
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;

    build_header(&b, "data", 0, 2);
    build_text(&b, "{}\r\n");
    refused(&b, "begins with metadata");
    b.len = 0;
    build_header(&b, "meta", 1, 2);
    build_text(&b, "{}\r\n");
    refused(&b, "begins with metadata");
    b.len = 0;
    build_header(&b, "meta", 0, 2);
    build_text(&b, "{}\n\r");
    refused(&b, "not terminated");
    b.len = 0;
    build_header(&b, "meta", 0, META_SIZE_MAX + 1);
    refused(&b, "too long");
    b.len = 0;
    build_header(&b, "meta", 0, UINT64_MAX);
    refused(&b, "too long");
    b.len = 0;
    build_header(&b, "meta", 0, 2);
    build_text(&b, "{}\r\n");
    refused(&b, "'streamVersion'");
    b.len = 0;
    build_header(&b, "meta", 0, strlen(newer));
    build_text(&b, "%s\r\n", newer);
    CHECK_FAILS(walk(&b, NULL, NULL, &err), &err, "written by a newer version");
}

/* Two frames of 16 bytes, 47 stored each, with this array behind. */
static void check_trailer(const char *array, const char *why)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;

    printf("# %s\n", array);
    build_meta(&b, 4096, 32, true, 1);
    for (uint64_t i = 0; i < 2; i++) {
        build_header(&b, "data", i * 16, 16);
        build_lz4(&b, (char)('a' + i), 16);
        build_text(&b, "\r\n");
    }
    build_header(&b, "stop", 0, 0);
    build_trailer(&b, array);
    if (why) {
        CHECK_FAILS(skim(&b, &err), &err, why);
        refused(&b, "");
    } else {
        CHECK_OK(skim(&b, &err), &err);
        CHECK_OK(walk(&b, NULL, NULL, &err), &err);
    }
}

/* covers: F12:R */
static void test_bad_trailer(void)
{
    check_trailer("[47, 47]", NULL);
    check_trailer("[{\"47\": [47]}, 47]", NULL);
    check_trailer("[]", "no entry for the frame");
    check_trailer("[47]", "no entry for the frame");
    check_trailer("[47, 47, 47]", "more entries");
    check_trailer("[46, 48]", "not terminated");
    check_trailer("[48, 46]", "not terminated");
    check_trailer("[47, 46]", "not terminated");
    check_trailer("[136, 47]", "sizes of the lz4 frame");
    check_trailer("[94, 94]", "sizes of the lz4 frame");
    check_trailer("[{\"47\": [11, 36]}, 47]", "lz4 frame ends too early");
    check_trailer("[{\"47\": [14, 33]}, 47]", "holds more than is left");
    check_trailer("[{\"47\": [36, 11]}, 47]", "holds more than is left");
    check_trailer("[47, 2000]", "more than the file holds");
    check_trailer("[47, null]", "trailer is damaged");
    check_trailer("[47, 47]]", "trailer is damaged");
}

static void test_bad_trailer_header(void)
{
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    size_t stop = 0;

    build_meta(&b, 4096, 0, true, 1);
    build_header(&b, "stop", 0, 0);
    stop = b.len;
    refused(&b, "without its trailer");
    build_text(&b, "[]\r\n");
    build_header(&b, "data", 0, 2);
    refused(&b, "does not end with its trailer");
    b.len = stop;
    build_text(&b, "[]\r\n");
    build_header(&b, "comp", 1, 2);
    refused(&b, "does not fit");
    b.len = stop;
    build_text(&b, "[]\r\n");
    build_header(&b, "comp", 0, 43);
    refused(&b, "does not fit");
    b.len = stop;
    build_text(&b, "[]\r\n");
    build_header(&b, "comp", 0, UINT64_MAX);
    refused(&b, "does not fit");
    b.len = stop;
    build_text(&b, "[]\n\n");
    build_header(&b, "comp", 0, 2);
    refused(&b, "not terminated");
    b.len = stop;
    build_text(&b, "  []\r\n");
    build_header(&b, "comp", 0, 2);
    refused(&b, "something follows");
}

/* Frames of lz4 that are not what the header says. */
static void check_lz4(size_t length, size_t plain, const char *why)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes b = BYTES_INIT;
    char array[40];
    size_t stored = 0;

    build_meta(&b, 1ULL << 40, length, true, 1);
    build_header(&b, "data", 4096, length);
    stored = build_lz4(&b, 'x', plain);
    build_text(&b, "\r\n");
    build_header(&b, "stop", 0, 0);
    snprintf(array, sizeof(array), "[%zu]", stored);
    build_trailer(&b, array);
    CHECK_FAILS(walk(&b, NULL, NULL, &err), &err, why);
}

/* covers: F11:R */
static void test_bad_lz4(void)
{
    check_lz4(65536, 524288, "524288 bytes instead of 65536");
    check_lz4(65536, 65535, "65535 bytes instead of 65536");
    check_lz4(1, 10000, "sizes of the lz4 frame");
    check_lz4(33 * MIB, 32 * MIB, "sizes of the lz4 frame");
    check_lz4(1ULL << 39, 100, "sizes of the lz4 frame");
}

static int read_fails(void *opaque, uint64_t offset, void *buf, size_t len,
                      struct error *err)
{
    return error_set(err, ERR_SYSTEM, "no such luck");
}

static void test_read_fails(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct reader_source source = {
        .read = read_fails, .size = 1000, .name = "x"};
    _cleanup_(reader_closep) struct stream_reader *r =
        reader_open(&source, &err);

    CHECK(!r);
    CHECK_STR(error_text(&err), "no such luck");
    CHECK_EQ_INT(err.kind, ERR_SYSTEM);
}

int main(void)
{
    RUN(test_walk);
    RUN(test_empty_disk);
    RUN(test_is_stream);
    RUN(test_offsets);
    RUN(test_object_form);
    RUN(test_skip);
    RUN(test_cuts);
    RUN(test_flips);
    RUN(test_bad_frames);
    RUN(test_bad_payload);
    RUN(test_bad_meta);
    RUN(test_bad_trailer);
    RUN(test_bad_trailer_header);
    RUN(test_bad_lz4);
    RUN(test_read_fails);
    return check_result();
}
