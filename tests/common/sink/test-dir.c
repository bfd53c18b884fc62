/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-dir.c - the directory sink on a disk and on tmpfs: what is written is
 * there, to the byte; what is not written takes no space; nothing is replaced;
 * a full file system is an error
 */
#include "sink/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#include "check.h"

#define PART (256 * 1024)

struct place {
    char path[64];
    int dirfd;
    struct sink *sink;
};

/* Where the tests of this round run. */
static const char *parent;
static enum dir_mode mode;

static struct place place_at(const char *directory)
{
    struct place p = {"", -1, NULL};
    _cleanup_error_ struct error err = ERROR_INIT;

    snprintf(p.path, sizeof(p.path), "%s/vnb-sink-XXXXXX", directory);
    if (!mkdtemp(p.path))
        abort();
    p.dirfd = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p.dirfd < 0 || dir_sink_new(p.dirfd, mode, &p.sink, &err) < 0)
        abort();
    return p;
}

static void place_done(struct place *p)
{
    char command[128] = "";

    sink_free(p->sink);
    close(p->dirfd);
    snprintf(command, sizeof(command), "rm -rf '%s'", p->path);
    if (system(command) != 0)
        abort();
}
#define _cleanup_place_ __attribute__((cleanup(place_done)))

static bool has(struct place *p, const char *name)
{
    return faccessat(p->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Aligned memory of `size` bytes (rounded up) that says where it belongs. */
static unsigned char *pattern(size_t size, unsigned seed)
{
    size_t room = (size + SINK_ALIGN - 1) / SINK_ALIGN * SINK_ALIGN;
    unsigned char *bytes = NULL;

    if (posix_memalign((void **)&bytes, SINK_ALIGN, room) != 0)
        abort();
    for (size_t i = 0; i < room; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 4096 + seed);
    return bytes;
}

static void text(struct place *p, const char *name, const char *text)
{
    int fd = openat(p->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || file_write_full(fd, text, strlen(text)) < 0)
        abort();
    close(fd);
}

/* The file holds exactly these bytes at `offset`. */
static void check_bytes(struct place *p, const char *name, uint64_t offset,
                        const unsigned char *want, size_t length)
{
    _cleanup_close_ int fd = openat(p->dirfd, name, O_RDONLY);
    _cleanup_free_ unsigned char *got = malloc(length + 1);

    CHECK_EQ_INT(file_pread_full(fd, got, length, offset), (long long)length);
    CHECK_MEM(got, want, length);
}

static struct stat look(struct place *p, const char *name)
{
    struct stat st = {0};

    if (fstatat(p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        CHECK_FAIL("'%s' is not there", name);
    return st;
}

/* Sizes around every border, the tail given with memory behind it. */
static void test_sizes(void)
{
    static const size_t sizes[] = {
        0,    1,    511,  512,      513,  4095,     4096,
        4097, 5000, 8192, PART - 1, PART, PART + 1, 2 * PART + 777,
    };
    _cleanup_place_ struct place p = place_at(parent);

    for (size_t i = 0; i < array_size(sizes); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ unsigned char *bytes = pattern(sizes[i], 3);
        struct sink_file *f = NULL;
        char name[32] = "";
        struct stat st = {0};

        snprintf(name, sizeof(name), "d%zu.full.data", i);
        CHECK_OK(sink_begin(p.sink, name, &f, &err), &err);
        REQUIRE(f);
        for (size_t at = 0; at < sizes[i]; at += PART) {
            size_t length = MIN_OF((size_t)PART, sizes[i] - at);
            size_t room = (length + SINK_ALIGN - 1) / SINK_ALIGN * SINK_ALIGN;

            CHECK_OK(sink_write(f, at, bytes + at, length, room, &err), &err);
        }
        CHECK_OK(sink_finish(f, sizes[i], &err), &err);
        CHECK(!has(&p, name));
        CHECK_OK(sink_publish(p.sink, name, &err), &err);
        st = look(&p, name);
        CHECK_EQ_U64(st.st_size, sizes[i]);
        CHECK_EQ_INT(st.st_mode & 07777, 0600);
        check_bytes(&p, name, 0, bytes, sizes[i]);
    }
}

/* What is not written reads as zeroes and takes no space. */
static void test_holes(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_place_ struct place p = place_at(parent);
    _cleanup_free_ unsigned char *bytes = pattern(PART, 9);
    unsigned char zeroes[5000] = {0};
    struct sink_file *f = NULL;
    uint64_t size = 64 * MIB + 123;
    struct stat st = {0};

    CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_write(f, 32 * MIB, bytes, PART, PART, &err), &err);
    CHECK_OK(sink_write(f, MIB, bytes, PART, PART, &err), &err);
    CHECK_OK(sink_finish(f, size, &err), &err);
    CHECK_OK(sink_publish(p.sink, "vda.full.data", &err), &err);
    st = look(&p, "vda.full.data");
    CHECK_EQ_U64(st.st_size, size);
    CHECK((uint64_t)st.st_blocks * 512 >= 2 * PART);
    CHECK((uint64_t)st.st_blocks * 512 <= 2 * PART + MIB);
    check_bytes(&p, "vda.full.data", MIB, bytes, PART);
    check_bytes(&p, "vda.full.data", 32 * MIB, bytes, PART);
    check_bytes(&p, "vda.full.data", size - 5000, zeroes, 5000);
    check_bytes(&p, "vda.full.data", 0, zeroes, 5000);
}

struct worker {
    struct sink_file *file;
    const unsigned char *bytes;
    size_t size;
    int number;
    int failed;
};

static void *write_share(void *opaque)
{
    struct worker *w = opaque;
    size_t parts = (w->size + PART - 1) / PART;

    for (size_t i = (size_t)w->number; i < parts; i += 4) {
        size_t at = i * PART, length = MIN_OF((size_t)PART, w->size - at);
        size_t room = (length + SINK_ALIGN - 1) / SINK_ALIGN * SINK_ALIGN;

        w->failed |=
            sink_write(w->file, at, w->bytes + at, length, room, NULL) < 0;
    }
    return NULL;
}

/* Four threads, each its parts, in any order, the tail among them. */
static void test_threads(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_place_ struct place p = place_at(parent);
    size_t size = 33 * PART + 4099;
    _cleanup_free_ unsigned char *bytes = pattern(size, 1);
    struct worker workers[4] = {{0}};
    pthread_t threads[4];
    struct sink_file *f = NULL;

    CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){f, bytes, size, i, 0};
        if (pthread_create(&threads[i], NULL, write_share, &workers[i]) != 0)
            abort();
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ_INT(workers[i].failed, 0);
    }
    CHECK_OK(sink_finish(f, size, &err), &err);
    CHECK_OK(sink_publish(p.sink, "vda.full.data", &err), &err);
    CHECK_EQ_U64(look(&p, "vda.full.data").st_size, size);
    check_bytes(&p, "vda.full.data", 0, bytes, size);
}

static void test_names(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_place_ struct place p = place_at(parent);
    struct sink_file *f = NULL, *g = NULL;
    char longest[260] = "";

    CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK(has(&p, "vda.full.data.partial"));
    CHECK(!has(&p, "vda.full.data"));
    if (sink_begin(p.sink, "vda.full.data", &g, &err) == 0)
        CHECK_FAIL("one partial file has two writers");
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    error_clear(&err);
    sink_discard(f);
    CHECK(!has(&p, "vda.full.data.partial"));
    CHECK_FAILS(sink_begin(p.sink, "../x", &f, &err), &err, "../x");
    CHECK_FAILS(sink_begin(p.sink, "a/b", &f, &err), &err, "a/b");
    CHECK_FAILS(sink_begin(p.sink, "", &f, &err), &err, "''");
    memset(longest, 'a', 250);
    CHECK_FAILS(sink_begin(p.sink, longest, &f, &err), &err, "cannot be");
    CHECK_EQ_INT(symlinkat("/dev/null", p.dirfd, "vdb.full.data.partial"), 0);
    if (sink_begin(p.sink, "vdb.full.data", &f, &err) == 0)
        CHECK_FAIL("a link was followed");
    error_clear(&err);
    sink_discard(NULL);
}

/* covers: D10:IC */
static void test_never_replaces(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_place_ struct place p = place_at(parent);
    struct sink_file *f = NULL;

    text(&p, "vda.full.data", "old");
    CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_finish(f, 1000, &err), &err);
    if (sink_publish(p.sink, "vda.full.data", &err) == 0)
        CHECK_FAIL("a file was replaced");
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    error_clear(&err);
    check_bytes(&p, "vda.full.data", 0, (const unsigned char *)"old", 3);
    CHECK_EQ_U64(look(&p, "vda.full.data").st_size, 3);
    CHECK(has(&p, "vda.full.data.partial"));
    CHECK_OK(sink_remove(p.sink, "vda.full.data", &err), &err);
    CHECK(!has(&p, "vda.full.data.partial"));
    CHECK(has(&p, "vda.full.data"));
    CHECK_OK(sink_remove(p.sink, "vda.full.data", &err), &err);
    CHECK_FAILS(sink_publish(p.sink, "vdb.full.data", &err), &err,
                "vdb.full.data");
}

/* Writes that would not give the file that was asked for. */
static void test_refused_writes(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_place_ struct place p = place_at(parent);
    _cleanup_free_ unsigned char *bytes = pattern(PART, 9);
    struct sink_file *f = NULL;

    CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_FAILS(sink_write(f, 512, bytes, 4096, 4096, &err), &err, "aligned");
    CHECK_FAILS(sink_write(f, 0, bytes + 512, 4096, 4096, &err), &err,
                "aligned");
    CHECK_FAILS(sink_write(f, 0, bytes, 5000, 8000, &err), &err, "aligned");
    CHECK_FAILS(sink_write(f, 0, bytes, 5000, 4096, &err), &err, "aligned");
    CHECK_FAILS(sink_write(f, UINT64_MAX - 4095, bytes, 4096, 4096, &err), &err,
                "aligned");
    CHECK_OK(sink_write(f, 8192, bytes, 100, 4096, &err), &err);
    CHECK_FAILS(sink_write(f, 16384, bytes, 4096, 4096, &err), &err, "last");
    CHECK_FAILS(sink_write(f, 0, bytes, 100, 4096, &err), &err, "last");
    CHECK_OK(sink_write(f, 0, bytes, 4096, 4096, &err), &err);
    CHECK_FAILS(sink_finish(f, 8191, &err), &err, "written");
    CHECK_FAILS(sink_finish(f, 10000, &err), &err, "written");
    CHECK_OK(sink_finish(f, 8292, &err), &err);
}

/* A limit for the size of files stands in for any failing write. */
/* covers: A1:FID A3:FID */
static void test_failed_write(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_place_ struct place p = place_at(parent);
    _cleanup_free_ unsigned char *bytes = pattern(PART, 9);
    struct rlimit before = {0}, limit = {0};
    struct sink_file *f = NULL;

    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = MIB;
    CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_write(f, 0, bytes, PART, PART, &err), &err);
    CHECK_EQ_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_FAILS(sink_write(f, MIB, bytes, PART, PART, &err), &err, "ulimit");
    CHECK_EQ_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    /* From now on the file cannot become complete any more. */
    CHECK_FAILS(sink_write(f, 2 * MIB, bytes, PART, PART, &err), &err,
                "failed before");
    CHECK_FAILS(sink_finish(f, 3 * MIB, &err), &err, "failed before");
    sink_discard(f);
    CHECK(!has(&p, "vda.full.data.partial"));
}

/* A file system of 1 MiB: no space is an error that says what to do. */
/* covers: A1:FID */
static void test_no_space(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ unsigned char *bytes = pattern(PART, 9);
    char path[] = "/tmp/vnb-sink-full-XXXXXX";
    struct sink_file *f = NULL;
    int result = 0;

    if (!mkdtemp(path))
        abort();
    if (geteuid() != 0 ||
        mount("none", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") < 0) {
        printf("# skipped: only root can mount a small file system\n");
        rmdir(path);
        return;
    }
    {
        _cleanup_place_ struct place p = place_at(path);

        CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
        for (uint64_t at = 0; f && result == 0 && at < 2 * MIB; at += PART)
            result = sink_write(f, at, bytes, PART, PART, &err);
        CHECK_EQ_INT(result, -1);
        CHECK_EQ_INT(err.kind, ERR_SYSTEM);
        CHECK_EQ_INT(err.code, ENOSPC);
        CHECK_CONTAINS(error_text(&err), "'vda.full.data.partial'");
        CHECK_CONTAINS(error_text(&err), "free some space");
        error_clear(&err);
        CHECK_FAILS(sink_finish(f, 2 * MIB, &err), &err, "failed before");
        sink_discard(f);
        CHECK(!has(&p, "vda.full.data.partial"));
        /* The space is back: the same again, smaller. */
        CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
        CHECK_OK(sink_write(f, 0, bytes, PART, PART, &err), &err);
        CHECK_OK(sink_finish(f, PART, &err), &err);
        CHECK_OK(sink_publish(p.sink, "vda.full.data", &err), &err);
    }
    CHECK_EQ_INT(umount(path), 0);
    rmdir(path);
}

/* Whether O_DIRECT is used is the file system's choice; say what it was. */
static void test_direct(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_place_ struct place p = place_at(parent);
    _cleanup_free_ unsigned char *bytes = pattern(PART, 9);
    struct sink_file *f = NULL;

    CHECK_OK(sink_begin(p.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_write(f, 0, bytes, PART, PART, &err), &err);
    printf("# %s: %s\n", parent,
           dir_file_is_direct(f) ? "O_DIRECT" : "page cache");
    if (mode == DIR_BUFFERED)
        CHECK(!dir_file_is_direct(f));
    CHECK_OK(sink_finish(f, PART, &err), &err);
    CHECK_OK(sink_publish(p.sink, "vda.full.data", &err), &err);
    check_bytes(&p, "vda.full.data", 0, bytes, PART);
}

static void run_all(const char *directory, enum dir_mode how)
{
    parent = directory;
    mode = how;
    printf("# in %s, %s\n", directory, how == DIR_AUTO ? "auto" : "buffered");
    RUN(test_direct);
    RUN(test_sizes);
    RUN(test_holes);
    RUN(test_threads);
    RUN(test_names);
    RUN(test_never_replaces);
    RUN(test_refused_writes);
    RUN(test_failed_write);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    /* Mounts of this test disappear with it, however it ends. */
    if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
        printf("# mounts are not private: %s\n", strerror(errno));
    run_all("/tmp", DIR_AUTO);
    run_all("/tmp", DIR_BUFFERED);
    if (access("/dev/shm", W_OK) == 0)
        run_all("/dev/shm", DIR_AUTO);
    RUN(test_no_space);
    return check_result();
}
