/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-lock.c - base/lock, between real processes */
#include "base/lock.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/spawn.h"
#include "check.h"
#include "scratch.h"

static void test_take_and_release(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    int first = -1;
    int second = -1;

    REQUIRE(scratch_make(&s) == 0);
    CHECK_EQ_INT(lock_holder(s.fd, LOCK_NAME), 0);
    CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &first, &err), LOCK_TAKEN);
    CHECK(first >= 0);
    CHECK((fcntl(first, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_EQ_INT(lock_holder(s.fd, LOCK_NAME), getpid());
    CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &second, &err), LOCK_HELD);
    CHECK_EQ_INT(second, -1);
    lock_release(&first);
    CHECK_EQ_INT(first, -1);
    lock_release(&first);
    CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &second, &err), LOCK_TAKEN);
    lock_release(&second);
}

/* A killed owner leaves no lock behind. */
static void test_owner_killed(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int fd = -1;
    int ready[2];
    char c;
    pid_t pid;

    REQUIRE(scratch_make(&s) == 0 && pipe(ready) == 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int own = -1;
        int taken = lock_take(s.fd, LOCK_NAME, &own, NULL) == LOCK_TAKEN;

        if (write(ready[1], taken ? "y" : "n", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    REQUIRE(read(ready[0], &c, 1) == 1);
    CHECK_EQ_INT(c, 'y');
    CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &fd, &err), LOCK_HELD);
    CHECK_EQ_INT(lock_holder(s.fd, LOCK_NAME), pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &fd, &err), LOCK_TAKEN);
    close(ready[0]);
    close(ready[1]);
}

/* A child that outlives us does not keep it. */
static void test_not_inherited(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_(child_freep) struct child *child = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *const argv[] = {"sleep", "1000", NULL};
    struct spawn_request req = {.argv = argv};
    int fd = -1;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(lock_take(s.fd, LOCK_NAME, &fd, &err) == LOCK_TAKEN);
    REQUIRE(spawn_start(&req, &child, &err) == 0);
    lock_release(&fd);
    CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &fd, &err), LOCK_TAKEN);
    CHECK(child_running(child));
    lock_release(&fd);
}

static void test_refused(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    int fd = -1;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(symlinkat("elsewhere", s.fd, LOCK_NAME) == 0);
    CHECK_FAILS(lock_take(s.fd, LOCK_NAME, &fd, &err), &err, "lock file");
    CHECK_EQ_INT(scratch_count(&s), 1);
    REQUIRE(unlinkat(s.fd, LOCK_NAME, 0) == 0);
    REQUIRE(mkfifoat(s.fd, LOCK_NAME, 0600) == 0);
    CHECK_FAILS(lock_take(s.fd, LOCK_NAME, &fd, &err), &err,
                "not a regular file");
    CHECK_EQ_INT(lock_holder(s.fd, LOCK_NAME), 0);
    CHECK_EQ_INT(fd, -1);
}

static void test_read_only(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int dir = -1;
    int fd = -1;

    REQUIRE(scratch_make(&s) == 0);
    if (geteuid() == 0) {
        if (mount("none", s.path, "tmpfs", MS_RDONLY, NULL) < 0) {
            printf("# mounting is not allowed here: not tested\n");
            return;
        }
        dir = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_EQ_INT(lock_take(dir, LOCK_NAME, &fd, &err), LOCK_READ_ONLY);
        closep(&dir);
        CHECK_EQ_INT(umount(s.path), 0);
    } else {
        REQUIRE(fchmod(s.fd, 0500) == 0);
        CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &fd, &err), LOCK_READ_ONLY);
        REQUIRE(fchmod(s.fd, 0700) == 0);
    }
    CHECK_EQ_INT(fd, -1);
}

/* A lock file of another user in a directory that we may write in: no lock, and
 * no pretence that nobody writes there.
 */
static void check_foreign(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    int fd = -1;

    REQUIRE(scratch_make(&s) == 0 && fchmod(s.fd, 01777) == 0);
    REQUIRE(scratch_put(&s, LOCK_NAME, "") == 0);
    REQUIRE(seteuid(65534) == 0);
    CHECK_FAILS(lock_take(s.fd, LOCK_NAME, &fd, &err), &err,
                "opening lock file '" LOCK_NAME "': Permission denied");
    REQUIRE(seteuid(0) == 0 && fchmod(s.fd, 0755) == 0 && seteuid(65534) == 0);
    CHECK_EQ_INT(lock_take(s.fd, LOCK_NAME, &fd, &err), LOCK_READ_ONLY);
    CHECK_EQ_INT(lock_take(s.fd, "other", &fd, &err), LOCK_READ_ONLY);
    CHECK_EQ_INT(seteuid(0), 0);
}

static void test_foreign(void)
{
    if (geteuid() == 0)
        check_foreign();
    else
        printf("# not root: not tested\n");
}

int main(void)
{
    RUN(test_take_and_release);
    RUN(test_owner_killed);
    RUN(test_not_inherited);
    RUN(test_refused);
    RUN(test_read_only);
    RUN(test_foreign);
    return check_result();
}
