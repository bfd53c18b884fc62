/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-golden.c - what was once written must be readable for ever
 *
 * The streams of tests/compat, in a directory under the names they had, read
 * through a view; the disk is what the table there says, or what the streams
 * make of it when they are applied one after the other.
 */
#include <zlib.h>

#include "../common/set/lab.h"
#include "exports.h"
#include "walk.h"

#ifndef COMPAT_DIR
#error "COMPAT_DIR is the directory of the golden files"
#endif

static struct bytes load(const char *name)
{
    char path[4096];
    struct bytes b = BYTES_INIT;

    snprintf(path, sizeof(path), "%s/%s.data", COMPAT_DIR, name);
    b = bytes_load(path);
    if (b.data)
        return b;
    snprintf(path, sizeof(path), "%s/%s.data.gz", COMPAT_DIR, name);
    return bytes_load(path);
}

/* All bytes of the one disk, in parts that fit nothing. */
static unsigned char *read_all(struct view *v)
{
    uint64_t size = view_size(v), n = 0;
    unsigned char *disk = malloc(size + 1);

    for (uint64_t at = 0; at < size; at += n) {
        _cleanup_error_ struct error err = ERROR_INIT;

        n = MIN_OF(1 + at % 70001, size - at);
        CHECK_OK(view_read(v, disk + at, (size_t)n, at, &err), &err);
    }
    return disk;
}

static struct exports *open_request(const struct exports_request *r)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct exports *e = NULL;

    CHECK_OK(exports_open(r, &e, &err), &err);
    return e;
}

struct row {
    char name[64];
    unsigned long crc32;
    uint64_t virtual_size;
};

/* One that needs no other. */
static void check_alone(const struct row *row)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_bytes_ struct bytes stream = load(row->name);
    _cleanup_(exports_freep) struct exports *e = NULL;
    _cleanup_free_ unsigned char *disk = NULL;
    char path[100] = "";
    const char *file = path;
    struct exports_request r = {
        .files = &file, .file_count = 1, .cache_size = 40 * MIB};

    REQUIRE(stream.data);
    snprintf(path, sizeof(path), "%s/sda.full.data", lab.path);
    lab_write(&lab, "sda.full.data", stream.data, stream.len);
    e = open_request(&r);
    REQUIRE(e);
    CHECK_EQ_U64(view_size(exports_get(e, 0)->view), row->virtual_size);
    disk = read_all(exports_get(e, 0)->view);
    if (crc32(0, disk, (uInt)row->virtual_size) != row->crc32)
        CHECK_FAIL("%s gives another disk", row->name);
}

static void test_fulls(void)
{
    _cleanup_(fclosep) FILE *f = fopen(COMPAT_DIR "/golden", "r");
    struct row row = {0};
    int rows = 0;

    REQUIRE(f);
    while (fscanf(f, "%63s %*u %" SCNu64 " %*u %*u %lu %*s", row.name,
                  &row.virtual_size, &row.crc32) == 3) {
        if (!strstr(row.name, "full"))
            continue;
        check_alone(&row);
        rows++;
    }
    CHECK_EQ_INT(rows, 14);
}

static void apply(const struct bytes *stream, unsigned char *disk,
                  uint64_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct memory_source memory = {0};
    struct reader_source source =
        memory_source(&memory, stream->data, stream->len);
    struct walk w = {.disk = disk, .virtual_size = size};

    CHECK_OK(walk_stream(&source, &w, &err), &err);
}

static void check_pair(const char *full, const char *inc, const char *as,
                       uint64_t size)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_bytes_ struct bytes a = load(full);
    _cleanup_bytes_ struct bytes b = load(inc);
    _cleanup_(exports_freep) struct exports *e = NULL;
    _cleanup_free_ unsigned char *want = calloc(1, size);
    _cleanup_free_ unsigned char *disk = NULL;
    struct exports_request r = {.dir = lab.path, .cache_size = MIB};

    REQUIRE(a.data && b.data);
    lab_write(&lab, "sda.full.data", a.data, a.len);
    lab_write(&lab, as, b.data, b.len);
    apply(&a, want, size);
    apply(&b, want, size);
    e = open_request(&r);
    REQUIRE(e);
    REQUIRE(view_size(exports_get(e, 0)->view) == size);
    disk = read_all(exports_get(e, 0)->view);
    CHECK_MEM(disk, want, size);
    if (check_this_failed)
        printf("# %s and %s\n", full, inc);
}

static void test_increments(void)
{
    static const char *const inc = "sda.inc.virtnbdbackup.1.data";
    static const char *const diff = "sda.diff.1700000000.data";

    check_pair("full", "inc", inc, 16896);
    check_pair("full", "inc-empty", inc, 16896);
    check_pair("full", "inc-empty-lz4", inc, 16896);
    check_pair("full-lz4", "inc-lz4", inc, 512512);
    check_pair("full-lz4-pieces", "inc-lz4-pieces", inc, 512512);
    check_pair("example-full", "example-inc-lz4", inc, 4096);
    check_pair("example-full", "inc-fallback-full", inc, 4096);
    check_pair("v0.22-full", "v0.22-inc-lz4", inc, 4096);
    check_pair("v0.21-full-snapshot", "v0.1-inc", inc, 4096);
    check_pair("v0.21-full-snapshot", "v0.1-inc-zero", inc, 4096);
    check_pair("v0.22-full", "v0.47-diff", diff, 4096);
}

int main(void)
{
    RUN(test_fulls);
    RUN(test_increments);
    return check_result();
}
