/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-damage.c - damaged bytes are an error where they lie, and nowhere else;
 * and what is read of the files, and when
 */
#include <sys/stat.h>

#include "base/cleanup.h"
#include "exports.h"
#include "set/index.h"

#include "maker.h"

#define STEP ((size_t)(16 * KIB))

static uint64_t seed;

/* The newest point of the set, opened. */
struct opened {
    struct maker m;
    const struct maker_point *point;
    struct exports *exports;
    struct view *view;
};

static void make(struct opened *o, uint64_t number, int kind, size_t points)
{
    uint64_t size = points > 1 ? 24 * MIB : 3 * MIB + 512;

    *o = (struct opened){0};
    maker_begin(&o->m, seed + number, kind | MAKER_DENSE, size);
    while (o->m.count < points)
        maker_next(&o->m);
    o->point = &o->m.points[points - 1];
}

static void open_it(struct opened *o)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct exports_request r = {.dir = o->m.lab.path, .cache_size = MIB};

    CHECK_OK(exports_open(&r, &o->exports, &err), &err);
    if (!o->exports)
        abort();
    o->view = exports_find(o->exports, "vda")->view;
}

static void done(struct opened *o)
{
    exports_free(o->exports);
    maker_done(&o->m);
}

/* A record of data in the last file, drawn. */
static struct index_record draw_record(struct opened *o)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    struct name_text name = {""};
    struct index_record r = {0};

    if (o->m.kind & MAKER_UPSTREAM) {
        CHECK_OK(index_scan(o->m.lab.dirfd, o->point->file, &idx, &err), &err);
    } else {
        CHECK_OK(name_index(o->point->file, &name, &err), &err);
        CHECK_OK(index_open(o->m.lab.dirfd, name.text, NULL, &idx, &err), &err);
    }
    do
        r = index_get(idx, maker_random(&o->m, index_count(idx)));
    while (r.kind != INDEX_DATA);
    return r;
}

static void flip(struct opened *o, uint64_t at)
{
    int fd = openat(o->m.lab.dirfd, o->point->file, O_RDWR);
    unsigned char byte = 0;

    if (fd < 0 || file_pread_full(fd, &byte, 1, at) != 1)
        abort();
    byte ^= (unsigned char)(1 << maker_random(&o->m, 8));
    if (file_pwrite_full(fd, &byte, 1, at) < 0)
        abort();
    close(fd);
}

/* Read all of the disk in steps: what touches [from, to) fails with `text`, the
 * rest is as it was.
 */
static void check_all(struct opened *o, uint64_t from, uint64_t to,
                      const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned char buf[STEP];
    size_t failed = 0;

    for (uint64_t at = 0; at < o->point->size; at += STEP) {
        size_t n = (size_t)MIN_OF(STEP, o->point->size - at);

        if (at < to && at + n > from) {
            CHECK_FAILS(view_read(o->view, buf, n, at, &err), &err, text);
            failed++;
            continue;
        }
        CHECK_OK(view_read(o->view, buf, n, at, &err), &err);
        CHECK_MEM(buf, o->point->truth + at, n);
        error_clear(&err);
    }
    CHECK(to == 0 || failed > 0);
}

static void check_flipped(uint64_t number, int kind)
{
    struct opened o = {0};
    struct index_record r = {0};
    char text[160] = "";

    make(&o, number, kind, 1);
    r = draw_record(&o);
    flip(&o, r.file_offset + maker_random(&o.m, r.stored_length));
    snprintf(text, sizeof(text), "'vda.full.data' is damaged at %" PRIu64,
             r.file_offset);
    open_it(&o);
    check_all(&o, r.offset, r.offset + r.length, text);
    /* And again: nothing of it was kept. */
    check_all(&o, r.offset, r.offset + r.length, text);
    if (check_this_failed)
        printf("# kind %d, SEED=%" PRIu64 "\n", kind, seed + number);
    done(&o);
}

/* covers: H7:M */
static void test_flipped_bits(void)
{
    for (uint64_t i = 0; i < 5; i++) {
        check_flipped(i, MAKER_OURS | MAKER_PLAIN);
        check_flipped(i, MAKER_OURS | MAKER_PACKED);
        check_flipped(i, MAKER_UPSTREAM | MAKER_PACKED);
    }
}

/* Cut off while it is open. */
/* covers: F2:M H7:M */
static void test_cut_off(void)
{
    struct opened o = {0};
    struct index_record r = {0};
    int fd = -1;

    make(&o, 50, MAKER_OURS | MAKER_PLAIN, 1);
    open_it(&o);
    r = draw_record(&o);
    fd = openat(o.m.lab.dirfd, o.point->file, O_RDWR);
    REQUIRE(ftruncate(fd, (off_t)(r.file_offset + r.length / 2)) == 0);
    close(fd);
    check_all(&o, r.offset, o.point->size, "'vda.full.data' ends at");
    done(&o);
}

/* Damage in what a newer point hides harms nobody; nor does what becomes of the
 * directory once it is open.
 */
static void test_hidden(void)
{
    struct opened o = {0};
    _cleanup_free_ char *command = NULL;

    make(&o, 60, MAKER_OURS, 1);
    flip(&o, draw_record(&o).file_offset);
    memset(o.m.changed, 1, o.m.max_size / o.m.granule + 1);
    while (o.m.count == 1 || o.m.points[o.m.count - 1].base != 0)
        maker_next(&o.m);
    o.point = &o.m.points[o.m.count - 1];
    open_it(&o);
    command = text_dup_printf("rm -r %s/*", o.m.lab.path);
    REQUIRE(system(command) == 0);
    check_all(&o, 0, 0, "");
    done(&o);
}

/* Bytes that this process has read so far. */
static uint64_t bytes_read(void)
{
    _cleanup_(fclosep) FILE *f = fopen("/proc/self/io", "r");
    uint64_t count = 0;

    if (!f || fscanf(f, "rchar: %" SCNu64, &count) != 1)
        abort();
    return count;
}

/* Bytes read of files by reading `length` bytes of the disk at `at`. */
static uint64_t cost(struct opened *o, uint64_t at, size_t length)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ unsigned char *buf = malloc(length);
    uint64_t overhead = bytes_read(), before = 0;

    before = bytes_read();
    overhead = before - overhead;
    CHECK_OK(view_read(o->view, buf, length, at, &err), &err);
    CHECK_MEM(buf, o->point->truth + at, length);
    return bytes_read() - before - overhead;
}

/* What is read from a disk past the page cache are whole blocks. */
#define BLOCKS (2 * 4096U)

/* The first byte of a record costs all of it, the second one itself. */
static void test_hash_is_compared_once(void)
{
    struct opened o = {0};
    struct index_record r = {0};

    make(&o, 70, MAKER_OURS | MAKER_PLAIN, 1);
    open_it(&o);
    r = draw_record(&o);
    /* The digits of the counter itself may change in number. */
    CHECK(cost(&o, r.offset + 5, 10) - r.length < 16 + BLOCKS);
    CHECK(cost(&o, r.offset + r.length - 10, 10) < 32);
    CHECK(cost(&o, r.offset, (size_t)r.length) - r.length < 16);
    done(&o);
}

static void test_decoded_once(void)
{
    struct opened o = {0};
    struct index_record r = {0};

    make(&o, 80, MAKER_OURS | MAKER_PACKED, 1);
    open_it(&o);
    r = draw_record(&o);
    CHECK(cost(&o, r.offset + 5, 10) - r.stored_length < 16 + BLOCKS);
    CHECK(cost(&o, r.offset, (size_t)r.length) < 32);
    done(&o);
}

/* Without hashes there is nothing to be gained by reading more than wanted. */
static void test_plain_without_index(void)
{
    struct opened o = {0};
    struct index_record r = {0};

    make(&o, 90, MAKER_UPSTREAM | MAKER_PLAIN, 1);
    open_it(&o);
    r = draw_record(&o);
    CHECK(r.length > MIB);
    CHECK(cost(&o, r.offset + MIB - 5, 10) < 32);
    done(&o);
}

/* Before anything is asked for: indexes, manifests, headers. */
static void test_opening_reads_no_data(void)
{
    static const int kinds[] = {MAKER_OURS, MAKER_UPSTREAM};

    for (size_t i = 0; i < array_size(kinds); i++) {
        struct opened o = {0};
        uint64_t before = 0;

        make(&o, 91, kinds[i] | MAKER_PLAIN, 6);
        before = bytes_read();
        open_it(&o);
        before = bytes_read() - before;
        printf("# %" PRIu64 " bytes to open a set of a full of %" PRIu64
               " and five more\n",
               before, o.m.points[0].size);
        CHECK(before < o.m.points[0].size / 20);
        done(&o);
    }
}

int main(void)
{
    seed = maker_seed();
    RUN(test_flipped_bits);
    RUN(test_cut_off);
    RUN(test_hidden);
    RUN(test_hash_is_compared_once);
    RUN(test_decoded_once);
    RUN(test_plain_without_index);
    RUN(test_opening_reads_no_data);
    return check_result();
}
