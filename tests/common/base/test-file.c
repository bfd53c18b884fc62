/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-file.c - base/file, on a real file system */
#include "base/file.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/text.h"
#include "base/workers.h"
#include "check.h"
#include "scratch.h"

#define BIG (3 * 1000 * 1000 + 7)

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 2654435761U >> 13);
}

struct stream {
    int fd;
    size_t length;
};

/* Write the pattern in small odd pieces and close. */
static void *write_pieces(void *opaque)
{
    struct stream *s = opaque;
    unsigned char piece[977];
    size_t at = 0;

    while (at < s->length) {
        size_t n = MIN_OF(sizeof(piece), s->length - at);

        for (size_t i = 0; i < n; i++)
            piece[i] = pattern(at + i);
        if (write(s->fd, piece, n) != (ssize_t)n)
            break;
        at += n;
    }
    close(s->fd);
    return NULL;
}

/* covers: A4:FIDR */
static void test_short_reads(void)
{
    _cleanup_free_ unsigned char *buffer = malloc(BIG + 10);
    struct stream s = {-1, BIG};
    pthread_t thread;
    int fds[2];
    size_t wrong = 0;

    REQUIRE(buffer && pipe(fds) == 0);
    s.fd = fds[1];
    REQUIRE(thread_start(&thread, "writer", write_pieces, &s, NULL) == 0);
    /* One read is short; the whole stops at the end and not before. */
    CHECK_EQ_INT(file_read_full(fds[0], buffer, 1000000), 1000000);
    CHECK_EQ_INT(file_read_full(fds[0], buffer + 1000000, BIG - 999990),
                 BIG - 1000000);
    for (size_t i = 0; i < BIG; i++)
        wrong += buffer[i] != pattern(i);
    CHECK_EQ_U64(wrong, 0);
    CHECK_EQ_INT(file_read_full(fds[0], buffer, 1), 0);
    pthread_join(thread, NULL);
    close(fds[0]);
}

/* Read in small pieces, check against the pattern, count what is right. */
static void *read_pieces(void *opaque)
{
    struct stream *s = opaque;
    unsigned char piece[1013];
    ssize_t n;

    while ((n = read(s->fd, piece, sizeof(piece))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            s->length += piece[i] == pattern(s->length);
    }
    return NULL;
}

static void check_short_writes(int flags)
{
    _cleanup_free_ unsigned char *buffer = malloc(BIG);
    struct stream s = {-1, 0};
    pthread_t thread;
    int fds[2];

    REQUIRE(buffer && pipe2(fds, 0) == 0);
    /* Only our end: both have their own flags. */
    REQUIRE(fcntl(fds[1], F_SETFL, flags) == 0);
    for (size_t i = 0; i < BIG; i++)
        buffer[i] = pattern(i);
    s.fd = fds[0];
    REQUIRE(thread_start(&thread, "reader", read_pieces, &s, NULL) == 0);
    CHECK_EQ_INT(file_write_full(fds[1], buffer, BIG), 0);
    close(fds[1]);
    pthread_join(thread, NULL);
    CHECK_EQ_U64(s.length, BIG);
    close(fds[0]);
}

/* covers: A4:FIDR */
static void test_short_writes(void)
{
    check_short_writes(0);
    check_short_writes(
        O_NONBLOCK); /* a full pipe then writes half, or EAGAIN */
}

static void test_positional(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_close_ int fd = -1;
    char buffer[16] = "";

    REQUIRE(scratch_make(&s) == 0);
    fd = openat(s.fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    CHECK_EQ_INT(file_pwrite_full(fd, "hello", 5, 100), 0);
    CHECK_EQ_INT(file_pread_full(fd, buffer, 16, 100), 5);
    CHECK_STR(buffer, "hello");
    CHECK_EQ_INT(file_pread_full(fd, buffer, 16, 105), 0);
    CHECK_EQ_INT(file_pread_full(fd, buffer, 16, UINT64_MAX - 3), -1);
    CHECK_EQ_INT(file_pwrite_full(fd, "x", 1, UINT64_MAX), -1);
    CHECK_EQ_INT(errno, EFBIG);
    close(take_fd(fd));
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK_EQ_INT(file_write_full(fd, "x", 1), -1);
    CHECK_EQ_INT(errno, ENOSPC);
}

static void test_read_all(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    char *text = NULL;
    size_t length = 77;
    size_t max;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(scratch_put(&s, "empty", "") == 0);
    CHECK_OK(file_read_all(s.fd, "empty", 0, &text, &length, &err), &err);
    CHECK_STR(text, "");
    CHECK_EQ_U64(length, 0);
    free(take(text));
    /* Around the sizes of its buffer. */
    for (max = 4095; max <= 8193; max += max == 4097 ? 4094 : 1) {
        char *long_text = calloc(1, max + 2);

        memset(long_text, 'x', max);
        REQUIRE(scratch_put(&s, "f", long_text) == 0);
        CHECK_OK(file_read_all(s.fd, "f", max, &text, &length, &err), &err);
        CHECK_EQ_U64(length, max);
        CHECK_STR(text, long_text);
        free(take(text));
        CHECK_FAILS(file_read_all(s.fd, "f", max - 1, &text, &length, &err),
                    &err, "larger than");
        free(long_text);
    }
    CHECK(text == NULL);
    /* Files whose size says nothing. */
    CHECK_OK(file_read_all(AT_FDCWD, "/proc/self/status", 65536, &text, &length,
                           &err),
             &err);
    CHECK_CONTAINS(text, "VmPeak");
    free(take(text));
    CHECK_FAILS(
        file_read_all(AT_FDCWD, "/proc/self/status", 10, &text, &length, &err),
        &err, "larger than 10 bytes");
}

static void test_read_all_refuses(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    char *text = NULL;
    size_t length = 0;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(scratch_put(&s, "f", "x") == 0);
    REQUIRE(symlinkat("f", s.fd, "link") == 0);
    REQUIRE(mkfifoat(s.fd, "pipe", 0600) == 0);
    REQUIRE(mkdirat(s.fd, "dir", 0700) == 0);
    CHECK_EQ_INT(file_read_all(s.fd, "none", 10, &text, &length, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_SYSTEM);
    CHECK_EQ_INT(err.code, ENOENT);
    CHECK_FAILS(file_read_all(s.fd, "link", 10, &text, &length, &err), &err,
                "'link': it is a symbolic link");
    CHECK_FAILS(file_read_all(s.fd, "pipe", 10, &text, &length, &err), &err,
                "not a regular file"); /* and did not wait for a writer */
    CHECK_FAILS(file_read_all(s.fd, "dir", 10, &text, &length, &err), &err,
                "not a regular file");
    CHECK(text == NULL);
}

static void test_publish(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct new_file nf = NEW_FILE_INIT;
    _cleanup_free_ char *text = NULL;
    struct stat st;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(file_create(s.fd, "a.json", 0640, &nf, &err) == 0);
    CHECK(file_name_is_temporary(nf.temp));
    CHECK(strncmp(nf.temp, "a.json.new-", 11) == 0);
    CHECK(faccessat(s.fd, "a.json", F_OK, 0) < 0);
    CHECK_EQ_INT(file_write_full(nf.fd, "one", 3), 0);
    CHECK_OK(file_publish(&nf, FILE_NOREPLACE, &err), &err);
    CHECK(nf.temp == NULL && nf.name == NULL && nf.fd == -1);
    text = scratch_get(&s, "a.json");
    CHECK_STR(text, "one");
    CHECK_EQ_INT(scratch_count(&s), 1);
    CHECK(fstatat(s.fd, "a.json", &st, 0) == 0 && (st.st_mode & 0137) == 0);

    /* The name is taken: both stay, until ours is discarded. */
    REQUIRE(file_create(s.fd, "a.json", 0600, &nf, &err) == 0);
    CHECK_EQ_INT(file_publish(&nf, FILE_NOREPLACE, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    CHECK_CONTAINS(error_text(&err), "'a.json'");
    CHECK_EQ_INT(scratch_count(&s), 2);
    file_discard(&nf);
    CHECK_EQ_INT(scratch_count(&s), 1);
    file_discard(&nf); /* nothing to do */
    free(text);
    text = scratch_get(&s, "a.json");
    CHECK_STR(text, "one");
}

static void test_replace(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    _cleanup_close_ int old = -1;
    char left[8] = "";

    REQUIRE(scratch_make(&s) == 0);
    CHECK_OK(file_replace(s.fd, "vm.cpt", "old", 3, 0600, &err), &err);
    old = openat(s.fd, "vm.cpt", O_RDONLY | O_CLOEXEC);
    CHECK_OK(file_replace(s.fd, "vm.cpt", "newer", 5, 0600, &err), &err);
    text = scratch_get(&s, "vm.cpt");
    CHECK_STR(text, "newer");
    CHECK_EQ_INT(scratch_count(&s), 1);
    /* Who had it open still sees the old one whole. */
    CHECK_EQ_INT(file_read_full(old, left, 7), 3);
    CHECK_STR(left, "old");
    CHECK_FAILS(file_replace(s.fd, "no/such", "x", 1, 0600, &err), &err,
                "creating 'no/such'");
}

/* Upstream and others look for "*.data*": our unfinished files never match. */
static void test_temp_names(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    char longest[NAME_MAX + 1];
    struct new_file nf = NEW_FILE_INIT;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(file_create(s.fd, "vda.full.data.chksum", 0600, &nf, &err) == 0);
    CHECK(strncmp(nf.temp, "vda.full.new-", 13) == 0);
    CHECK(strstr(nf.temp, ".data") == NULL);
    CHECK_OK(file_publish(&nf, FILE_NOREPLACE, &err), &err);
    CHECK(faccessat(s.fd, "vda.full.data.chksum", F_OK, 0) == 0);
    memset(longest, 'n', NAME_MAX);
    longest[NAME_MAX] = '\0';
    CHECK_OK(file_replace(s.fd, longest, "x", 1, 0600, &err), &err);
    CHECK(faccessat(s.fd, longest, F_OK, 0) == 0);

    CHECK(file_name_is_temporary("x.new-0123456789abcdef"));
    CHECK(!file_name_is_temporary("x.new-0123456789abcdeg"));
    CHECK(!file_name_is_temporary("x.new-0123456789abcdef0"));
    CHECK(!file_name_is_temporary("vda.full.data"));
    CHECK(!file_name_is_temporary(".new-"));
}

static void test_rename(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *a = NULL;
    _cleanup_free_ char *b = NULL;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(scratch_put(&s, "a", "A") == 0);
    REQUIRE(scratch_put(&s, "b", "B") == 0);
    CHECK_EQ_INT(file_rename_noreplace(s.fd, "a", "b", &err), -1);
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    a = scratch_get(&s, "a");
    b = scratch_get(&s, "b");
    CHECK_STR(a, "A");
    CHECK_STR(b, "B");
    CHECK_OK(file_rename_noreplace(s.fd, "a", "c", &err), &err);
    CHECK_EQ_INT(scratch_count(&s), 2);
    CHECK_EQ_INT(file_rename_noreplace(s.fd, "a", "d", &err), -1);
    CHECK_EQ_INT(err.code, ENOENT);
    CHECK_OK(file_sync_dir(s.fd, &err), &err);
    CHECK_OK(file_sync_dir(AT_FDCWD, &err), &err);
}

/* Something without fsync is fine, something that is not open is not. */
static void test_sync(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int fd = -1;

    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK_EQ_INT(fsync(fd), -1); /* what this test rests on */
    CHECK_OK(file_sync(fd, "null", &err), &err);
    CHECK_FAILS(file_sync(-1, "gone", &err), &err, "syncing 'gone'");
}

static void test_directories(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = NULL;
    _cleanup_free_ char *file = NULL;
    _cleanup_close_ int fd = -1;
    struct stat st;

    REQUIRE(scratch_make(&s) == 0);
    path = text_dup_printf("%s/a//b/c/", s.path);
    file = text_dup_printf("%s/file/x", s.path);
    CHECK_OK(dir_make(path, 0700, &err), &err);
    CHECK_OK(dir_make(path, 0700, &err), &err); /* again */
    CHECK(stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
          (st.st_mode & 0777) == 0700);
    umask(0077);
    *strrchr(path, '/') = 'd';
    CHECK_OK(dir_make(path, 0711, &err), &err);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0711);
    umask(0022);
    fd = dir_open(path, &err);
    CHECK(fd >= 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_OK(dir_make("/", 0700, &err), &err);
    CHECK_OK(dir_make(".", 0700, &err), &err);
    CHECK_FAILS(dir_make("", 0700, &err), &err, "without a name");

    REQUIRE(scratch_put(&s, "file", "x") == 0);
    CHECK_FAILS(dir_make(file, 0700, &err), &err, "no directory");
    *strrchr(file, '/') = '\0';
    CHECK_EQ_INT(dir_make(file, 0700, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_EQ_INT(dir_open(file, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_CONTAINS(error_text(&err), "Not a directory");
    CHECK_EQ_INT(dir_open("/no/such", &err), -1);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
}

static void test_leaf(void)
{
    char longest[NAME_MAX + 2];

    memset(longest, 'n', sizeof(longest) - 1);
    longest[NAME_MAX + 1] = '\0';
    CHECK(!name_is_leaf(longest));
    longest[NAME_MAX] = '\0';
    CHECK(name_is_leaf(longest));
    CHECK(name_is_leaf("vda.full.data"));
    CHECK(name_is_leaf("..."));
    CHECK(name_is_leaf("Grüße 1"));
    CHECK(!name_is_leaf(""));
    CHECK(!name_is_leaf("."));
    CHECK(!name_is_leaf(".."));
    CHECK(!name_is_leaf("a/b"));
    CHECK(!name_is_leaf("/"));
    CHECK(!name_is_leaf("a\nb"));
    CHECK(!name_is_leaf("\177"));
}

/* covers: F15:R */
static void test_open_below(void)
{
    static const char *const out[] = {
        "../",    "..",   "sub/../../x",    "/etc/passwd",
        "link/f", "link", "/proc/self/root"};
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_close_ int fd = -1;

    REQUIRE(scratch_make(&s) == 0 && mkdirat(s.fd, "sub", 0700) == 0 &&
            symlinkat("sub", s.fd, "link") == 0);
    REQUIRE(file_replace(s.fd, "f", "x", 1, 0600, NULL) == 0);
    fd = file_open_below(s.fd, "f", O_RDONLY);
    CHECK(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    for (size_t i = 0; i < array_size(out); i++) {
        _cleanup_close_ int wrong = file_open_below(s.fd, out[i], O_RDONLY);

        CHECK_EQ_INT(wrong, -1);
        CHECK(errno == EXDEV || errno == ELOOP);
    }
}

int main(void)
{
    RUN(test_short_reads);
    RUN(test_short_writes);
    RUN(test_positional);
    RUN(test_read_all);
    RUN(test_read_all_refuses);
    RUN(test_publish);
    RUN(test_replace);
    RUN(test_temp_names);
    RUN(test_rename);
    RUN(test_sync);
    RUN(test_directories);
    RUN(test_leaf);
    RUN(test_open_below);
    return check_result();
}
