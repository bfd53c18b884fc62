/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-writer.c - whole streams, and those that must not come to exist
 *
 * What well-formed streams look like to the byte is test-golden's part.
 */
#include "stream/writer.h"

#include "check.h"
#include "walk.h"

static struct meta sample(bool incremental, bool compressed)
{
    static char disk[] = "sda";

    return (struct meta){.virtual_size = 4096,
                         .data_size = 32,
                         .disk_name = disk,
                         .incremental = incremental,
                         .compressed = compressed,
                         .level = 2};
}

static int start(struct stream_writer *w, struct bytes *out, bool incremental,
                 bool compressed, struct error *err)
{
    struct meta m = sample(incremental, compressed);

    writer_init(w, bytes_put, out);
    return writer_meta(w, &m, err);
}

static void test_positions(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;
    uint64_t payload = 0;

    CHECK_OK(start(&w, &out, true, false, &err), &err);
    CHECK_EQ_U64(writer_position(&w), out.len);
    CHECK_OK(writer_data_begin(&w, 64, 32, &err), &err);
    payload = writer_position(&w);
    CHECK_EQ_U64(payload, out.len);
    CHECK_OK(writer_data_end(&w, 32, &err), &err);
    CHECK_EQ_U64(writer_position(&w), payload + 32 + 2);
    CHECK_OK(writer_zero(&w, 4000, 96, &err), &err);
    CHECK_OK(writer_stop(&w, &err), &err);
    CHECK_OK(writer_trailer(&w, &err), &err);
    CHECK_EQ_U64(writer_position(&w), payload + 32 + 2 + 40 + 40);
    CHECK_EQ_U64(out.len, writer_position(&w) - 32);
}

static void test_ranges(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;

    CHECK_OK(start(&w, &out, true, false, &err), &err);
    CHECK_FAILS(writer_zero(&w, 0, 0, &err), &err, "not within");
    CHECK_FAILS(writer_data_begin(&w, 0, 0, &err), &err, "not within");
    CHECK_FAILS(writer_zero(&w, 4096, 1, &err), &err, "not within");
    CHECK_FAILS(writer_zero(&w, 1, 4096, &err), &err, "not within");
    CHECK_FAILS(writer_zero(&w, UINT64_MAX, 2, &err), &err, "not within");
    CHECK_FAILS(writer_zero(&w, 2, UINT64_MAX, &err), &err, "not within");
    CHECK_OK(writer_zero(&w, 100, 100, &err), &err);
    CHECK_FAILS(writer_zero(&w, 199, 1, &err), &err, "cannot follow");
    CHECK_FAILS(writer_data_begin(&w, 0, 16, &err), &err, "cannot follow");
    CHECK_FAILS(writer_data_begin(&w, 200, 33, &err), &err, "announced 32");
    CHECK_OK(writer_data_begin(&w, 200, 32, &err), &err);
    CHECK_FAILS(writer_data_end(&w, 31, &err), &err, "31 bytes stored");
    CHECK_OK(writer_data_end(&w, 32, &err), &err);
    CHECK_FAILS(writer_data_begin(&w, 300, 1, &err), &err, "announced 32");
    CHECK_OK(writer_stop(&w, &err), &err);
}

static void test_coverage(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;

    CHECK_OK(start(&w, &out, false, false, &err), &err);
    CHECK_FAILS(writer_zero(&w, 1, 10, &err), &err, "cannot follow");
    CHECK_OK(writer_zero(&w, 0, 10, &err), &err);
    CHECK_FAILS(writer_data_begin(&w, 11, 10, &err), &err, "cannot follow");
    CHECK_OK(writer_data_begin(&w, 10, 32, &err), &err);
    CHECK_OK(writer_data_end(&w, 32, &err), &err);
    CHECK_FAILS(writer_stop(&w, &err), &err, "end at 42 of 4096");
    CHECK_OK(writer_zero(&w, 42, 4054, &err), &err);
    CHECK_OK(writer_stop(&w, &err), &err);
}

static void test_order_of_calls(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;
    struct meta m = sample(true, false);

    writer_init(&w, bytes_put, &out);
    CHECK_FAILS(writer_zero(&w, 0, 1, &err), &err, "wrong order");
    CHECK_FAILS(writer_stop(&w, &err), &err, "wrong order");
    CHECK_OK(writer_meta(&w, &m, &err), &err);
    CHECK_FAILS(writer_meta(&w, &m, &err), &err, "wrong order");
    CHECK_FAILS(writer_data_end(&w, 0, &err), &err, "wrong order");
    CHECK_FAILS(writer_trailer(&w, &err), &err, "wrong order");
    CHECK_FAILS(writer_stop(&w, &err), &err, "0 bytes of data");
    CHECK_OK(writer_data_begin(&w, 0, 32, &err), &err);
    CHECK_FAILS(writer_zero(&w, 32, 1, &err), &err, "wrong order");
    CHECK_FAILS(writer_data_begin(&w, 32, 1, &err), &err, "wrong order");
    CHECK_FAILS(writer_stop(&w, &err), &err, "wrong order");
    CHECK_OK(writer_data_end(&w, 32, &err), &err);
    CHECK_OK(writer_stop(&w, &err), &err);
    CHECK_FAILS(writer_zero(&w, 32, 1, &err), &err, "wrong order");
    CHECK_OK(writer_trailer(&w, &err), &err);
    CHECK_FAILS(writer_trailer(&w, &err), &err, "wrong order");
}

static void test_compressed_limits(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;
    struct meta m = sample(true, true);

    m.virtual_size = m.data_size = 1ULL << 40;
    writer_init(&w, bytes_put, &out);
    CHECK_OK(writer_meta(&w, &m, &err), &err);
    CHECK_FAILS(writer_data_begin(&w, 0, 32 * MIB, &err), &err, "too long");
    CHECK_OK(writer_data_begin(&w, 0, 32 * MIB - 1, &err), &err);
    CHECK_FAILS(writer_data_end(&w, 0, &err), &err, "0 bytes");
    CHECK_FAILS(writer_data_end(&w, 1ULL << 31, &err), &err, "2147483648");
    CHECK_OK(writer_data_end(&w, 47, &err), &err);
}

static int put_budget(void *opaque, const void *part, size_t len,
                      struct error *err)
{
    int *budget = opaque;

    if ((*budget)-- == 0)
        return error_set(err, ERR_SYSTEM, "no room");
    return 0;
}

/* A put that fails at any point is never lost. */
static void test_put_fails(void)
{
    int allowed = 0;

    for (;; allowed++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_writer_ struct stream_writer w = WRITER_INIT;
        struct meta m = sample(true, true);
        int budget = allowed;

        writer_init(&w, put_budget, &budget);
        if (writer_meta(&w, &m, &err) == 0 &&
            writer_data_begin(&w, 0, 32, &err) == 0 &&
            writer_data_end(&w, 47, &err) == 0 &&
            writer_zero(&w, 32, 32, &err) == 0 && writer_stop(&w, &err) == 0 &&
            writer_trailer(&w, &err) == 0)
            break;
        CHECK_STR(error_text(&err), "no room");
        REQUIRE(allowed < 100);
    }
    CHECK_EQ_INT(allowed, 10);
}

int main(void)
{
    RUN(test_positions);
    RUN(test_ranges);
    RUN(test_coverage);
    RUN(test_order_of_calls);
    RUN(test_compressed_limits);
    RUN(test_put_fails);
    return check_result();
}
