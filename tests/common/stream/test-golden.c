/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-golden.c - what was once written must be readable for ever
 *
 * Reads the streams of tests/compat (see make-golden there) and compares the
 * resulting disks with the table; and writes some of them again, to the byte.
 */
#include <errno.h>
#include <string.h>

#include <zlib.h>

#include "stream/codec.h"
#include "stream/writer.h"

#include "check.h"
#include "walk.h"

#ifndef GOLDEN_DIR
#error "GOLDEN_DIR is the directory of the golden files"
#endif

static struct bytes load(const char *name)
{
    char path[4096];
    struct bytes b = BYTES_INIT;

    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
    b = bytes_load(path);
    if (b.data)
        return b;
    snprintf(path, sizeof(path), "%s/%s.gz", GOLDEN_DIR, name);
    return bytes_load(path);
}

static uint32_t adler(const struct bytes *b)
{
    return (uint32_t)adler32(1, (const unsigned char *)b->data, (uInt)b->len);
}

struct row {
    char name[64];
    unsigned long adler32, crc32;
    uint64_t virtual_size, data_size, frames;
};

static void check_row(const struct row *row)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char file[80];
    struct memory_source memory = {0};
    struct reader_source source = {0};

    snprintf(file, sizeof(file), "%s.data", row->name);
    _cleanup_bytes_ struct bytes stream = load(file);
    _cleanup_free_ unsigned char *disk = calloc(1, row->virtual_size);
    struct walk w = {.disk = disk, .virtual_size = row->virtual_size};

    REQUIRE(stream.data && disk);
    CHECK_EQ_U64(adler(&stream), row->adler32);
    source = memory_source(&memory, stream.data, stream.len);
    if (walk_stream(&source, &w, &err) < 0)
        CHECK_FAIL("%s: %s", row->name, error_text(&err));
    CHECK_EQ_U64(w.data_frames + w.zero_frames, row->frames);
    CHECK_EQ_U64(w.plain, row->data_size);
    if (crc32(0, disk, (uInt)row->virtual_size) != row->crc32)
        CHECK_FAIL("%s gives another disk", row->name);
}

static void test_all(void)
{
    _cleanup_bytes_ struct bytes table = load("golden");
    _cleanup_(fclosep) FILE *f = NULL;
    struct row row = {0};
    int rows = 0;

    REQUIRE(table.data);
    f = fmemopen(table.data, table.len, "r");
    REQUIRE(f);
    while (fscanf(f, "%63s %lu %" SCNu64 " %" SCNu64 " %" SCNu64 " %lu %*s",
                  row.name, &row.adler32, &row.virtual_size, &row.data_size,
                  &row.frames, &row.crc32) == 6) {
        check_row(&row);
        rows++;
    }
    CHECK_EQ_INT(rows, 25);
}

static struct stream_reader *open_golden(const char *name,
                                         struct bytes *ret_stream,
                                         struct memory_source *m,
                                         struct error *err)
{
    struct reader_source source = {0};

    *ret_stream = load(name);
    source = memory_source(m, ret_stream->data, ret_stream->len);
    return reader_open(&source, err);
}

static const struct {
    const char *name, *format, *checkpoint, *parent;
    bool incremental, compressed, no_key;
    int level, version;
} dialects[] = {
    {"example-full", "qcow2", "virtnbdbackup.0", "", 0, 0, 0, 0, 2},
    {"example-inc-lz4", "qcow2", "virtnbdbackup.1", "virtnbdbackup.0", 1, 1, 0,
     2, 2},
    {"full-lz4-hc", "qcow2", "virtnbdbackup.0", "", 0, 1, 0, 16, 2},
    {"inc-fallback-full", "qcow2", "virtnbdbackup.1", "", 0, 0, 0, 0, 2},
    {"v1.9-full-lz4", "qcow2", "virtnbdbackup.0", "", 0, 1, 0, 2, 2},
    {"v0.49-full-lz4", "qcow2", "virtnbdbackup.0", "", 0, 1, 0, 0, 2},
    {"v0.47-diff", "qcow2", "1", "virtnbdbackup.0", 1, 0, 0, 0, 2},
    {"v0.22-full", "qcow2", "virtnbdbackup.0", "", 0, 0, 0, 0, 2},
    {"v0.22-inc-lz4", "qcow2", "virtnbdbackup.1", "virtnbdbackup.0", 1, 1, 0, 0,
     2},
    {"v0.21-full-snapshot", "qcow2", "virtnbdbackup.0", "", 0, 0, 1, 0, 1},
    {"v0.1-full", "qcow2", "virtnbdbackup", "", 0, 0, 1, 0, 1},
    {"v0.1-inc", "qcow2", "virtnbdbackup.1", "virtnbdbackup.0", 1, 0, 1, 0, 1},
};

static void test_dialects(void)
{
    for (size_t i = 0; i < array_size(dialects); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_bytes_ struct bytes stream = BYTES_INIT;
        struct memory_source memory = {0};
        char file[80];
        const struct meta *m = NULL;

        snprintf(file, sizeof(file), "%s.data", dialects[i].name);
        printf("# %s\n", file);
        _cleanup_(reader_closep) struct stream_reader *r =
            open_golden(file, &stream, &memory, &err);
        REQUIRE(r);
        m = reader_meta(r);
        CHECK_STR(m->disk_format, dialects[i].format);
        CHECK_STR(m->checkpoint_name, dialects[i].checkpoint);
        CHECK_STR(m->parent_checkpoint, dialects[i].parent);
        CHECK_STR(m->date, "2024-01-02T03:04:05.678900");
        CHECK_EQ_INT(m->incremental, dialects[i].incremental);
        CHECK_EQ_INT(m->compressed, dialects[i].compressed);
        CHECK_EQ_INT(m->no_compressed_key, dialects[i].no_key);
        CHECK_EQ_INT(m->level, dialects[i].level);
        CHECK_EQ_INT(m->stream_version, dialects[i].version);
    }
}

/* Copy the stream frame by frame through the writer; payloads are compressed
 * anew.
 */
static int rewrite(struct stream_reader *r, struct bytes *out,
                   struct error *err)
{
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;
    _cleanup_(codec_freep) struct codec *codec = codec_new(err);
    const struct meta *m = reader_meta(r);
    struct reader_frame f = {0};
    struct reader_piece p = {0};
    int more = 0;

    writer_init(&w, bytes_put, out);
    if (!codec || writer_meta(&w, m, err) < 0)
        return -1;
    while ((more = reader_next(r, &f, err)) > 0) {
        char stored[65536], plain[65536], again[70000];
        size_t len = 0;

        if (f.kind == FRAME_ZERO) {
            if (writer_zero(&w, f.start, f.length, err) < 0)
                return -1;
            continue;
        }
        if (f.length > 60000 || reader_piece(r, &p, err) != 1 ||
            reader_payload(r, stored, sizeof(stored), &len, err) != 1 ||
            writer_data_begin(&w, f.start, f.length, err) < 0)
            return -1;
        if (m->compressed) {
            size_t plain_len = (size_t)f.length;

            if (codec_decode(codec, stored, len, plain, plain_len, err) < 0 ||
                codec_encode(codec, m->level, plain, plain_len, again,
                             sizeof(again), &len, err) < 0)
                return -1;
            memcpy(stored, again, len);
        }
        if (writer_position(&w) != out->len ||
            bytes_put(out, stored, len, err) < 0 ||
            writer_data_end(&w, len, err) < 0)
            return -1;
    }
    if (more < 0 || writer_stop(&w, err) < 0 || writer_trailer(&w, err) < 0)
        return -1;
    return writer_position(&w) == out->len ? 0 : -1;
}

static void test_written_again(void)
{
    static const char *const names[] = {
        "example-full.data", "example-inc-lz4.data",
        "full.data",         "inc.data",
        "full-empty.data",   "full-empty-lz4.data",
        "inc-empty.data",    "inc-empty-lz4.data",
        "inc-offline.data",  "inc-fallback-full.data",
    };

    for (size_t i = 0; i < array_size(names); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_bytes_ struct bytes stream = BYTES_INIT;
        _cleanup_bytes_ struct bytes again = BYTES_INIT;
        struct memory_source memory = {0};
        _cleanup_(reader_closep) struct stream_reader *r =
            open_golden(names[i], &stream, &memory, &err);

        printf("# %s\n", names[i]);
        REQUIRE(r);
        CHECK_OK(rewrite(r, &again, &err), &err);
        CHECK_EQ_U64(again.len, stream.len);
        if (again.len == stream.len)
            CHECK_MEM(again.data, stream.data, stream.len);
    }
}

/* The sizes and checksums that the description of the format states. */
static void test_worked_examples(void)
{
    _cleanup_bytes_ struct bytes full = load("example-full.data");
    _cleanup_bytes_ struct bytes inc = load("example-inc-lz4.data");

    CHECK_EQ_U64(full.len, 593);
    CHECK_EQ_U64(inc.len, 542);
    REQUIRE(full.data && inc.data);
    CHECK_EQ_U64(adler(&full), 1897108602);
    CHECK_EQ_U64(adler(&inc), 1920436630);
}

int main(void)
{
    RUN(test_worked_examples);
    RUN(test_all);
    RUN(test_dialects);
    RUN(test_written_again);
    return check_result();
}
