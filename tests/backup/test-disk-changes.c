/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-disk-changes.c - increments by the bitmaps of powered-off images
 *
 * The image of a guest that does not run, served by our own qemu-nbd with the
 * bitmap of a checkpoint: what was saved before and the increment together are
 * the disk as it is now.  And what is told before anything is copied.  SEED
 * repeats a run.
 */
#include "base/log.h"
#include "host/qemu.h"
#include "set/record.h"
#include "verify.h"

#define CONTEXT "qemu:dirty-bitmap:virtnbdbackup.1"

/* Serve a.qcow2 as the program does; two clients are enough. */
static struct qemu_nbd *serve(struct server *s, const char *bitmap)
{
    static int number;
    struct qemu_nbd_options options = {
        .read_only = true, .shared = 2, .bitmap = bitmap};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd *server = NULL;
    char image[128];

    snprintf(image, sizeof(image), "%s/a.qcow2", work_dir);
    snprintf(s->socket, sizeof(s->socket), "%s/off%d", work_dir, ++number);
    /* Not the macro of servers.h. */
    CHECK_OK(
        (qemu_nbd_start)(image, "qcow2", s->socket, &options, &server, &err),
        &err);
    return server;
}

static struct disk_task changes_task(const struct bench *b,
                                     const struct server *s,
                                     const struct variant *v)
{
    struct disk_task task = bench_task(b, s, v);

    task.target.export_name = "";
    task.bitmap = CONTEXT;
    task.parent = "virtnbdbackup.1";
    return task;
}

/* An image with a bitmap, `before.raw`, and then changes. */
static bool make_changed(uint64_t size, unsigned writes)
{
    struct image image = {
        .size = size, .cluster = 65536, .writes = 40, .longest = MIB};
    char path[128];
    FILE *f;

    if (!image_make(&image) ||
        !shell("mv a.raw before.raw && "
               "qemu-img bitmap --add a.qcow2 virtnbdbackup.1"))
        return false;
    snprintf(path, sizeof(path), "%s/commands", work_dir);
    f = fopen(path, "w");
    if (!f)
        return false;
    for (unsigned i = 0; i < writes; i++)
        put_command(f, size, 300 * KIB);
    fclose(f);
    return shell("qemu-io -f qcow2 a.qcow2 <commands >io 2>&1; "
                 "! grep -iE 'fail|error|invalid' io") &&
           shell("qemu-img convert -f qcow2 -O raw a.qcow2 a.raw");
}

/* A stream_put into memory. */
static int copy_to(void *opaque, const void *bytes, size_t length,
                   struct error *err)
{
    unsigned char **to = opaque;

    memcpy(*to, bytes, length);
    *to += length;
    return 0;
}

/* Put an increment on top of `before.raw`: it is then a.raw. */
static void check_applied(const struct bench *b, uint64_t size)
{
    _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_close_ int data =
        openat(b->lab.dirfd, b->data.text, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ unsigned char *disk = malloc(size + 1), *now = malloc(size);
    _cleanup_close_ int before = work_open("before.raw");
    _cleanup_close_ int after = work_open("a.raw");
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(record_reader_new(&reader, &err), &err);
    CHECK_OK(index_open(b->lab.dirfd, b->index.text, b->result.index_hash, &idx,
                        &err),
             &err);
    REQUIRE(reader && idx && disk && now);
    REQUIRE(get(before, 0, disk, size) && get(after, 0, now, size));
    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);

        memset(disk + r.offset, 0, r.length);
        if (r.kind == INDEX_DATA) {
            unsigned char *to = disk + r.offset;

            CHECK_OK(record_read(reader, data, b->data.text, &r, 0, r.length,
                                 copy_to, &to, &err),
                     &err);
        }
    }
    CHECK_MEM(disk, now, size);
}

static void check_increment(const struct variant *v, bool ask_nbdinfo,
                            bool read_zeroes, uint64_t size)
{
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    struct server s = SERVER_INIT;
    struct disk_task task;
    struct disk_examined seen = {0};

    server = serve(&s, "virtnbdbackup.1");
    REQUIRE(server);
    task = changes_task(&b, &s, v);
    task.ask_nbdinfo = ask_nbdinfo;
    task.read_zeroes = read_zeroes;
    CHECK_OK(disk_examine(&task, &seen, &err), &err);
    CHECK_EQ_U64(bench_files(&b), 0);
    CHECK_OK(disk_back_up(&task, &b.result, &err), &err);
    CHECK_OK(index_publish(b.lab.dirfd, b.index.text, &err), &err);
    CHECK_OK(sink_publish(b.sink, b.data.text, &err), &err);

    CHECK(seen.incremental && !b.result.whole);
    CHECK_EQ_U64(seen.virtual_size, size);
    CHECK_EQ_U64(seen.extent_count, b.result.extent_count);
    CHECK_EQ_U64(seen.data_size, b.result.read_size);
    CHECK_EQ_U64(seen.zero_size, b.result.zero_size);
    CHECK_EQ_U64(seen.data_size + seen.zero_size, b.result.dirty_size);
    CHECK(b.result.dirty_size > 0 && b.result.dirty_size < size);
    check_applied(&b, size);
    CHECK_OK(qemu_nbd_stop(take(server), &err), &err);
}

static void test_increment(void)
{
    static const struct variant plain = {.memory = MUCH_MEMORY};
    static const struct variant packed = {.level = 1, .memory = MUCH_MEMORY};
    uint64_t size = 12 * MIB + 512 * below(100);

    REQUIRE(make_changed(size, 8));
    check_increment(&plain, false, false, size);
    check_increment(&packed, false, false, size);
    check_increment(&plain, true, false, size);
    check_increment(&packed, true, true, size);
}

/* The lines of a log, but for what stands in front of each text. */
static char *log_texts(const struct bench *b)
{
    size_t length = 0;
    _cleanup_free_ char *text = lab_read((struct lab *)&b->lab, "log", &length);
    char *ret = calloc(1, length + 1), *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *said = strstr(line, "]: ");

        strcat(ret, said ? said + 3 : line);
        strcat(ret, "\n");
    }
    return ret;
}

/* Back up a disk of 4 MiB and compare what is said about it. */
static void check_said(const char *bitmap, const char *context,
                       uint64_t parent_size, const char *said)
{
    static const struct variant plain = {.memory = MUCH_MEMORY};
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_free_ char *text = NULL;
    struct server s = SERVER_INIT;
    struct disk_task task;

    server = serve(&s, bitmap);
    REQUIRE(server);
    task = changes_task(&b, &s, &plain);
    task.bitmap = context;
    task.parent_size = parent_size;
    log_limit(LOG_LEVEL_INFO);
    log_stderr(false, false);
    CHECK_OK(log_open_file(b.lab.dirfd, "log", &err), &err);
    CHECK_OK(disk_back_up(&task, &b.result, &err), &err);
    log_stderr(true, false);
    log_limit(LOG_LEVEL_ERROR);
    text = log_texts(&b);
    CHECK_STR(text, said);
    if (strncmp(said, "changes", 7) != 0) {
        CHECK_EQ_INT(b.result.whole, context != NULL);
        CHECK_EQ_U64(b.result.dirty_size, 4 * MIB);
        CHECK_EQ_U64(b.result.extent_count, 2);
    }
}

/* One line about change tracking, with the reason where it is of no use. */
static void test_said(void)
{
    struct image image = {
        .size = 4 * MIB, .cluster = 65536, .more = "write -P 1 0 1M\n"};

    REQUIRE(image_make(&image));
    CHECK(shell("qemu-img bitmap --add a.qcow2 virtnbdbackup.1 && "
                "qemu-io -f qcow2 -c 'write -P 2 512k 64k' a.qcow2"));
    check_said("virtnbdbackup.1", CONTEXT, 0,
               "changes since 'virtnbdbackup.1': 64.0 KiB of 4.0 MiB\n");
    check_said(NULL, NULL, 0,
               "everything is read: 1.0 MiB of 4.0 MiB in use\n");
    check_said(NULL, CONTEXT, 0,
               "QEMU does not offer the bitmap '" CONTEXT "'; all of the disk "
               "is saved\n"
               "everything is read: 1.0 MiB of 4.0 MiB in use\n");
    check_said("virtnbdbackup.1", CONTEXT, 5 * MIB,
               "the disk has shrunk; all of the disk is saved\n"
               "everything is read: 1.0 MiB of 4.0 MiB in use\n");
}

/* What is examined is what would be done, without a target to do it in. */
static void check_examined(const struct disk_task *task, bool incremental,
                           size_t extents, uint64_t data, uint64_t zero)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct disk_examined seen = {0};

    CHECK_OK(disk_examine(task, &seen, &err), &err);
    CHECK_EQ_INT(seen.incremental, incremental);
    CHECK_EQ_U64(seen.virtual_size, 4 * MIB);
    CHECK_EQ_U64(seen.extent_count, extents);
    CHECK_EQ_U64(seen.data_size, data);
    CHECK_EQ_U64(seen.zero_size, zero);
}

static void test_examine(void)
{
    struct image image = {.size = 4 * MIB,
                          .cluster = 65536,
                          .more = "write -P 1 0 1M\nwrite -z 2M 64k\n"};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    struct server s = SERVER_INIT;
    struct disk_task task = {.name = "vda", .io_timeout_ms = IO_MS};
    struct disk_examined seen = {0};

    REQUIRE(image_make(&image));
    CHECK(shell("qemu-img bitmap --add a.qcow2 virtnbdbackup.1 && "
                "qemu-io -f qcow2 -c 'write -P 2 512k 64k' "
                "-c 'write -z 640k 64k' a.qcow2"));
    server = serve(&s, "virtnbdbackup.1");
    REQUIRE(server);
    task.target.socket_path = s.socket;
    check_examined(&task, false, 4, 960 * KIB, 3136 * KIB);
    task.raw = true;
    check_examined(&task, false, 4, 960 * KIB, 3136 * KIB);
    task.raw = false;
    task.bitmap = CONTEXT;
    check_examined(&task, true, 2, 64 * KIB, 64 * KIB);
    task.zero_frames = true;
    check_examined(&task, true, 2, 64 * KIB, 64 * KIB);
    task.read_zeroes = true;
    check_examined(&task, true, 2, 128 * KIB, 0);
    task.raw = true;
    CHECK_FAILS(disk_examine(&task, &seen, &err), &err, "a whole disk");
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    need("qemu-img qemu-io qemu-nbd nbdinfo");
    work_dir_make();
    seed_random();
    log_limit(LOG_LEVEL_ERROR);
    CHECK_OK(stop_init(&err), &err);
    RUN(test_increment);
    RUN(test_said);
    RUN(test_examine);
    return check_result();
}
