/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-disk-raw.c - disks into plain images
 *
 * The data file is to be the disk, byte for byte and with holes, whatever the
 * server tells about it; its index is to satisfy whoever reads the set.  SEED
 * repeats a run.
 */
#include "base/log.h"
#include "verify.h"

static const struct variant little = {.memory = LITTLE_MEMORY, .raw = true};
static const struct variant much = {.memory = MUCH_MEMORY, .raw = true};

static uint64_t blocks_of(const struct bench *b)
{
    struct stat st = {0};

    CHECK_EQ_INT(fstatat(b->lab.dirfd, b->data.text, &st, 0), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* As a point of a set: its files fit the manifest, and it can be restored. */
static void check_in_set(struct bench *b, const struct variant *v,
                         uint64_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    bench_commit(b, v);
    CHECK_OK(
        manifest_load(b->lab.dirfd, "manifest.virtnbdbackup.0.json", &m, &err),
        &err);
    CHECK_OK(manifest_check(b->lab.dirfd, &m, true, &err), &err);
    CHECK(shell("rm -f b.raw; truncate -s %" PRIu64 " b.raw", size));
    nbdkit_start(&s, "file b.raw");
    CHECK_OK(lab_restore(&b->lab, &s, &err), &err);
    CHECK(server_end(&s));
    CHECK(shell("cmp a.raw b.raw"));
}

static void check_image(const struct server *s, const struct variant *v,
                        uint64_t size)
{
    _cleanup_bench_ struct bench b = bench_new();

    if (!bench_back_up(&b, s, v))
        return;
    CHECK_EQ_U64(bench_files(&b), 2);
    verify_image(&b, "a.raw", size);
    check_in_set(&b, v, size);
}

static void check_qcow2(const struct image *image)
{
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(image_make(image));
    qemu_nbd_start(&s, "-r -e 2 -f qcow2 a.qcow2");
    check_image(&s, &little, image->size);
    check_image(&s, &much, image->size);
}

static void test_random(void)
{
    static const unsigned clusters[] = {512, 4096, 65536};

    for (int i = 0; i < 4; i++) {
        struct image image = {
            .size = (1 + below(24 * MIB / 512)) * 512,
            .cluster = clusters[random() % 3],
            .writes = 1 + (unsigned)below(60),
            .longest = random() % 2 ? 2 * MIB : 64 * KIB,
        };

        check_qcow2(&image);
    }
}

/* At the borders of segments (2 MiB) and blocks (4 KiB). */
static void test_borders(void)
{
    static const uint64_t sizes[] = {0,       512,           4096,
                                     2 * MIB, 2 * MIB + 512, 4 * MIB - 512};

    for (unsigned i = 0; i < array_size(sizes); i++) {
        struct image full = {.size = sizes[i], .cluster = 65536, .full = true};
        struct image empty = {.size = sizes[i], .cluster = 65536};

        check_qcow2(&full);
        check_qcow2(&empty);
    }
}

/* A terabyte of holes costs neither time nor space. */
static void test_huge(void)
{
    struct image image = {
        .size = UINT64_C(1) << 40,
        .cluster = 65536,
        .more = "write -P 1 0 64k\n"
                "write -P 2 700G 3M\n"
                "write -z 800G 10M\n"
                "write -P 3 1099511562240 64k\n",
    };
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(image_make(&image));
    qemu_nbd_start(&s, "-r -e 2 -f qcow2 a.qcow2");
    if (!bench_back_up(&b, &s, &much))
        return;
    verify_image(&b, "a.raw", image.size);
    CHECK(blocks_of(&b) < 5 * MIB);
}

/* Zeroes that the server calls data, in pieces that one segment of the file
 * ends with and the next one begins with: only all of them together make a
 * record of zeroes.
 */
static void test_zeroes_at_borders(void)
{
    struct image image = {
        .size = 10 * MIB,
        .cluster = 65536,
        .more = "write -P 1 512k 1536k\nwrite -P 0 2M 1536k\n"
                "write -P 0 3584k 512k\nwrite -P 2 4M 1M\n"
                "write -P 0 5M 3M\nwrite -P 3 8M 1M\n",
    };

    check_qcow2(&image);
}

/* A server that does not tell what is allocated: all is read, and zeroes become
 * holes all the same.
 */
static void check_untold(const char *options, uint64_t size)
{
    const struct variant *variants[] = {&little, &much};

    for (unsigned i = 0; i < array_size(variants); i++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_server_ struct server s = SERVER_INIT;

        nbdkit_start(&s, "-r %s file a.raw", options);
        if (!bench_back_up(&b, &s, variants[i]))
            return;
        CHECK_EQ_U64(b.result.read_size, size);
        CHECK_EQ_U64(b.result.extent_count, 1);
        /* The whole MiBs of the hole, at least. */
        CHECK(b.result.zero_size >= 7 * MIB);
        verify_image(&b, "a.raw", size);
        CHECK(blocks_of(&b) < 4 * MIB);
        check_in_set(&b, variants[i], size);
    }
}

static void test_untold(void)
{
    uint64_t size = 11 * MIB + 512 * (1 + below(7));

    CHECK(shell("rm -f a.raw; truncate -s %" PRIu64 " a.raw && head -c 1500000 "
                "/dev/urandom | dd of=a.raw conv=notrunc bs=64K "
                "iflag=fullblock && head -c 1000000 /dev/urandom | dd of=a.raw "
                "seek=%" PRIu64 " oflag=seek_bytes conv=notrunc bs=64K "
                "iflag=fullblock",
                size, size - 1000000));
    check_untold("--no-sr", size); /* no contexts at all */
    check_untold("--filter=noextents", size);
}

/* Not even whole sectors, as a file behind a server may be. */
static void test_odd_bytes(void)
{
    uint64_t size = 5 * MIB + 1 + below(4095);
    _cleanup_server_ struct server s = SERVER_INIT;

    CHECK(shell("rm -f a.raw; truncate -s %" PRIu64 " a.raw && head -c 3000000 "
                "/dev/urandom | dd of=a.raw bs=1M seek=1 conv=notrunc "
                "iflag=fullblock && printf x | dd of=a.raw bs=1 seek=%" PRIu64
                " conv=notrunc",
                size, size - 1));
    nbdkit_start(&s, "-r file a.raw");
    check_image(&s, &little, size);
    check_image(&s, &much, size);
}

/* A target through the page cache, as where O_DIRECT is not to be had. */
static void test_buffered(void)
{
    struct image image = {
        .size = 9 * MIB + 512, .cluster = 4096, .writes = 40, .longest = MIB};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(image_make(&image));
    sink_free(take(b.sink));
    CHECK_OK(dir_sink_new(b.lab.dirfd, DIR_BUFFERED, &b.sink, &err), &err);
    qemu_nbd_start(&s, "-r -e 2 -f qcow2 a.qcow2");
    if (bench_back_up(&b, &s, &much))
        verify_image(&b, "a.raw", image.size);
}

static void test_refusals(void)
{
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_server_ struct server s = SERVER_INIT;
    struct disk_task task;

    nbdkit_start(&s, "--no-sr pattern 1M");
    task = bench_task(&b, &s, &much);
    task.level = 1;
    CHECK_FAILS(disk_back_up(&task, &b.result, &err), &err, "uncompressed");
    task.level = 0;
    task.bitmap = "qemu:dirty-bitmap:b";
    CHECK_FAILS(disk_back_up(&task, &b.result, &err), &err, "a whole disk");
    /* A stream is another matter: there, zeroes are told. */
    task.bitmap = NULL;
    task.raw = false;
    CHECK_FAILS(disk_back_up(&task, &b.result, &err), &err, "does not offer");
    CHECK_EQ_U64(bench_files(&b), 0);
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    need("qemu-img qemu-io qemu-nbd nbdkit");
    work_dir_make();
    seed_random();
    log_limit(LOG_LEVEL_WARNING);
    CHECK_OK(stop_init(&err), &err);
    RUN(test_borders);
    RUN(test_huge);
    RUN(test_zeroes_at_borders);
    RUN(test_untold);
    RUN(test_odd_bytes);
    RUN(test_buffered);
    RUN(test_refusals);
    RUN(test_random);
    return check_result();
}
