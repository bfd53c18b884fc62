/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-disk-faults.c - what goes wrong ends at once, says why, leaves nothing
 *
 * Servers that fail, die and fall silent, targets that are full or slow, and a
 * user who wants to stop, each for both engines.
 */
#include <semaphore.h>
#include <sys/mount.h>

#include "base/log.h"
#include "verify.h"

static const struct variant plain = {0, false, 4U << 20};
static const struct variant packed = {1, false, 4U << 20};

/* A run in a thread of its own. */
struct run {
    struct disk_task task;
    struct disk_result result;
    struct error error;
    pthread_t thread;
    int status;
};

static void *run_thread(void *opaque)
{
    struct run *r = opaque;

    r->status = disk_back_up(&r->task, &r->result, &r->error);
    return NULL;
}

static void run_start(struct run *r)
{
    if (pthread_create(&r->thread, NULL, run_thread, r) != 0)
        abort();
}

/* Until the run has begun to write. */
static void wait_for_file(struct bench *b)
{
    char name[NAME_SAFE_MAX + 16] = "";

    snprintf(name, sizeof(name), "%s.partial", b->data.text);
    for (int i = 0; i < 20000 && !lab_has(&b->lab, name); i++)
        (void)!stop_wait(-1, 1);
    CHECK(lab_has(&b->lab, name));
}

/* The run is to fail within ten seconds, with `part` in its error, and leave
 * nothing.
 */
static void expect_failure(struct run *r, const struct bench *b,
                           enum error_kind kind, const char *part,
                           long long begun)
{
    pthread_join(r->thread, NULL);
    CHECK(clock_ms() - begun < 10000);
    CHECK_EQ_INT(r->error.kind, kind);
    CHECK_FAILS(r->status, &r->error, part);
    CHECK_EQ_U64(bench_files(b), 0);
}

static void check_read_error(const struct variant *v)
{
    unsigned long long length = 0, offset = 0;
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_server_ struct server s = SERVER_INIT;
    struct run r = {.task = bench_task(&b, &s, v)};

    nbdkit_start(&s, "eval get_size='echo 8388608' pread='"
                     "[ $4 -gt 4200000 ] || [ $(($4 + $3)) -le 4200000 ] || "
                     "{ echo EIO broken >&2; exit 1; }; "
                     "head -c $3 /dev/zero'");
    r.task.target.socket_path = s.socket;
    run_start(&r);
    pthread_join(r.thread, NULL);
    CHECK_EQ_INT(r.status, -1);
    CHECK_EQ_INT(sscanf(error_text(&r.error), "reading %llu bytes at %llu",
                        &length, &offset),
                 2);
    CHECK(offset <= 4200000 && offset + length > 4200000);
    CHECK_FAILS(r.status, &r.error, "also when tried again");
    CHECK_EQ_U64(bench_files(&b), 0);
}

/* A sector that cannot be read, however often one tries. */
/* covers: E1:F */
static void test_read_error(void)
{
    check_read_error(&plain);
    check_read_error(&packed);
}

/* covers: E1:F */
static void test_every_read_fails(void)
{
    for (int level = 0; level < 2; level++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_server_ struct server s = SERVER_INIT;
        struct run r = {.task = bench_task(&b, &s, level ? &packed : &plain)};

        nbdkit_start(&s, "--filter=error pattern 16M error-pread=EIO "
                         "error-pread-rate=100%%");
        r.task.target.socket_path = s.socket;
        run_start(&r);
        expect_failure(&r, &b, ERR_NBD, "reading ", clock_ms());
    }
}

/* A disk that libvirt gives `known` bytes; `part` NULL: it is taken. */
static void check_size(const char *plugin, uint64_t known, const char *part)
{
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_server_ struct server s = SERVER_INIT;
    struct run r = {.task = bench_task(&b, &s, &plain)};

    nbdkit_start(&s, "%s", plugin);
    r.task.target.socket_path = s.socket;
    r.task.size_known = true;
    r.task.size = known;
    run_start(&r);
    if (part) {
        expect_failure(&r, &b, ERR_INPUT, part, clock_ms());
        return;
    }
    pthread_join(r.thread, NULL);
    CHECK_OK(r.status, &r.error);
}

/* An export is not the disk that libvirt knows; or it is, to the sector. */
/* covers: E4:FID */
static void test_wrong_size(void)
{
    check_size("--filter=truncate memory 8M truncate=4M", 8 * MIB,
               "has 4194304 bytes, but libvirt says that the disk has 8388608");
    check_size("--filter=truncate memory 8M truncate=0", 8 * MIB,
               "has 0 bytes");
    check_size("memory 8M", 0, "the disk has 0");
    check_size("memory 1049088", 1048576, "has 1049088 bytes");
    check_size("memory 1049001", 1049000, "has 1049001 bytes");
    check_size("memory 8M", 8 * MIB, NULL);
    check_size("memory 1049088", 1049000, NULL);
    check_size("memory 1048576", 1049000, NULL);
    check_size("memory 1049000", 1049000, NULL);
}

/* Each connection is told another size: that for the data, or the bitmap's. */
/* covers: E4:FID */
static void test_two_sizes(void)
{
    static const char *const bitmaps[] = {NULL, "qemu:dirty-bitmap:b"};

    for (size_t i = 0; i < array_size(bitmaps); i++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_server_ struct server s = SERVER_INIT;
        struct run r = {.task = bench_task(&b, &s, &plain)};

        hostile_start(&s, "size=1048576 grow=65536");
        r.task.target.socket_path = s.socket;
        r.task.bitmap = bitmaps[i];
        run_start(&r);
        expect_failure(&r, &b, ERR_NBD,
                       "has 1048576 bytes, but 1114112 on another connection",
                       clock_ms());
    }
}

static void check_broken_server(const struct variant *v, int signal_number,
                                int io_timeout_ms, enum error_kind kind,
                                const char *part)
{
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_server_ struct server s = SERVER_INIT;
    struct run r = {.task = bench_task(&b, &s, v)};

    nbdkit_start(&s, "--filter=rate pattern 64M rate=16M");
    r.task.target.socket_path = s.socket;
    r.task.io_timeout_ms = io_timeout_ms;
    run_start(&r);
    wait_for_file(&b);
    kill(s.pid, signal_number);
    expect_failure(&r, &b, kind, part, clock_ms());
}

/* covers: E2:F */
static void test_server_killed(void)
{
    check_broken_server(&plain, SIGKILL, IO_MS, ERR_NBD, "reading ");
    check_broken_server(&packed, SIGKILL, IO_MS, ERR_NBD, "reading ");
}

/* covers: E3:F */
static void test_server_silent(void)
{
    check_broken_server(&plain, SIGSTOP, 1500, ERR_TIMEOUT, "no answer for");
    check_broken_server(&packed, SIGSTOP, 1500, ERR_TIMEOUT, "no answer for");
}

/* A stop in the middle, with reads in flight that nobody will answer, or none
 * that the rate would allow for hours.  It is never taken back, so this runs in
 * a process of its own.
 */
static void stopped_run(const struct variant *v, bool limited)
{
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(rate_done) struct rate rate = {0};
    struct run r = {.task = bench_task(&b, &s, v)};
    long long begun;

    rate_init(&rate, limited ? 1 : 0);
    nbdkit_start(&s, "--filter=delay pattern 64M rdelay=%d", limited ? 0 : 60);
    r.task.target.socket_path = s.socket;
    r.task.rate = &rate;
    run_start(&r);
    wait_for_file(&b);
    begun = clock_ms();
    stop_request(SIGTERM);
    expect_failure(&r, &b, ERR_STOPPED, "SIGTERM", begun);
    CHECK(clock_ms() - begun < 5000);
    kill(s.pid, SIGKILL);
}

static void check_stop(const char *which)
{
    char line[300] = "", self[200] = "";

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        abort();
    snprintf(line, sizeof(line), "'%s' %s", self, which);
    fflush(stdout);
    CHECK_EQ_INT(system(line), 0);
}

/* covers: B3:F */
static void test_stop(void)
{
    check_stop("plain");
    check_stop("packed");
    check_stop("plain limited");
    check_stop("packed limited");
}

/* A tmpfs of `size` at `path`; false where we may not. */
static bool mount_small(const char *path, const char *size)
{
    char options[64] = "";

    snprintf(options, sizeof(options), "size=%s,mode=700", size);
    return mkdir(path, 0700) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

static void unmount(const char *path)
{
    CHECK_EQ_INT(umount2(path, MNT_DETACH), 0);
    rmdir(path);
}

/* The directory of a bench becomes a file system of its own. */
static bool bench_on_small(struct bench *b, const char *size)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (mount("tmpfs", b->lab.path, "tmpfs", 0, size) < 0) {
        printf("# SKIP: may not mount\n");
        return false;
    }
    close(b->lab.dirfd);
    b->lab.dirfd = open(b->lab.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sink_free(take(b->sink));
    CHECK_OK(dir_sink_new(b->lab.dirfd, DIR_AUTO, &b->sink, &err), &err);
    return true;
}

/* covers: A1:F */
static void test_target_full(void)
{
    CHECK(shell("head -c 12M /dev/urandom >full.raw"));
    for (int level = 0; level < 2; level++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_server_ struct server s = SERVER_INIT;
        struct run r = {{0}};

        if (!bench_on_small(&b, "size=2m"))
            return;
        r.task = bench_task(&b, &s, level ? &packed : &plain);
        nbdkit_start(&s, "-r file full.raw");
        r.task.target.socket_path = s.socket;
        run_start(&r);
        expect_failure(&r, &b, ERR_SYSTEM, "free some space", clock_ms());
        CHECK_EQ_INT(umount2(b.lab.path, MNT_DETACH), 0);
    }
}

/* The data file is complete already when the index finds no room. */
/* covers: A2:F */
static void test_no_room_for_index(void)
{
    struct image image = {
        .size = 256 * KIB, .cluster = 512, .writes = 150, .longest = 512};
    char path[80] = "";

    snprintf(path, sizeof(path), "%s/small", work_dir);
    if (!mount_small(path, "4k")) {
        printf("# SKIP: may not mount\n");
        return;
    }
    CHECK(image_make(&image));
    for (int level = 0; level < 2; level++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_close_ int dirfd = open(path, O_RDONLY | O_DIRECTORY);
        struct run r = {.task = bench_task(&b, &s, level ? &packed : &plain)};

        qemu_nbd_start(&s, "-r -e 2 -f qcow2 a.qcow2");
        r.task.target.socket_path = s.socket;
        r.task.dirfd = dirfd;
        run_start(&r);
        expect_failure(&r, &b, ERR_SYSTEM, "vda.full.index", clock_ms());
    }
    CHECK_EQ_INT(rmdir(path) < 0 ? errno : 0, EBUSY);
    unmount(path);
}

/* A sink on top of the real one, whose first part is written late: after
 * `wait_ms`, or when another part has failed.
 */
struct late_sink {
    struct sink sink;
    struct sink_ops ops;
    struct sink *real;
    int wait_ms;
    bool wait_failure;
    sem_t failure;
};

static struct late_sink late;

static int late_begin(struct sink *sink, const char *name,
                      struct sink_file **ret, struct error *err)
{
    int r = sink_begin(late.real, name, ret, err);

    if (r == 0)
        (*ret)->sink = sink;
    return r;
}

static int late_write(struct sink_file *file, uint64_t offset, const void *data,
                      size_t length, size_t room, struct error *err)
{
    int r;

    if (offset == 0 && late.wait_failure)
        sem_wait(&late.failure);
    else if (offset == 0)
        (void)!stop_wait(-1, late.wait_ms);
    r = late.real->ops->write(file, offset, data, length, room, err);
    if (r < 0)
        sem_post(&late.failure);
    return r;
}

static void late_begin_on(struct bench *b, int wait_ms, bool wait_failure)
{
    late.real = b->sink;
    late.ops = *b->sink->ops;
    late.ops.begin = late_begin;
    late.ops.write = late_write;
    late.sink.ops = &late.ops;
    late.wait_ms = wait_ms;
    late.wait_failure = wait_failure;
    sem_init(&late.failure, 0, 0);
}

/* The part in front fails only because one behind it did: the reason of that
 * one is what the user needs.
 */
static void test_reason_of_failure(void)
{
    for (int level = 0; level < 2; level++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_server_ struct server s = SERVER_INIT;
        struct run r = {.status = 0};

        if (!bench_on_small(&b, "size=1m"))
            return;
        late_begin_on(&b, 0, true);
        r.task = bench_task(&b, &s, level ? &packed : &plain);
        nbdkit_start(&s, "-r file full.raw");
        r.task.target.socket_path = s.socket;
        r.task.sink = &late.sink;
        run_start(&r);
        expect_failure(&r, &b, ERR_SYSTEM, "free some space", clock_ms());
        CHECK_EQ_INT(umount2(b.lab.path, MNT_DETACH), 0);
    }
}

static void check_slow_target(const struct variant *v)
{
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_server_ struct server s = SERVER_INIT;
    struct run r = {.task = bench_task(&b, &s, v)};

    late_begin_on(&b, 12 * 400, false);
    nbdkit_start(&s, "-r file slow.raw");
    r.task.target.socket_path = s.socket;
    r.task.sink = &late.sink;
    r.task.io_timeout_ms = 400;
    run_start(&r);
    pthread_join(r.thread, NULL);
    CHECK_OK(r.status, &r.error);
    error_clear(&r.error);
}

/* The time the target takes is not the server's: whoever does not read cannot
 * complain of silence.
 */
static void test_slow_target(void)
{
    static const struct variant little = {1, false, LITTLE_MEMORY};
    static const struct variant less = {0, false, LITTLE_MEMORY};

    CHECK(shell("head -c 16M /dev/urandom >slow.raw"));
    check_slow_target(&little);
    check_slow_target(&less);
}

int main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    need("qemu-img qemu-io qemu-nbd nbdkit");
    work_dir_make();
    seed_random();
    log_limit(LOG_LEVEL_WARNING);
    CHECK_OK(stop_init(&err), &err);
    if (argc > 1) {
        stopped_run(strcmp(argv[1], "plain") == 0 ? &plain : &packed, argc > 2);
        return check_this_failed;
    }
    RUN(test_read_error);
    RUN(test_every_read_fails);
    RUN(test_wrong_size);
    RUN(test_two_sizes);
    RUN(test_server_killed);
    RUN(test_server_silent);
    RUN(test_stop);
    RUN(test_target_full);
    RUN(test_reason_of_failure);
    RUN(test_no_room_for_index);
    RUN(test_slow_target);
    return check_result();
}
