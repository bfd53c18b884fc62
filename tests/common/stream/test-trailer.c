/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-trailer.c - the array of stored sizes, in parts of any size */
#include "stream/trailer.h"

#include "check.h"
#include "walk.h"

/* Parse `text` in parts of `step` bytes. */
static int parse(const char *text, size_t step, struct trailer *t,
                 struct error *err)
{
    struct trailer_parser p = {0};
    size_t len = strlen(text);

    trailer_free(t);
    trailer_parse_begin(&p, t, 1ULL << 40);
    for (size_t i = 0; i < len; i += step)
        if (trailer_parse_feed(&p, text + i, MIN_OF(step, len - i), err) < 0)
            return -1;
    return trailer_parse_end(&p, err);
}

static void test_parse(void)
{
    for (size_t step = 1; step < 12; step++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_trailer_ struct trailer t = TRAILER_INIT;

        CHECK_OK(parse("[47, {\"144720\": [140312, 4408]}, {\"58\": [58]}]",
                       step, &t, &err),
                 &err);
        CHECK_EQ_U64(t.entries, 3);
        REQUIRE(t.count == 4);
        CHECK_EQ_U64(t.total, 47 + 144720 + 58);
        CHECK_EQ_U64(trailer_piece_size(&t, 0), 47);
        CHECK(trailer_piece_last(&t, 0));
        CHECK_EQ_U64(trailer_piece_size(&t, 1), 140312);
        CHECK(!trailer_piece_last(&t, 1));
        CHECK_EQ_U64(trailer_piece_size(&t, 2), 4408);
        CHECK(trailer_piece_last(&t, 2));
        CHECK_EQ_U64(trailer_piece_size(&t, 3), 58);
        CHECK_OK(parse(" [ ] ", step, &t, &err), &err);
        CHECK_EQ_U64(t.count, 0);
        CHECK_OK(parse("\n[11\t,{ \"22\" : [ 11 , 11 ] } ,2147483647\r]\n",
                       step, &t, &err),
                 &err);
        CHECK_EQ_U64(t.entries, 3);
        CHECK_EQ_U64(t.total, 33 + 2147483647ULL);
    }
}

static const char *const wrong[] = {
    "",
    " ",
    "[",
    "[47",
    "[47,",
    "[47,]",
    "[,47]",
    "[47 47]",
    "[47]]",
    "[47],",
    "47",
    "{}",
    "null",
    "[null]",
    "[true]",
    "[[47]]",
    "[\"47\"]",
    "[47.0]",
    "[4e1]",
    "[-47]",
    "[+47]",
    "[047]",
    "[0]",
    "[0x2f]",
    "[10]",
    "[2147483648]",
    "[18446744073709551616]",
    "[99999999999999999999999]",
    "[{}]",
    "[{\"58\": []}]",
    "[{\"58\": 58}]",
    "[{\"58\": [58,]}]",
    "[{\"58\": [58]]",
    "[{\"58\": [58]",
    "[{\"58\": [58]}",
    "[{\"57\": [58]}]",
    "[{\"58\": [58], \"59\": [59]}]",
    "[{58: [58]}]",
    "[{\"\": [58]}]",
    "[{\"058\": [58]}]",
    "[{\"5 8\": [58]}]",
    "[{\" 58\": [58]}]",
    "[{\"58 \": [58]}]",
    "[{\"58\" [58]}]",
    "[{\"58\":: [58]}]",
    "[{\"58\": [[58]]}]",
    "[{\"58\": [\"58\"]}]",
    "[{\"58\": [58 58]}]",
    "[{\"62\": [58, 4]}]",
    "[{\"total\": [58]}]",
    "[{\"18446744073709551674\": [58]}]",
    "[47]x",
    "[47]\f",
    "\xef\xbb\xbf[]",
};

/* covers: F12:R */
static void test_wrong(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_trailer_ struct trailer t = TRAILER_INIT;

    for (size_t i = 0; i < array_size(wrong); i++)
        for (size_t step = 1; step < 50; step += 7) {
            if (step == 1)
                printf("# %s\n", wrong[i]);
            CHECK_FAILS(parse(wrong[i], step, &t, &err), &err,
                        "the trailer is damaged at byte");
        }
    CHECK_FAILS(parse("[{\"62\": [58, 5]}]", 5, &t, &err), &err, "add up");
    CHECK_EQ_INT(parse("[7]", 1, &t, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
}

static void test_total_max(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_trailer_ struct trailer t = TRAILER_INIT;
    struct trailer_parser p = {0};

    trailer_parse_begin(&p, &t, 93);
    CHECK_OK(trailer_parse_feed(&p, "[47, 46, ", 9, &err), &err);
    CHECK_FAILS(trailer_parse_feed(&p, "11]", 3, &err), &err,
                "more than the file holds");
}

static void test_encode(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_trailer_ struct trailer t = TRAILER_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    static const char text[] =
        "[47, {\"144720\": [140312, 4408]}, 2147483647, 11]";
    uint64_t len = 0;

    CHECK_OK(trailer_encode(&t, bytes_put, &out, &len, &err), &err);
    CHECK_EQ_U64(len, 2);
    CHECK_MEM(out.data, "[]", 2);
    out.len = 0;
    CHECK_OK(parse(text, 100, &t, &err), &err);
    CHECK_OK(trailer_encode(&t, bytes_put, &out, &len, &err), &err);
    CHECK_EQ_U64(len, strlen(text));
    CHECK_EQ_U64(out.len, len);
    REQUIRE(out.len == strlen(text));
    CHECK_MEM(out.data, text, out.len);
}

static void test_add(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_trailer_ struct trailer t = TRAILER_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    uint64_t len = 0;

    CHECK_FAILS(trailer_add(&t, 0, true, &err), &err, "0 bytes");
    CHECK_FAILS(trailer_add(&t, 10, true, &err), &err, "10 bytes");
    CHECK_FAILS(trailer_add(&t, 0x80000000, true, &err), &err, "2147483648");
    CHECK_FAILS(trailer_add(&t, UINT64_MAX, true, &err), &err, "bytes");
    CHECK_OK(trailer_add(&t, 11, false, &err), &err);
    CHECK_FAILS(trailer_encode(&t, bytes_put, &out, &len, &err), &err,
                "not complete");
}

/* A million entries: written, read back, four to six bytes each. */
static void test_many(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_trailer_ struct trailer t = TRAILER_INIT, back = TRAILER_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    struct trailer_parser p = {0};
    uint64_t len = 0;
    size_t differ = 0;

    for (uint64_t i = 0; i < 1000000; i++)
        CHECK_OK(
            trailer_add(&t, 11 + i * 2147, i % 3 != 0 || i == 999999, &err),
            &err);
    CHECK_OK(trailer_encode(&t, bytes_put, &out, &len, &err), &err);
    CHECK_EQ_U64(out.len, len);
    trailer_parse_begin(&p, &back, UINT64_MAX);
    CHECK_OK(trailer_parse_feed(&p, out.data, out.len, &err), &err);
    CHECK_OK(trailer_parse_end(&p, &err), &err);
    CHECK_EQ_U64(back.entries, t.entries);
    CHECK_EQ_U64(back.total, t.total);
    REQUIRE(back.count == 1000000);
    for (size_t i = 0; i < back.count; i++)
        differ += back.pieces[i] != t.pieces[i];
    CHECK_EQ_U64(differ, 0);
    CHECK(back.cap <= 1500000);
}

static int put_fails(void *opaque, const void *part, size_t len,
                     struct error *err)
{
    return error_set(err, ERR_SYSTEM, "no room for %zu", len);
}

static void test_put_fails(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_trailer_ struct trailer t = TRAILER_INIT;
    uint64_t len = 0;

    CHECK_OK(trailer_add(&t, 47, true, &err), &err);
    CHECK_FAILS(trailer_encode(&t, put_fails, NULL, &len, &err), &err,
                "no room for 4");
}

int main(void)
{
    RUN(test_parse);
    RUN(test_wrong);
    RUN(test_total_max);
    RUN(test_encode);
    RUN(test_add);
    RUN(test_many);
    RUN(test_put_fails);
    return check_result();
}
