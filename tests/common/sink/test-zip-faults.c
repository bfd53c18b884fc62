/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-zip-faults.c - an archive is complete or visibly broken
 *
 * Readers that go, that sleep, disks that are full, and what the caller does
 * wrong: whenever closing did not succeed, no zip program takes the archive.
 */
#include "ziplab.h"

#include <pthread.h>
#include <sys/resource.h>

#include "base/stop.h"

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static void seed(void)
{
    const char *given = getenv("SEED");

    if (given)
        random_state = strtoull(given, NULL, 0);
    else if (getentropy(&random_state, sizeof(random_state)) < 0)
        abort();
    random_state |= 1;
    printf("# SEED=%" PRIu64 "\n", random_state);
}

/* Nobody takes `a.zip` for an archive. */
static void check_broken(const struct lab *lab)
{
    CHECK(run(lab, "unzip -tqq a.zip >/dev/null 2>&1") != 0);
    CHECK(run(lab, "/usr/bin/python3 -m zipfile -l a.zip >/dev/null 2>&1") !=
          0);
}

static int add(struct sink *sink, const char *name, const void *bytes,
               size_t size, struct error *err)
{
    _cleanup_(sink_discardp) struct sink_file *f = NULL;

    if (sink_begin(sink, name, &f, err) < 0)
        return -1;
    for (size_t at = 0; at < size; at += 65536) {
        size_t part = MIN_OF(size - at, (size_t)65536);

        if (sink_write(f, at, (const char *)bytes + at, part, part, err) < 0)
            return -1;
    }
    if (sink_finish(f, size, err) < 0)
        return -1;
    f = NULL;
    return 0;
}

#define BODY 300000

/* A whole archive of the same length every time. */
static int write_archive(int fd, struct error *err)
{
    _cleanup_(sink_freep) struct sink *sink = NULL;
    _cleanup_free_ unsigned char *bytes = pattern(BODY, 7);

    if (zip_sink_new(fd, &sink, err) < 0 ||
        add(sink, "vda.full.data", bytes, BODY, err) < 0 ||
        zip_sink_add_bytes(sink, "vmconfig.xml", bytes, 100, err) < 0)
        return -1;
    return zip_sink_close(sink, err);
}

/* The reader goes after N bytes, wherever that is. */
static void closed_after(uint64_t n, uint64_t total, bool socket)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    char command[64] = "";
    pid_t pid = -1;
    int fd = -1, result = 0;

    snprintf(command, sizeof(command), "head -c %" PRIu64 " >a.zip", n);
    fd = start_reader(&lab, command, socket, &pid);
    result = write_archive(fd, &err);
    close(fd);
    CHECK_EQ_INT(end_of(pid), 0);
    if (n >= total) {
        CHECK_EQ_INT(result, 0);
        CHECK_EQ_INT(run(&lab, "unzip -tqq a.zip"), 0);
        return;
    }
    if (result == 0)
        CHECK_FAIL("closed though the reader took %" PRIu64 " of %" PRIu64, n,
                   total);
    CHECK_EQ_INT(err.kind, ERR_SYSTEM);
    CHECK_EQ_INT(err.code, EPIPE);
    CHECK_CONTAINS(error_text(&err), "the reader of the archive has gone");
    check_broken(&lab);
}

static uint64_t archive_size(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_close_ int fd = create(&lab, "a.zip");
    struct stat st = {0};

    CHECK_OK(write_archive(fd, &err), &err);
    if (fstat(fd, &st) < 0)
        abort();
    return (uint64_t)st.st_size;
}

/* covers: A10:FI */
static void test_reader_gone(void)
{
    uint64_t total = archive_size();

    closed_after(0, total, false);
    closed_after(1, total, false);
    closed_after(total - 1, total, false);
    closed_after(total, total, false);
    closed_after(total - 1, total, true);
    closed_after(total, total, true);
    for (int i = 0; i < 8; i++) {
        /* Both anywhere, and near the end, which is read last. */
        closed_after(random_below(total), total, i % 2);
        closed_after(total - 1 - random_below(1000), total, i % 2);
    }
}

/* covers: A10:FI */
static void test_full_device(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    CHECK_FAILS(write_archive(fd, &err), &err, "No space left");
}

/* The limit bites at every part of an archive. */
/* covers: A10:FI */
static void test_size_limit(void)
{
    uint64_t total = archive_size();
    struct rlimit old = {0};

    if (getrlimit(RLIMIT_FSIZE, &old) < 0)
        abort();
    for (int i = 0; i < 8; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_close_ int fd = create(&lab, "a.zip");
        struct rlimit limit = old;
        int result = 0;

        limit.rlim_cur = i == 0 ? total - 1 : random_below(total);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
            abort();
        result = write_archive(fd, &err);
        if (setrlimit(RLIMIT_FSIZE, &old) < 0)
            abort();
        CHECK(result < 0);
        CHECK_CONTAINS(error_text(&err), "ulimit -f");
        check_broken(&lab);
    }
}

/* What the process of `stopped` does: write to stdout until SIGTERM ends it.
 * With `whole` everything fits into the pipe, and only closing waits.
 */
static int write_until_stopped(bool whole)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(sink_freep) struct sink *sink = NULL;
    size_t size = whole ? 1000 : 4 * MIB;
    _cleanup_free_ unsigned char *bytes = pattern(size, 1);
    int result = 0;

    alarm(20);
    if (zip_sink_new(1, &sink, &err) < 0)
        return 90;
    result = add(sink, "vda.full.data", bytes, size, &err);
    if (result == 0)
        result = zip_sink_close(sink, &err);
    return result < 0 && err.kind == ERR_STOPPED && err.code == SIGTERM ? 42
                                                                        : 1;
}

/* Not a mere fork: that would share what base/stop wakes up with. */
static pid_t start_writer(int fd, bool whole)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (dup2(fd, 1) < 0)
        _exit(99);
    execl("/proc/self/exe", "writer", whole ? "whole" : "part", (char *)NULL);
    _exit(99);
}

static void stopped(bool socket, bool whole)
{
    _cleanup_lab_ struct lab lab = lab_new();
    int fd[2] = {-1, -1};
    pid_t pid = -1;

    if (socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0
               : pipe2(fd, O_CLOEXEC) < 0)
        abort();
    pid = start_writer(fd[1], whole);
    if (whole || socket) {
        struct pollfd p = {fd[0], POLLIN, 0};

        poll(&p, 1, 10000);
    } else {
        wait_until_full(fd[1]);
    }
    kill(pid, SIGTERM);
    CHECK_EQ_INT(end_of(pid), 42);
    close(fd[1]);
    {
        /* What arrived until then is no archive. */
        _cleanup_close_ int out = create(&lab, "a.zip");
        char buffer[4096] = "";
        ssize_t n = 0;

        while ((n = read(fd[0], buffer, sizeof(buffer))) > 0)
            CHECK_EQ_INT(file_write_full(out, buffer, (size_t)n), 0);
    }
    close(fd[0]);
    if (!whole)
        check_broken(&lab);
}

static void test_stop(void)
{
    stopped(false, false);
    stopped(true, false);
    stopped(false, true);
}

/* A lab with an archive under way. */
struct work {
    struct lab lab;
    int fd;
    struct sink *sink;
};

static struct work work_new(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct work w = {.lab = lab_new()};

    w.fd = create(&w.lab, "a.zip");
    if (zip_sink_new(w.fd, &w.sink, &err) < 0)
        abort();
    return w;
}

static void work_done(struct work *w)
{
    sink_free(w->sink);
    close(w->fd);
    lab_done(&w->lab);
}
#define _cleanup_work_ __attribute__((cleanup(work_done)))

/* Everything fails from now on, for this reason, and nothing is written. */
static void check_failed_for_good(struct work *w, const char *reason)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct sink_file *f = NULL;
    struct stat before = {0}, after = {0};

    CHECK_EQ_INT(fstat(w->fd, &before), 0);
    CHECK_FAILS(sink_begin(w->sink, "vdz.full.data", &f, &err), &err, reason);
    CHECK_FAILS(zip_sink_add_bytes(w->sink, "x", "x", 1, &err), &err, reason);
    CHECK_FAILS(zip_sink_close(w->sink, &err), &err, reason);
    sink_free(take(w->sink));
    CHECK_EQ_INT(fstat(w->fd, &after), 0);
    CHECK_EQ_U64(after.st_size, before.st_size);
    check_broken(&w->lab);
}

static void test_second_begin(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_work_ struct work w = work_new();
    struct sink_file *f = NULL, *second = NULL;

    CHECK_OK(sink_begin(w.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_EQ_INT(sink_begin(w.sink, "vdb.full.data", &second, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_BUSY);
    error_clear(&err);
    CHECK_EQ_INT(zip_sink_add_bytes(w.sink, "x", "x", 1, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_BUSY);
    error_clear(&err);
    CHECK_EQ_INT(zip_sink_close(w.sink, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_BUSY);
    error_clear(&err);
    /* The first one does not mind. */
    CHECK_OK(sink_write(f, 0, "hello", 5, 5, &err), &err);
    CHECK_OK(sink_finish(f, 5, &err), &err);
    CHECK_EQ_INT(sink_begin(w.sink, "vda.full.data", &second, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    error_clear(&err);
    CHECK_FAILS(sink_begin(w.sink, "a/b", &second, &err), &err, "name");
    CHECK_OK(sink_publish(w.sink, "vda.full.data", &err), &err);
    CHECK_OK(sink_remove(w.sink, "vda.full.data", &err), &err);
    CHECK_OK(zip_sink_close(w.sink, &err), &err);
    CHECK_EQ_INT(run(&w.lab, "test \"$(unzip -p a.zip)\" = hello"), 0);
}

static void test_discard(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_work_ struct work w = work_new();
    struct sink_file *f = NULL;

    CHECK_OK(zip_sink_add_bytes(w.sink, "first", "1", 1, &err), &err);
    CHECK_OK(sink_begin(w.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_write(f, 0, "hello", 5, 5, &err), &err);
    sink_discard(f);
    check_failed_for_good(&w, "given up inside of 'vda.full.data'");
}

static void test_free_early(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_work_ struct work w = work_new();

    CHECK_OK(zip_sink_add_bytes(w.sink, "first", "1", 1, &err), &err);
    sink_free(take(w.sink));
    check_broken(&w.lab);
}

static void test_backwards(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_work_ struct work w = work_new();
    struct sink_file *f = NULL;

    CHECK_OK(sink_begin(w.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_write(f, 4096, "hello", 5, 5, &err), &err);
    CHECK_FAILS(sink_write(f, 0, "hello", 5, 5, &err), &err, "do not follow");
    CHECK_FAILS(sink_finish(f, 8192, &err), &err, "do not follow");
    sink_discard(f);
    check_failed_for_good(&w, "do not follow");
}

static void test_finish_short(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_work_ struct work w = work_new();
    struct sink_file *f = NULL;

    CHECK_OK(sink_begin(w.sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_write(f, 0, "hello", 5, 5, &err), &err);
    CHECK_FAILS(sink_finish(f, 4, &err), &err, "5 were written");
    sink_discard(f);
    check_failed_for_good(&w, "5 were written");
}

/* What cannot be added leaves the archive as it is. */
static void test_add_refused(void)
{
    static const char *const bad[] = {"",     ".",    "..",    "/etc/passwd",
                                      "../x", "d/..", "d/e/f", "d/"};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_work_ struct work w = work_new();

    CHECK_EQ_INT(run(&w.lab, "mkdir d && echo x >d/x && ln -s x d/link && "
                             "ln -s d dlink && mkfifo fifo"),
                 0);
    for (size_t i = 0; i < array_size(bad); i++)
        CHECK_FAILS(zip_sink_add_file(w.sink, w.lab.dirfd, bad[i], &err), &err,
                    "cannot be the name");
    CHECK_EQ_INT(zip_sink_add_file(w.sink, w.lab.dirfd, "none", &err), -1);
    CHECK_EQ_INT(err.kind, ERR_SYSTEM);
    CHECK_EQ_INT(err.code, ENOENT);
    error_clear(&err);
    CHECK_FAILS(zip_sink_add_file(w.sink, w.lab.dirfd, "e/x", &err), &err,
                "No such file");
    CHECK_FAILS(zip_sink_add_file(w.sink, w.lab.dirfd, "d/link", &err), &err,
                "symbolic");
    CHECK_FAILS(zip_sink_add_file(w.sink, w.lab.dirfd, "dlink/x", &err), &err,
                "Not a directory");
    CHECK_FAILS(zip_sink_add_file(w.sink, w.lab.dirfd, "fifo", &err), &err,
                "not a regular file");
    CHECK_FAILS(zip_sink_add_file(w.sink, w.lab.dirfd, "d", &err), &err,
                "not a regular file");
    CHECK_OK(zip_sink_add_file(w.sink, w.lab.dirfd, "d/x", &err), &err);
    CHECK_OK(zip_sink_close(w.sink, &err), &err);
    CHECK_EQ_INT(run(&w.lab, "test \"$(unzip -p a.zip d/x)\" = x"), 0);
}

/* A file that changes while it is added: the other thread waits until the pipe
 * is full, changes it, and lets the reader go on.
 */
struct changer {
    const struct lab *lab;
    int fd[2];
    off_t size; /* to be given to the file */
};

static void *change_and_read(void *opaque)
{
    struct changer *c = opaque;
    _cleanup_close_ int out = create(c->lab, "a.zip");
    char buffer[65536];
    ssize_t n = 0;

    wait_until_full(c->fd[1]);
    if (run(c->lab, "truncate -s %lld log", (long long)c->size) != 0)
        abort();
    while ((n = read(c->fd[0], buffer, sizeof(buffer))) > 0)
        if (file_write_full(out, buffer, (size_t)n) < 0)
            abort();
    return NULL;
}

static int add_changing(const struct lab *lab, off_t size, struct error *err)
{
    _cleanup_free_ unsigned char *bytes = pattern(MIB, 3);
    struct changer c = {.lab = lab, .size = size};
    struct sink *sink = NULL;
    pthread_t thread;
    int result = 0;

    put(lab, "log", bytes, MIB);
    if (pipe2(c.fd, O_CLOEXEC) < 0 ||
        pthread_create(&thread, NULL, change_and_read, &c) != 0)
        abort();
    result = zip_sink_new(c.fd[1], &sink, err);
    if (result == 0)
        result = zip_sink_add_file(sink, lab->dirfd, "log", err);
    if (result == 0)
        result = zip_sink_close(sink, err);
    sink_free(sink);
    close(c.fd[1]);
    pthread_join(thread, NULL);
    close(c.fd[0]);
    return result;
}

static void test_growing(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();

    CHECK_OK(add_changing(&lab, 2 * MIB, &err), &err);
    CHECK_EQ_INT(run(&lab, "unzip -p a.zip log >got && truncate -s 1M log && "
                           "cmp log got"),
                 0);
}

static void test_shrinking(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();

    CHECK_FAILS(add_changing(&lab, 70000, &err), &err, "became shorter");
    check_broken(&lab);
}

static void test_terminal(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    _cleanup_close_ int fd = -1;
    _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct sink *sink = NULL;

    REQUIRE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    CHECK_EQ_INT(zip_sink_new(fd, &sink, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_USAGE);
    CHECK_CONTAINS(error_text(&err), "terminal");
    error_clear(&err);
    CHECK_FAILS(zip_sink_new(null, &sink, &err), &err, "not open for writing");
    CHECK_FAILS(zip_sink_new(-1, &sink, &err), &err, "not open for writing");
}

/* A name that is no UTF-8 is an error, not another name. */
static void test_bad_name(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_work_ struct work w = work_new();

    CHECK_FAILS(zip_sink_add_bytes(w.sink, "vm \xff.cpt", "x", 1, &err), &err,
                "'vm \\xff.cpt'");
    CHECK_OK(zip_sink_add_bytes(w.sink, "a\\b 'c'.cpt", "x", 1, &err), &err);
    CHECK_OK(zip_sink_close(w.sink, &err), &err);
    CHECK_EQ_INT(run(&w.lab, "test \"$(bsdtar -tf a.zip | wc -l)\" = 1"), 0);
}

int main(int argc, char **argv)
{
    if (stop_init(NULL) < 0)
        return 1;
    if (argc > 1)
        return write_until_stopped(strcmp(argv[1], "whole") == 0);
    signal(SIGXFSZ, SIG_IGN);
    seed();
    RUN(test_reader_gone);
    RUN(test_full_device);
    RUN(test_size_limit);
    RUN(test_stop);
    RUN(test_second_begin);
    RUN(test_discard);
    RUN(test_free_early);
    RUN(test_backwards);
    RUN(test_finish_short);
    RUN(test_add_refused);
    RUN(test_growing);
    RUN(test_shrinking);
    RUN(test_terminal);
    RUN(test_bad_name);
    return check_result();
}
