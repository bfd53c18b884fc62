/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-frame.c - the forty bytes, and nothing that only looks like them */
#include "stream/frame.h"

#include "check.h"

static void test_encode(void)
{
    struct frame f = {FRAME_ZERO, 0x10, 0x3f0};
    char out[FRAME_SIZE + 1] = "";

    frame_encode(&f, out);
    CHECK_STR(out, "zero 0000000000000010 00000000000003f0\r\n");
    f = (struct frame){FRAME_DATA, UINT64_MAX, 0x0123456789abcdef};
    frame_encode(&f, out);
    CHECK_STR(out, "data ffffffffffffffff 0123456789abcdef\r\n");
}

static void test_decode(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct frame f = {0};

    CHECK_OK(
        frame_decode("stop 0000000000000000 0000000000000000\r\n", &f, &err),
        &err);
    CHECK_EQ_INT(f.kind, FRAME_STOP);
    CHECK_OK(
        frame_decode("data FFFFffffFFFFffff 0123456789ABCDEF\r\n", &f, &err),
        &err);
    CHECK_EQ_INT(f.kind, FRAME_DATA);
    CHECK_EQ_U64(f.start, UINT64_MAX);
    CHECK_EQ_U64(f.length, 0x0123456789abcdef);
}

static void test_roundtrip(void)
{
    static const uint64_t values[] = {
        0, 1, 15, 16, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX};

    for (int kind = FRAME_META; kind <= FRAME_COMP; kind++)
        for (size_t i = 0; i < array_size(values); i++) {
            _cleanup_error_ struct error err = ERROR_INIT;
            struct frame f = {(enum frame_kind)kind, values[i],
                              values[array_size(values) - 1 - i]};
            struct frame back = {0};
            char text[FRAME_SIZE];

            frame_encode(&f, text);
            CHECK_OK(frame_decode(text, &back, &err), &err);
            CHECK_EQ_INT(back.kind, f.kind);
            CHECK_EQ_U64(back.start, f.start);
            CHECK_EQ_U64(back.length, f.length);
            CHECK_MEM(text, frame_kind_name(f.kind), 4);
        }
}

static const struct {
    const char *text, *why;
} wrong[] = {
    {"zerp 0000000000000000 0000000000000000\r\n", "unknown kind 'zerp'"},
    {"DATA 0000000000000000 0000000000000000\r\n", "unknown kind 'DATA'"},
    {"d\1t\x7f 0000000000000000 0000000000000000\r\n", "unknown kind 'd?t?'"},
    {"data  000000000000000 0000000000000000\r\n", "start"},
    {"data 0x00000000000000 0000000000000000\r\n", "start"},
    {"data +000000000000000 0000000000000000\r\n", "start"},
    {"data -000000000000001 0000000000000000\r\n", "start"},
    {"data 0000_00000000000 0000000000000000\r\n", "start"},
    {"data 000000000000000g 0000000000000000\r\n", "start"},
    {"data 0000000000000000  000000000000010\r\n", "length"},
    {"data 0000000000000000 000000000000010 \r\n", "length"},
    {"data 0000000000000000 -000000000000010\r\n", "length"},
    {"data 0000000000000000 000000000000010\r\n\r", "not a frame header"},
    {"data 0000000000000000 0000000000000010\n\r", "not a frame header"},
    {"data 0000000000000000 0000000000000010  ", "not a frame header"},
    {"data\t0000000000000000 0000000000000010\r\n", "not a frame header"},
    {"data 0000000000000000\t0000000000000010\r\n", "not a frame header"},
    {"data 00000000000000000000000000000000000", "not a frame header"},
};

/* covers: F7:RVM */
static void test_wrong(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(wrong); i++) {
        struct frame f = {FRAME_COMP, 1, 2};
        char text[FRAME_SIZE];

        /* All have at least forty bytes with their NUL. */
        memcpy(text, wrong[i].text, sizeof(text));
        CHECK_FAILS(frame_decode(text, &f, &err), &err, wrong[i].why);
        CHECK_EQ_INT(f.kind, FRAME_COMP);
    }
}

int main(void)
{
    RUN(test_encode);
    RUN(test_decode);
    RUN(test_roundtrip);
    RUN(test_wrong);
    return check_result();
}
