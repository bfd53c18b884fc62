/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-host.c - runtime directories: who may, and what is never removed */
#include "host/host.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "check.h"
#include "scratch.h"

#define NOBODY 65534

static unsigned mode_of(const char *path)
{
    struct stat st = {0};

    return lstat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void test_make_and_remove(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *a = NULL;
    _cleanup_free_ char *b = NULL;
    mode_t old = umask(0777);
    char file[128];

    CHECK_OK(host_runtime_dir((uid_t)-1, (gid_t)-1, &a, &err), &err);
    umask(old);
    REQUIRE(a);
    CHECK_EQ_U64(mode_of(a), 0700);
    CHECK_OK(host_runtime_dir(geteuid(), getegid(), &b, &err), &err);
    REQUIRE(b);
    CHECK(strcmp(a, b) != 0);
    CHECK_EQ_U64(mode_of(b), 0700);
    CHECK_FAILS(host_runtime_make(a, (uid_t)-1, (gid_t)-1, &err), &err,
                "exists");
    snprintf(file, sizeof(file), "%s/nbd", a);
    put_file(file, "x");
    CHECK_OK(host_remove_dir(NULL, a, &err), &err);
    CHECK(!is_there(a));
    CHECK_OK(host_remove_dir(NULL, a, &err), &err);
    CHECK_OK(host_remove_dir(NULL, b, &err), &err);
}

/* Whoever wrote the name: only ours are removed. */
static void test_other_names(void)
{
    static const char *const bad[] = {
        "",
        "/",
        "/etc",
        "/var/tmp",
        HOST_RUNTIME_PREFIX,
        HOST_RUNTIME_PREFIX "0123456789abcde",
        HOST_RUNTIME_PREFIX "0123456789abcdef0",
        HOST_RUNTIME_PREFIX "0123456789ABCDEF",
        HOST_RUNTIME_PREFIX "0123456789abcdef/",
        HOST_RUNTIME_PREFIX "0123456789abcdef/../x",
        HOST_RUNTIME_PREFIX "../../../tmp/victim",
        "var/tmp/virtnbdbackup.0123456789abcdef",
        "/tmp/virtnbdbackup.0123456789abcdef",
    };
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(bad); i++) {
        CHECK_FAILS(host_remove_dir(NULL, bad[i], &err), &err,
                    "is not the name");
        CHECK_FAILS(host_runtime_make(bad[i], (uid_t)-1, (gid_t)-1, &err), &err,
                    "is not the name");
    }
}

/* A link in it is removed, not followed; a directory in it is not entered; a
 * link instead of it is not followed.
 */
/* covers: S1:FIDR C11:FID */
static void test_traps(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *dir = NULL;
    const char *outside = scratch_path("outside");
    char name[128];

    put_file(outside, "precious");
    CHECK_OK(host_runtime_dir((uid_t)-1, (gid_t)-1, &dir, &err), &err);
    REQUIRE(dir);
    snprintf(name, sizeof(name), "%s/link", dir);
    CHECK(symlink(outside, name) == 0);
    snprintf(name, sizeof(name), "%s/dirlink", dir);
    CHECK(symlink(scratch, name) == 0);
    CHECK_OK(host_remove_dir(NULL, dir, &err), &err);
    CHECK(!is_there(dir));

    CHECK(mkdir(dir, 0700) == 0);
    snprintf(name, sizeof(name), "%s/sub", dir);
    CHECK(mkdir(name, 0700) == 0);
    CHECK_FAILS(host_remove_dir(NULL, dir, &err), &err, "/sub'");
    CHECK(is_there(name));
    CHECK(rmdir(name) == 0 && rmdir(dir) == 0);

    CHECK(symlink(scratch, dir) == 0);
    CHECK_FAILS(host_remove_dir(NULL, dir, &err), &err, "open");
    CHECK_FAILS(host_runtime_make(dir, (uid_t)-1, (gid_t)-1, &err), &err,
                "exists");
    CHECK(unlink(dir) == 0);
    CHECK_STR(file_text(outside), "precious");
}

/* As root it is given away, as somebody else it is opened a crack. */
/* covers: S1:FIDR */
static void test_owner(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *dir = NULL;
    struct stat st = {0};
    int status = -1;
    pid_t pid;

    if (geteuid() != 0) {
        CHECK_OK(host_runtime_dir(0, 0, &dir, &err), &err);
        REQUIRE(dir);
        CHECK_EQ_U64(mode_of(dir), 01733);
        CHECK_OK(host_remove_dir(NULL, dir, &err), &err);
        return;
    }
    CHECK_OK(host_runtime_dir(NOBODY, NOBODY, &dir, &err), &err);
    REQUIRE(dir);
    CHECK(lstat(dir, &st) == 0 && st.st_uid == NOBODY && st.st_gid == NOBODY);
    CHECK_EQ_U64(mode_of(dir), 0700);
    CHECK_OK(host_remove_dir(NULL, dir, &err), &err);

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        char *own = NULL;

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0 ||
            host_runtime_dir(0, 0, &own, NULL) < 0)
            _exit(1);
        _exit(mode_of(own) == 01733 && host_remove_dir(NULL, own, NULL) == 0 &&
                      !is_there(own)
                  ? 0
                  : 2);
    }
    waitpid(pid, &status, 0);
    CHECK_EQ_INT(status, 0);
}

static void test_sync(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *path = scratch_path("file");

    CHECK_FAILS(host_sync_file(NULL, path, &err), &err, "No such file");
    put_file(path, "x");
    CHECK_OK(host_sync_file(NULL, path, &err), &err);
}

int main(void)
{
    scratch_begin();
    RUN(test_make_and_remove);
    RUN(test_other_names);
    RUN(test_traps);
    RUN(test_owner);
    RUN(test_sync);
    return check_result();
}
