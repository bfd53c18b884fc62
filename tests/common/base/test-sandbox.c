/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-sandbox.c - base/sandbox, each time in a process of its own */
#include "base/sandbox.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/spawn.h"
#include "check.h"
#include "scratch.h"

struct places {
    struct scratch in;
    struct scratch out;
};

static bool can_read(const struct scratch *s)
{
    _cleanup_close_ int fd = openat(s->fd, "old", O_RDONLY);

    return fd >= 0;
}

static bool can_change(const struct scratch *s)
{
    _cleanup_close_ int fd = openat(s->fd, "new", O_WRONLY | O_CREAT, 0600);

    return fd >= 0 && renameat(s->fd, "new", s->fd, "newer") == 0 &&
           unlinkat(s->fd, "newer", 0) == 0;
}

static bool can_run(const char *program, const char *argument)
{
    const char *const argv[] = {program, argument, NULL};
    const struct spawn_request req = {.argv = argv};

    return spawn_run(&req, -1, NULL, NULL, NULL) == 0;
}

/* Can a child write to `file` that may write to `place` alone? */
static bool touches(const char *file, const char *place)
{
    const char *const argv[] = {"touch", file, NULL};
    const char *const writes[] = {place, NULL};
    const struct spawn_request req = {.argv = argv, .writes = writes};

    return spawn_run(&req, -1, NULL, NULL, NULL) == 0;
}

/* Bits of what was possible: the process ends with them as its status. */
static int look(enum sandbox_kind kind, const struct places *p)
{
    const char *const paths[] = {p->in.path, "/nonexistent", NULL};
    char touched[128];
    int r = sandbox_enter(kind, paths, NULL);

    if (r <= 0)
        return r == 0 ? 77 : 99;
    snprintf(touched, sizeof(touched), "%s/child", p->out.path);
    return can_read(&p->in) << 0 | can_change(&p->in) << 1 |
           can_read(&p->out) << 2 | can_change(&p->out) << 3 |
           can_run("true", NULL) << 4 | can_run("touch", touched) << 5;
}

static int look_apart(enum sandbox_kind kind, const struct places *p)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(look(kind, p));
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 98;
    return WEXITSTATUS(status);
}

static void check_kind(enum sandbox_kind kind, int expected)
{
    _cleanup_(scratch_done) struct scratch in = SCRATCH_INIT;
    _cleanup_(scratch_done) struct scratch out = SCRATCH_INIT;
    struct places p;
    int found;

    REQUIRE(scratch_make(&in) == 0 && scratch_make(&out) == 0);
    REQUIRE(file_replace(in.fd, "old", "x", 1, 0600, NULL) == 0 &&
            file_replace(out.fd, "old", "x", 1, 0600, NULL) == 0);
    p = (struct places){in, out};
    found = look_apart(kind, &p);
    if (found == 77) {
        printf("# this kernel has no Landlock\n");
        return;
    }
    CHECK_EQ_INT(found, expected);
    CHECK(can_change(&out)); /* we ourselves are free */
}

static void test_reader(void)
{
    check_kind(SANDBOX_READER, 1);
}

static void test_writer(void)
{
    check_kind(SANDBOX_WRITER, 1 | 2 | 4 | 16);
}

/* Only the child is restricted, and it is not we who notice. */
static void test_child(void)
{
    _cleanup_(scratch_done) struct scratch in = SCRATCH_INIT;
    _cleanup_(scratch_done) struct scratch out = SCRATCH_INIT;
    char inside[128], outside[128];
    int fd = -1;

    REQUIRE(scratch_make(&in) == 0 && scratch_make(&out) == 0);
    if (sandbox_prepare(SANDBOX_WRITER, &(const char *){NULL}, &fd, NULL) ==
        0) {
        printf("# this kernel has no Landlock\n");
        return;
    }
    close(fd);
    snprintf(inside, sizeof(inside), "%s/child", in.path);
    snprintf(outside, sizeof(outside), "%s/child", out.path);
    CHECK(touches(inside, in.path));
    CHECK(!touches(outside, in.path));
    REQUIRE(unlink(inside) == 0);
    CHECK(!touches(inside, NULL));
    CHECK(can_change(&in) && can_change(&out));
}

int main(void)
{
    RUN(test_reader);
    RUN(test_writer);
    RUN(test_child);
    return check_result();
}
