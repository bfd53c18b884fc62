/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-disk.c - images of all kinds into stream files and back
 *
 * Every image goes through every variant: with and without compression, with
 * and without cover, with the least and with much memory.  What was written is
 * verified byte for byte, then restored into a new image, which must equal the
 * first one.  SEED repeats a run.
 */
#include "base/log.h"
#include "verify.h"

#define ROUNDS 4

static const struct variant variants[] = {
    {0, false, LITTLE_MEMORY}, {0, false, MUCH_MEMORY},
    {0, true, LITTLE_MEMORY},  {0, true, MUCH_MEMORY},
    {1, false, LITTLE_MEMORY}, {1, false, MUCH_MEMORY},
    {1, true, LITTLE_MEMORY},  {9, true, MUCH_MEMORY},
};

/* Restore what is in the directory; b.qcow2 must then equal a.qcow2. */
static void check_restore(const struct lab *lab, uint64_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_server_ struct server s = SERVER_INIT;

    CHECK(shell("rm -f b.qcow2; qemu-img create -q -f qcow2 b.qcow2 %" PRIu64,
                size));
    qemu_nbd_start(&s, "--discard=unmap -f qcow2 b.qcow2");
    CHECK_OK(lab_restore(lab, &s, &err), &err);
    CHECK(server_end(&s));
    CHECK(shell("qemu-img compare -f qcow2 -F qcow2 a.qcow2 b.qcow2"));
    CHECK(shell("qemu-img check -q -f qcow2 b.qcow2"));
}

/* Without manifest and index, as a set of upstream's is. */
static void check_restore_bare(struct bench *b, uint64_t size)
{
    lab_remove(&b->lab, "manifest.virtnbdbackup.0.json");
    lab_remove(&b->lab, b->index.text);
    check_restore(&b->lab, size);
}

static void check_variant(const struct server *s, const struct variant *v,
                          uint64_t size, bool bare)
{
    _cleanup_bench_ struct bench b = bench_new();

    if (!bench_back_up(&b, s, v)) {
        printf("# level %d, cover %d, memory %u\n", v->level, v->cover,
               v->memory);
        return;
    }
    CHECK_EQ_U64(bench_files(&b), 2);
    verify_backup(&b, v, "a.raw", size);
    bench_commit(&b, v);
    check_restore(&b.lab, size);
    if (bare)
        check_restore_bare(&b, size);
}

static void check_image(const struct image *image, unsigned count, bool bare)
{
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(image_make(image));
    qemu_nbd_start(&s, "-r -e 2 -f qcow2 a.qcow2");
    for (unsigned i = 0; i < count; i++)
        check_variant(&s, &variants[i], image->size, bare && i % 4 >= 2);
}

static void test_random(void)
{
    static const unsigned clusters[] = {512, 4096, 65536};
    const char *given = getenv("ROUNDS");
    int rounds = given ? atoi(given) : ROUNDS;

    for (int i = 0; i < rounds; i++) {
        struct image image = {
            .size = (1 + below(24 * MIB / 512)) * 512,
            .cluster = clusters[random() % 3],
            .writes = 1 + (unsigned)below(60),
            .longest = random() % 2 ? 2 * MIB : 64 * KIB,
        };

        check_image(&image, array_size(variants), true);
    }
}

static void test_empty(void)
{
    struct image image = {.size = 3 * MIB + 512, .cluster = 65536};

    check_image(&image, array_size(variants), true);
}

static void test_no_bytes(void)
{
    struct image image = {.size = 0, .cluster = 65536};

    check_image(&image, array_size(variants), true);
}

static void test_full_of_data(void)
{
    struct image image = {
        .size = 16 * MIB - 512, .cluster = 65536, .full = true};

    check_image(&image, array_size(variants), true);
}

/* Thousands of frames of a few sectors. */
static void test_tiny_extents(void)
{
    struct image image = {
        .size = 1 * MIB, .cluster = 512, .writes = 1500, .longest = 1024};

    check_image(&image, array_size(variants), true);
}

/* Covered and compressed it would be four gigabytes; without an index, all of
 * the covered file would have to be read.
 */
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

    check_image(&image, 6, false);
}

/* Not even whole sectors: through a server that takes single bytes. */
static void test_odd_bytes(void)
{
    uint64_t size = 5 * MIB + 1 + below(4095);

    CHECK(shell("rm -f a.raw; truncate -s %" PRIu64 " a.raw && head -c 3000000 "
                "/dev/urandom | dd of=a.raw bs=1M seek=1 conv=notrunc "
                "iflag=fullblock && printf x | dd of=a.raw bs=1 seek=%" PRIu64
                " conv=notrunc",
                size, size - 1));
    for (unsigned i = 0; i < array_size(variants); i++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_server_ struct server from = SERVER_INIT, to = SERVER_INIT;

        nbdkit_start(&from, "-r file a.raw");
        CHECK(shell("rm -f b.raw; truncate -s %" PRIu64 " b.raw", size));
        nbdkit_start(&to, "file b.raw");
        if (!bench_back_up(&b, &from, &variants[i]))
            return;
        verify_backup(&b, &variants[i], "a.raw", size);
        bench_commit(&b, &variants[i]);
        CHECK_OK(lab_restore(&b.lab, &to, &err), &err);
        CHECK(server_end(&to));
        CHECK(shell("cmp a.raw b.raw"));
    }
}

struct together {
    struct bench *bench;
    struct server server;
    const struct variant *variant;
    struct disk_task task;
    struct disk_result result;
    struct error error;
    char data[16], index[16];
    pthread_t thread;
    int status;
};

static void *together_thread(void *opaque)
{
    struct together *t = opaque;

    t->status = disk_back_up(&t->task, &t->result, &t->error);
    return NULL;
}

/* Several disks at once share writers and codec threads; the servers answer
 * each in its own time.
 */
static void test_together(void)
{
    struct image image = {
        .size = 9 * MIB, .cluster = 65536, .writes = 30, .longest = MIB};
    _cleanup_bench_ struct bench b = bench_new();
    struct together disks[6] = {0};

    REQUIRE(image_make(&image));
    b.progress = progress_new(false, stderr);
    for (unsigned i = 0; i < array_size(disks); i++) {
        struct together *t = &disks[i];

        t->variant = &variants[(i * 5 + 1) % 8];
        nbdkit_start(&t->server,
                     "-r -t 4 --filter=delay file a.raw rdelay=%dms"
                     " delay-extents=%dms",
                     (int)below(12), (int)below(12));
        t->task = bench_task(&b, &t->server, t->variant);
        snprintf(t->data, sizeof(t->data), "d%u.data", i);
        snprintf(t->index, sizeof(t->index), "d%u.index", i);
        t->task.data_file = t->data;
        t->task.index_file = t->index;
        if (pthread_create(&t->thread, NULL, together_thread, t) != 0)
            abort();
    }
    for (unsigned i = 0; i < array_size(disks); i++) {
        struct together *t = &disks[i];
        _cleanup_error_ struct error err = ERROR_INIT;
        struct bench one = b;

        pthread_join(t->thread, NULL);
        CHECK_OK(t->status, &t->error);
        error_clear(&t->error);
        server_end(&t->server);
        one.result = t->result;
        strcpy(one.data.text, t->data);
        strcpy(one.index.text, t->index);
        CHECK_OK(index_publish(b.lab.dirfd, t->index, &err), &err);
        CHECK_OK(sink_publish(b.sink, t->data, &err), &err);
        verify_backup(&one, t->variant, "a.raw", image.size);
    }
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    need("qemu-img qemu-io qemu-nbd nbdkit");
    work_dir_make();
    seed_random();
    log_limit(LOG_LEVEL_WARNING);
    CHECK_OK(stop_init(&err), &err);
    RUN(test_empty);
    RUN(test_no_bytes);
    RUN(test_full_of_data);
    RUN(test_tiny_extents);
    RUN(test_huge);
    RUN(test_odd_bytes);
    RUN(test_together);
    RUN(test_random);
    return check_result();
}
