/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-index.c - the table of a data file: written, read, changed, made anew */
#include "set/index.h"
#include "set/index_private.h"
#include "stream/codec.h"

#include "lab.h"

#define DISK (8 * MIB)

/* Two data records, a zero frame, a hole, a compressed one; the last MiB of the
 * disk has none.
 */
static const struct index_record sample[] = {
    {0, MIB, 400, MIB, INDEX_DATA, false, true, "0123456789abcde"},
    {MIB, 1000, 400 + MIB, 1000, INDEX_DATA, false, true, "x"},
    {2 * MIB, 512, 0, 0, INDEX_ZERO, false, false, ""},
    {3 * MIB, 3 * MIB, 2 * MIB, 3 * MIB, INDEX_ZERO, false, false, ""},
    {6 * MIB, MIB, 5 * MIB, 77, INDEX_DATA, true, true, "y"},
};

static void write_sample(struct lab *lab, const char *name,
                         char hash[HASH_TEXT_SIZE])
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct index_writer *w = NULL;

    CHECK_OK(index_writer_new(lab->dirfd, name, DISK, &w, &err), &err);
    for (size_t i = 0; i < array_size(sample); i++)
        CHECK_OK(index_writer_add(w, &sample[i], &err), &err);
    CHECK_EQ_U64(index_writer_data_size(w), 2 * MIB + 1000);
    CHECK_EQ_U64(index_writer_zero_size(w), 3 * MIB + 512);
    CHECK_OK(index_writer_finish(w, 6 * MIB, hash, &err), &err);
    index_writer_free(w);
    CHECK_OK(index_publish(lab->dirfd, name, &err), &err);
}

static void check_sample(const struct index *idx)
{
    CHECK_EQ_U64(index_count(idx), array_size(sample));
    CHECK_EQ_U64(index_virtual_size(idx), DISK);
    CHECK_EQ_U64(index_file_size(idx), 6 * MIB);
    CHECK_EQ_U64(index_data_size(idx), 2 * MIB + 1000);
    CHECK_EQ_U64(index_zero_size(idx), 3 * MIB + 512);
    CHECK(!index_covers(idx));
    for (size_t i = 0; i < array_size(sample); i++) {
        struct index_record r = index_get(idx, i);

        CHECK_EQ_U64(r.offset, sample[i].offset);
        CHECK_EQ_U64(r.length, sample[i].length);
        CHECK_EQ_U64(r.file_offset, sample[i].file_offset);
        CHECK_EQ_U64(r.stored_length, sample[i].stored_length);
        CHECK_EQ_INT(r.kind, sample[i].kind);
        CHECK_EQ_INT(r.compressed, sample[i].compressed);
        CHECK_EQ_INT(r.hashed, sample[i].hashed);
        CHECK_MEM(r.hash, sample[i].hash, INDEX_HASH_SIZE);
    }
}

static void test_roundtrip(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(index_freep) struct index *idx = NULL;
    char hash[HASH_TEXT_SIZE] = "", other[HASH_TEXT_SIZE] = "";
    _cleanup_free_ char *bytes = NULL;
    size_t len = 0;

    write_sample(&lab, "vda.full.index", hash);
    CHECK(!lab_has(&lab, "vda.full.index.partial"));
    CHECK_OK(index_open(lab.dirfd, "vda.full.index", hash, &idx, &err), &err);
    REQUIRE(idx);
    check_sample(idx);
    CHECK_EQ_U64(index_find(idx, 0), 0);
    CHECK_EQ_U64(index_find(idx, MIB - 1), 0);
    CHECK_EQ_U64(index_find(idx, MIB), 1);
    CHECK_EQ_U64(index_find(idx, MIB + 1000), 2);
    CHECK_EQ_U64(index_find(idx, 5 * MIB), 3);
    CHECK_EQ_U64(index_find(idx, 7 * MIB), array_size(sample));
    /* The hash is that of the bytes in the file. */
    bytes = lab_read(&lab, "vda.full.index", &len);
    CHECK_EQ_U64(len, (array_size(sample) + 2) * INDEX_RECORD_SIZE);
    hash_text(bytes, len, other);
    CHECK_STR(other, hash);
    other[3] = other[3] == '0' ? '1' : '0';
    index_free(idx);
    idx = NULL;
    CHECK_FAILS(index_open(lab.dirfd, "vda.full.index", other, &idx, &err),
                &err, "hash");
    CHECK_OK(index_open(lab.dirfd, "vda.full.index", NULL, &idx, &err), &err);
}

/* covers: F1:RV F2:RVM */
static void test_every_byte(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_free_ char *bytes = NULL;
    char hash[HASH_TEXT_SIZE] = "";
    size_t len = 0;

    write_sample(&lab, "vda.full.index", hash);
    bytes = lab_read(&lab, "vda.full.index", &len);
    CHECK_OK(index_validate(bytes, len, &err), &err);
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            if (index_validate(bytes, len, NULL) == 0)
                CHECK_FAIL("bit %d of byte %zu changed unnoticed", bit, i);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    for (size_t cut = 0; cut < len; cut++) {
        char *copy = malloc(cut ? cut : 1);

        memcpy(copy, bytes, cut);
        if (index_validate(copy, cut, NULL) == 0)
            CHECK_FAIL("a cut at %zu goes unnoticed", cut);
        free(copy);
    }
    /* Whole records missing in the middle. */
    memmove(bytes + 128, bytes + 192, len - 192);
    if (index_validate(bytes, len - 64, NULL) == 0)
        CHECK_FAIL("a missing record goes unnoticed");
}

/* Every rule, as far as it can be seen, holds for what was accepted. */
static void check_accepted(const struct index *idx)
{
    uint64_t at = 0, file_at = 0, data = 0, zero = 0;

    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);

        CHECK(r.length > 0 && r.offset >= at);
        CHECK(r.offset <= index_virtual_size(idx) &&
              r.length <= index_virtual_size(idx) - r.offset);
        at = r.offset + r.length;
        *(r.kind == INDEX_DATA ? &data : &zero) += r.length;
        if (r.stored_length == 0) {
            CHECK_EQ_INT(r.kind, INDEX_ZERO);
            continue;
        }
        CHECK(r.file_offset >= file_at);
        CHECK(r.file_offset <= index_file_size(idx) &&
              r.stored_length <= index_file_size(idx) - r.file_offset);
        file_at = r.file_offset + r.stored_length;
        CHECK(r.kind == INDEX_ZERO || r.hashed);
        if (r.compressed)
            CHECK(r.length <= INDEX_COMPRESSED_MAX);
        else
            CHECK_EQ_U64(r.length, r.stored_length);
        if (r.hashed && !r.compressed)
            CHECK(r.length <= INDEX_PLAIN_MAX);
    }
    CHECK_EQ_U64(data, index_data_size(idx));
    CHECK_EQ_U64(zero, index_zero_size(idx));
}

/* Numbers that arithmetic likes to trip over. */
static uint64_t nasty(uint64_t *seed)
{
    static const uint64_t values[] = {
        0,          1,
        63,         64,
        511,        512,
        MIB,        MIB + 1,
        32 * MIB,   32 * MIB + 1,
        INT64_MAX,  1ULL << 63,
        UINT64_MAX, UINT64_MAX - 1,
        UINT32_MAX,
    };

    if (lab_random(seed) % 3 == 0)
        return lab_random(seed) >> (lab_random(seed) % 64);
    return values[lab_random(seed) % array_size(values)];
}

static void reseal(unsigned char *bytes, size_t len)
{
    unsigned char hash[INDEX_HASH_SIZE] = {0};

    index_hash_block(bytes, len - INDEX_HASH_SIZE, hash);
    memcpy(bytes + len - INDEX_HASH_SIZE, hash, sizeof(hash));
}

/* Fields changed at random under a good checksum, totals put right now and
 * then: refused, or a table that keeps the rules.
 */
static void test_random_records(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_free_ char *bytes = NULL;
    uint64_t seed = lab_seed();
    char hash[HASH_TEXT_SIZE] = "";
    size_t len = 0, accepted = 0;

    write_sample(&lab, "vda.full.index", hash);
    bytes = lab_read(&lab, "vda.full.index", &len);
    for (int i = 0; i < 20000 && !check_this_failed; i++) {
        unsigned char copy[16 * INDEX_RECORD_SIZE] = {0};
        _cleanup_(index_freep) struct index *idx = NULL;
        int changes = 1 + (int)(lab_random(&seed) % 2);

        memcpy(copy, bytes, len);
        for (int k = 0; k < changes; k++) {
            size_t field = lab_random(&seed) % (len / 8);
            uint64_t value = nasty(&seed);

            if (lab_random(&seed) % 4 == 0)
                copy[lab_random(&seed) % len] = (unsigned char)value;
            else
                memcpy(copy + 8 * field, &value, sizeof(value));
        }
        reseal(copy, len);
        if (index_decode(copy, len, &idx, NULL) < 0)
            continue;
        accepted++;
        check_accepted(idx);
    }
    /* Hashes and file offsets can change without breaking a rule. */
    CHECK(accepted > 100);
}

static void test_writer_refuses(void)
{
    static const struct {
        struct index_record record;
        const char *says;
    } cases[] = {
        {{.length = 0, .kind = INDEX_ZERO}, "do not fit"},
        {{.length = 1}, "unknown kind"},
        {{.offset = DISK, .length = 1, .kind = INDEX_ZERO}, "do not fit"},
        {{.offset = UINT64_MAX, .length = 2, .kind = INDEX_ZERO}, "do not fit"},
        {{.length = 512, .kind = INDEX_DATA}, "stored bytes"},
        {{.length = 512,
          .stored_length = 511,
          .kind = INDEX_DATA,
          .hashed = true},
         "stored bytes"},
        {{.length = 2 * MIB,
          .stored_length = 2 * MIB,
          .kind = INDEX_DATA,
          .hashed = true},
         "stored bytes"},
        {{.length = 512, .stored_length = 512, .kind = INDEX_DATA}, "hash"},
        {{.length = MIB,
          .stored_length = 512,
          .kind = INDEX_DATA,
          .compressed = true},
         "hash"},
        {{.length = 512, .kind = INDEX_ZERO, .hashed = true}, "hash"},
        {{.length = 512, .kind = INDEX_ZERO, .hash = "x"}, "hash"},
        {{.length = 512, .kind = INDEX_ZERO, .file_offset = 3}, "stored"},
        {{.length = 512,
          .stored_length = 5000,
          .kind = INDEX_ZERO,
          .compressed = true,
          .file_offset = UINT64_MAX},
         "of the file"},
    };
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(cases); i++) {
        struct index_writer *w = NULL;

        CHECK_OK(index_writer_new(lab.dirfd, "vda.full.index", DISK, &w, &err),
                 &err);
        CHECK_FAILS(index_writer_add(w, &cases[i].record, &err), &err,
                    cases[i].says);
        index_writer_free(w);
        CHECK(!lab_has(&lab, "vda.full.index.partial"));
    }
}

static void test_writer_names(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    struct index_writer *w = NULL, *other = NULL;
    char hash[HASH_TEXT_SIZE] = "";

    CHECK_FAILS(index_writer_new(lab.dirfd, "../x", DISK, &w, &err), &err,
                "../x");
    CHECK_OK(index_writer_new(lab.dirfd, "vda.full.index", DISK, &w, &err),
             &err);
    CHECK_FAILS(
        index_writer_new(lab.dirfd, "vda.full.index", DISK, &other, &err), &err,
        "there already");
    CHECK_OK(index_writer_add(w, &sample[0], &err), &err);
    CHECK_FAILS(index_writer_finish(w, MIB, hash, &err), &err, "behind");
    CHECK_OK(index_writer_finish(w, 2 * MIB, hash, &err), &err);
    index_writer_free(w);
    CHECK(lab_has(&lab, "vda.full.index.partial"));
    lab_text(&lab, "vda.full.index", "in the way");
    if (index_publish(lab.dirfd, "vda.full.index", &err) == 0)
        CHECK_FAIL("an index was replaced");
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
}

/* More records than the writer's buffer holds. */
static void test_many(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    struct index_writer *w = NULL;
    char hash[HASH_TEXT_SIZE] = "";

    CHECK_OK(
        index_writer_new(lab.dirfd, "vda.full.index", 5000 * 512, &w, &err),
        &err);
    for (uint64_t i = 0; i < 5000; i++) {
        struct index_record r = {
            .offset = i * 512, .length = 512, .kind = INDEX_ZERO};

        CHECK_OK(index_writer_add(w, &r, &err), &err);
    }
    CHECK_OK(index_writer_finish(w, 0, hash, &err), &err);
    index_writer_free(w);
    CHECK_OK(index_publish(lab.dirfd, "vda.full.index", &err), &err);
    CHECK_OK(index_open(lab.dirfd, "vda.full.index", hash, &idx, &err), &err);
    REQUIRE(idx);
    CHECK_EQ_U64(index_count(idx), 5000);
    CHECK(index_covers(idx));
    CHECK_EQ_U64(index_find(idx, 4999 * 512 + 5), 4999);
}

static void test_hasher(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct index_hasher *h = NULL;
    unsigned char whole[INDEX_HASH_SIZE] = {0}, parts[INDEX_HASH_SIZE] = {0};
    char data[100000] = "";

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    index_hash_block(data, sizeof(data), whole);
    CHECK_OK(index_hasher_new(&h, &err), &err);
    index_hasher_add(h, "noise", 5);
    index_hasher_reset(h);
    for (size_t i = 0; i < sizeof(data); i += 1000)
        index_hasher_add(h, data + i, 1000);
    index_hasher_add(h, NULL, 0);
    index_hasher_get(h, parts);
    CHECK_MEM(whole, parts, INDEX_HASH_SIZE);
    index_hasher_free(h);
}

/* The known answer of xxh3-128 for no bytes, so that files stay readable. */
static void test_known_hash(void)
{
    char text[HASH_TEXT_SIZE] = "";

    hash_text("", 0, text);
    CHECK_STR(text, "99aa06d3014798d86001c324468d497f");
}

/* The scanned table of a stream is its index, but for the hashes. */
static void test_scan(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_(index_freep) struct index *scan = NULL;
    struct lab_stream s = {
        .disk = "vda",
        .checkpoint = "virtnbdbackup.0",
        .parent = "",
        .data = 700,
        .fill = 5,
    };

    lab_stream(&lab, "vda.full.data", &s, true, NULL);
    CHECK_OK(index_open(lab.dirfd, "vda.full.index", NULL, &idx, &err), &err);
    CHECK_OK(index_scan(lab.dirfd, "vda.full.data", &scan, &err), &err);
    REQUIRE(idx && scan);
    CHECK_EQ_U64(index_count(scan), 2);
    CHECK_EQ_U64(index_file_size(scan), index_file_size(idx));
    CHECK(index_covers(scan));
    for (size_t i = 0; i < index_count(scan); i++) {
        struct index_record a = index_get(idx, i), b = index_get(scan, i);

        CHECK_EQ_U64(a.offset, b.offset);
        CHECK_EQ_U64(a.length, b.length);
        CHECK_EQ_U64(a.file_offset, b.file_offset);
        CHECK_EQ_U64(a.stored_length, b.stored_length);
        CHECK_EQ_INT(a.kind, b.kind);
        CHECK(!b.hashed);
    }
}

static void check_decodes(const struct index *idx, int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *codec = codec_new(&err);
    uint64_t data = 0;

    for (size_t i = 0; codec && i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);
        _cleanup_free_ char *in = malloc(r.stored_length + 1);
        _cleanup_free_ char *out = malloc(r.length + 1);

        if (r.kind == INDEX_ZERO)
            continue;
        data += r.length;
        CHECK(r.compressed);
        CHECK_EQ_INT(file_pread_full(fd, in, r.stored_length, r.file_offset),
                     (long long)r.stored_length);
        CHECK_OK(codec_decode(codec, in, r.stored_length, out, r.length, &err),
                 &err);
    }
    CHECK(data > 0);
    CHECK_EQ_U64(data, index_data_size(idx));
}

/* Compressed streams of upstream's: each record is one lz4 frame of its length.
 */
static void test_scan_compressed(void)
{
    static const char *const files[] = {"full-lz4.data", "full-lz4-pieces.data",
                                        "full-lz4-hc.data",
                                        "example-inc-lz4.data"};
    int dir = open(COMPAT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK(dir >= 0);
    for (size_t i = 0; i < array_size(files); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_(index_freep) struct index *idx = NULL;
        _cleanup_close_ int fd = openat(dir, files[i], O_RDONLY | O_CLOEXEC);

        CHECK_OK(index_scan(dir, files[i], &idx, &err), &err);
        if (idx)
            check_decodes(idx, fd);
    }
    close(dir);
}

/* A stream cut anywhere has no table. */
/* covers: F2:RVM */
static void test_scan_cut(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_free_ char *bytes = NULL;
    size_t len = 0;
    struct lab_stream s = {
        .disk = "vda",
        .checkpoint = "virtnbdbackup.0",
        .parent = "",
        .data = 60,
        .size = 100,
        .fill = 5,
    };

    lab_stream(&lab, "vda.full.data", &s, false, NULL);
    bytes = lab_read(&lab, "vda.full.data", &len);
    for (size_t cut = 0; cut < len; cut++) {
        _cleanup_(index_freep) struct index *idx = NULL;

        lab_write(&lab, "vda.copy.data", bytes, cut);
        if (index_scan(lab.dirfd, "vda.copy.data", &idx, NULL) == 0)
            CHECK_FAIL("a stream cut at %zu has a table", cut);
    }
}

static void test_scan_raw(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    int fd = openat(lab.dirfd, "vda.copy.data", O_WRONLY | O_CREAT, 0600);

    CHECK_EQ_INT(ftruncate(fd, 4 * MIB), 0);
    CHECK_EQ_INT(file_pwrite_full(fd, "data", 4, MIB), 0);
    close(fd);
    CHECK_OK(index_scan_raw(lab.dirfd, "vda.copy.data", &idx, &err), &err);
    REQUIRE(idx);
    CHECK(index_covers(idx));
    CHECK_EQ_U64(index_virtual_size(idx), 4 * MIB);
    {
        struct index_record r = index_get(idx, index_find(idx, MIB));

        CHECK_EQ_INT(r.kind, INDEX_DATA);
        CHECK_EQ_U64(r.file_offset, r.offset);
        CHECK(!r.hashed);
    }
}

int main(void)
{
    RUN(test_roundtrip);
    RUN(test_every_byte);
    RUN(test_random_records);
    RUN(test_writer_refuses);
    RUN(test_writer_names);
    RUN(test_many);
    RUN(test_hasher);
    RUN(test_known_hash);
    RUN(test_scan);
    RUN(test_scan_compressed);
    RUN(test_scan_cut);
    RUN(test_scan_raw);
    return check_result();
}
