/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-spawn.c - base/spawn, with real children */
#include "base/spawn.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/stop.h"
#include "base/text.h"
#include "base/workers.h"
#include "check.h"
#include "scratch.h"

/* Run a shell script; both outputs are the caller's. */
static int run(const char *script, int timeout_ms, char **out, char **errors,
               struct error *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct spawn_request req = {.argv = argv};

    return spawn_run(&req, timeout_ms, out, errors, err);
}

static struct child *start(const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct spawn_request req = {.argv = argv};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct child *c = NULL;

    CHECK_OK(spawn_start(&req, &c, &err), &err);
    return c;
}

static int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void test_output(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    _cleanup_free_ char *errors = NULL;

    CHECK_OK(run("echo hello; echo careful >&2", 10000, &out, &errors, &err),
             &err);
    CHECK_STR(out, "hello\n");
    CHECK_STR(errors, "careful\n");
    CHECK_OK(run("echo dropped; echo dropped >&2", 10000, NULL, NULL, &err),
             &err);
}

static void test_failures(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char *out = NULL;
    const char *const none[] = {"/no/such/program", NULL};
    const char *const unfound[] = {"no-such-program-anywhere", NULL};
    struct spawn_request req = {.argv = none};

    CHECK_EQ_INT(run("echo first >&2; echo 'the reason' >&2; echo >&2; exit 3",
                     10000, &out, NULL, &err),
                 -1);
    CHECK_EQ_INT(err.kind, ERR_CHILD);
    CHECK_EQ_INT(err.code, 3);
    CHECK_STR(error_text(&err), "'sh' failed with status 3: the reason");
    CHECK_EQ_INT(run("exit 1", 10000, &out, NULL, &err), -1);
    CHECK_STR(error_text(&err), "'sh' failed with status 1");
    CHECK_EQ_INT(run("kill -9 $$", 10000, &out, NULL, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_CHILD);
    CHECK_EQ_INT(err.code, 128 + SIGKILL);
    CHECK_STR(error_text(&err), "'sh' was killed by SIGKILL");
    CHECK_EQ_INT(spawn_run(&req, 10000, &out, NULL, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_SYSTEM);
    CHECK_EQ_INT(err.code, ENOENT);
    CHECK_CONTAINS(error_text(&err), "running '/no/such/program': No such");
    req.argv = unfound;
    CHECK_FAILS(spawn_run(&req, 10000, &out, NULL, &err), &err, "No such");
    CHECK(out == NULL);
}

/* More than any pipe holds goes in and comes out at the same time. */
static void test_big_input(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    size_t length = 5 * 1000 * 1000;
    _cleanup_free_ char *input = malloc(length + 1);
    const char *const argv[] = {"cat", NULL};
    const char *const deaf[] = {"true", NULL};
    struct spawn_request req = {.argv = argv};

    REQUIRE(input != NULL);
    for (size_t i = 0; i < length; i++)
        input[i] = (char)('a' + i % 23);
    input[length] = '\0';
    req.input = input;
    req.input_len = length;
    CHECK_OK(spawn_run(&req, 30000, &out, NULL, &err), &err);
    REQUIRE(out != NULL);
    CHECK_EQ_U64(strlen(out), length);
    CHECK_MEM(out, input, length);
    /* A child that does not read it does no harm: nobody dies of SIGPIPE. */
    req.argv = deaf;
    CHECK_OK(spawn_run(&req, 30000, NULL, NULL, &err), &err);
    req.argv = argv;
    req.input = "";
    req.input_len = 0;
    free(take(out));
    CHECK_OK(spawn_run(&req, 30000, &out, NULL, &err), &err);
    CHECK_STR(out, "");
}

static void test_too_much_output(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char *out = NULL;

    CHECK_EQ_INT(run("yes", 60000, &out, NULL, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_CHILD);
    CHECK_CONTAINS(error_text(&err), "more than 16 MiB");
    CHECK(out == NULL);
}

/* Much on stderr blocks nobody; the end of it is kept. */
static void test_much_stderr(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *errors = NULL;

    CHECK_OK(run("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo END >&2",
                 30000, NULL, &errors, &err),
             &err);
    REQUIRE(errors != NULL);
    CHECK_EQ_U64(strlen(errors), 65536);
    CHECK_STR(errors + 65536 - 5, "xEND\n");
}

/* Its whole group goes, and soon. */
static void test_timeout(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_free_ char *script = NULL;
    _cleanup_free_ char *pid = NULL;
    int64_t begin;

    REQUIRE(scratch_make(&s) == 0);
    script = text_dup_printf(
        "sleep 1000 & echo $! > %s/pid; echo started >&2; wait", s.path);
    begin = clock_ms();
    CHECK_EQ_INT(run(script, 500, NULL, NULL, &err), -1);
    CHECK(clock_ms() - begin < 10000);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    CHECK_CONTAINS(error_text(&err), "'sh' did not end within 500 ms");
    pid = scratch_get(&s, "pid");
    REQUIRE(pid != NULL && atoi(pid) > 0);
    /* The grandchild was killed; whoever adopts it may take a moment. */
    for (int i = 0; i < 500 && kill(atoi(pid), 0) == 0; i++) {
        _cleanup_free_ char *path = text_dup_printf("/proc/%d/stat", atoi(pid));
        _cleanup_free_ char *stat = scratch_get(&s, path);

        if (stat && strstr(stat, ") Z "))
            return;
        poll(NULL, 0, 10);
        CHECK(i < 499);
    }
}

/* A child ends while something it started still holds its output. */
static void test_daemon_holds_output(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    int64_t begin = clock_ms();

    CHECK_OK(run("sleep 20 & echo $!", 15000, &out, NULL, &err), &err);
    CHECK(clock_ms() - begin < 10000);
    REQUIRE(out != NULL && atoi(out) > 0);
    kill(atoi(out), SIGKILL);
}

/* What a child finds: one table, by its own report. */
static void test_surroundings(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction old;
    sigset_t all;
    sigset_t before;
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */

    setenv("LC_ALL", "de_DE.UTF-8", 1);
    sigaction(SIGUSR1, &ignore, &old);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    CHECK_OK(run("echo $LC_ALL; ls /proc/self/fd | tr '\\n' ' '; echo;"
                 "for s in Blk Ign; do echo $((0x$(sed -n s/^Sig$s:.//p "
                 "/proc/self/status) & ~0x180000000)); done;"
                 "readlink /proc/$$/fd/0 /proc/$$/fd/0; "
                 "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leader",
                 10000, &out, NULL, &err),
             &err);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGUSR1, &old, NULL);
    unsetenv("LC_ALL");
    close(leak);
    /* ls opens the directory as 3; signals 32 and 33 are the C library's own,
     * which nobody can set. */
    CHECK_STR(out, "C\n0 1 2 3 \n0\n0\n"
                   "/dev/null\n/dev/null\nleader\n");
}

static void test_environment(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    const char *const argv[] = {
        "sh", "-c", "echo $ADDED-$REPLACED-$KEPT-$LISTEN_FDS-", NULL};
    const char *const add[] = {"ADDED=1", "REPLACED=2", NULL};
    struct spawn_request req = {.argv = argv, .env_add = add};

    setenv("REPLACED", "old", 1);
    setenv("KEPT", "3", 1);
    setenv("LISTEN_FDS", "9", 1); /* meant for us, not for children */
    CHECK_OK(spawn_run(&req, 10000, &out, NULL, &err), &err);
    unsetenv("LISTEN_FDS");
    CHECK_STR(out, "1-2-3--\n");
    CHECK_STR(getenv("REPLACED"), "old");
}

/* The descriptor is 3, announced to exactly this process, whatever number it
 * had here; ours stays open and as it was.
 */
static void check_pass_fd(int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    const char *const argv[] = {
        "sh", "-c",
        "test $LISTEN_PID = $$ && echo $LISTEN_FDS; cat <&3; "
        "ls /proc/$$/fd | tr '\\n' ' '",
        NULL};
    struct spawn_request req = {.argv = argv, .pass_fd = fd};

    CHECK_OK(spawn_run(&req, 10000, &out, NULL, &err), &err);
    REQUIRE(out != NULL);
    CHECK(strncmp(out, "1\npassed 0 1 2 3 ", 17) == 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

static void test_pass_fd(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_close_ int fd = -1;
    _cleanup_close_ int high = -1;

    REQUIRE(scratch_make(&s) == 0 && scratch_put(&s, "f", "passed ") == 0);
    fd = openat(s.fd, "f", O_RDONLY | O_CLOEXEC);
    high = fcntl(fd, F_DUPFD_CLOEXEC, 700);
    REQUIRE(fd >= 0 && high >= 700);
    check_pass_fd(high);
    REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
    check_pass_fd(fd);
}

/* We may have been started without any of the first descriptors. */
static void test_closed_descriptors(void)
{
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        _cleanup_free_ char *out = NULL;
        _cleanup_free_ char *errors = NULL;

        for (int i = 0; i < 10; i++)
            close(i);
        if (run("echo out; echo err >&2", 10000, &out, &errors, NULL) < 0)
            _exit(1);
        if (strcmp(out, "out\n") != 0 || strcmp(errors, "err\n") != 0)
            _exit(2);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    CHECK_EQ_INT(status, 0);
}

static void test_start_and_stop(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct child *c = start("exec sleep 1000");
    struct pollfd p = {-1, POLLIN, 0};
    pid_t pid;

    REQUIRE(c != NULL);
    pid = child_pid(c);
    p.fd = child_fd(c);
    CHECK(kill(pid, 0) == 0);
    CHECK(child_running(c));
    CHECK_EQ_INT(poll(&p, 1, 0), 0);
    CHECK_EQ_INT(child_wait(c, 20, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    error_clear(&err);
    CHECK_OK(child_stop(c, 10000, &err), &err);
    CHECK(!child_running(c));
    CHECK(kill(pid, 0) < 0);
    CHECK_EQ_INT(poll(&p, 1, 0), 1);
    child_free(c);
}

static void test_ends_by_itself(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(child_freep) struct child *good = start("exit 0");
    _cleanup_(child_freep) struct child *bad = start("echo why >&2; exit 5");
    _cleanup_free_ char *line = NULL;

    REQUIRE(good && bad);
    CHECK_OK(child_wait(good, 10000, &err), &err);
    CHECK_OK(child_wait(good, 10000, &err), &err); /* remembered */
    CHECK_OK(child_stop(good, 10000, &err), &err);
    CHECK_EQ_INT(child_wait(bad, -1, &err), -1);
    CHECK_EQ_INT(err.code, 5);
    CHECK_STR(error_text(&err), "'sh' failed with status 5: why");
    CHECK_EQ_INT(child_stop(bad, 10000, &err), -1);
    CHECK_EQ_INT(err.code, 5);
    line = child_last_line(bad);
    CHECK_STR(line, "why");
}

/* Wait until it says something. */
static void wait_said(const struct child *c)
{
    for (int i = 0; i < 1000; i++) {
        _cleanup_free_ char *line = child_last_line(c);

        if (line && line[0])
            return;
        poll(NULL, 0, 10);
    }
    CHECK_FAIL("the child says nothing");
}

/* Its answer to SIGTERM counts; without an answer it is killed. */
static void test_stop_answers(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(child_freep) struct child *polite = NULL;
    _cleanup_(child_freep) struct child *failing = NULL;
    _cleanup_(child_freep) struct child *deaf = NULL;

    polite = start("trap 'exit 0' TERM; echo ready >&2; "
                   "while :; do sleep 0.01; done");
    failing = start("trap 'echo lost >&2; exit 7' TERM; echo ready >&2; "
                    "while :; do sleep 0.01; done");
    deaf = start("trap '' TERM; echo ready >&2; while :; do sleep 0.01; done");
    REQUIRE(polite && failing && deaf);
    wait_said(polite);
    wait_said(failing);
    wait_said(deaf);
    CHECK_OK(child_stop(polite, 10000, &err), &err);
    CHECK_EQ_INT(child_stop(failing, 10000, &err), -1);
    CHECK_STR(error_text(&err), "'sh' failed with status 7: lost");
    CHECK_EQ_INT(child_stop(deaf, 100, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    CHECK(!child_running(deaf));
}

static void test_free_kills(void)
{
    struct child *c = start("exec sleep 1000");
    pid_t pid;

    REQUIRE(c != NULL);
    pid = child_pid(c);
    child_free(c);
    CHECK(kill(pid, 0) < 0);
    child_free(NULL);
}

/* A server on a socket of ours, as qemu-nbd is started. */
static void test_start_with_input(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(child_freep) struct child *c = NULL;
    const char *const argv[] = {"sh", "-c", "cat >&3", NULL};
    struct spawn_request req = {.argv = argv, .input = "text", .input_len = 4};
    char buffer[8] = "";
    int fds[2];

    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    req.pass_fd = fds[1];
    REQUIRE(spawn_start(&req, &c, &err) == 0);
    close(fds[1]);
    CHECK_EQ_INT(file_read_full(fds[0], buffer, 7), 4); /* to its end */
    CHECK_STR(buffer, "text");
    CHECK_OK(child_wait(c, 10000, &err), &err);
    close(fds[0]);
    req.input_len = 1000000;
    CHECK_FAILS(spawn_start(&req, &c, &err), &err, "too much input");
}

/* Killed without a word, we take such children with us. */
static void test_die_with_us(void)
{
    int fds[2];
    pid_t child = 0;
    pid_t pid;
    char c;

    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        const char *const argv[] = {"sleep", "1000", NULL};
        /* Its descriptor 3 is the pipe's end: as long as it lives, we read. */
        struct spawn_request req = {
            .argv = argv, .pass_fd = fds[1], .die_with_us = true};
        struct child *started = NULL;

        if (spawn_start(&req, &started, NULL) < 0)
            _exit(1);
        child = child_pid(started);
        if (write(fds[1], &child, sizeof(child)) != sizeof(child))
            _exit(1);
        pause();
    }
    close(fds[1]);
    CHECK_EQ_INT(read(fds[0], &child, sizeof(child)), sizeof(child));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK_EQ_INT(read(fds[0], &c, 1), 0);
    close(fds[0]);
}

static void *start_many(void *opaque)
{
    int *good = opaque;

    for (int i = 0; i < 20; i++) {
        _cleanup_free_ char *script =
            text_dup_printf("echo %d; exit %d", i, i % 2);
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *out = NULL;
        int r = run(script, 20000, &out, NULL, &err);

        *good += i % 2 ? r < 0 && err.code == 1 : r == 0 && atoi(out) == i;
    }
    return NULL;
}

/* Threads start children at the same time; none mixes up or hangs on another's
 * pipe.
 */
static void test_threads(void)
{
    pthread_t threads[4];
    int good[4] = {0};

    for (int i = 0; i < 4; i++)
        REQUIRE(thread_start(&threads[i], "s", start_many, &good[i], NULL) ==
                0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ_INT(good[i], 20);
    }
}

/* The last test: the end was asked for, and stays so. */
static void test_stopped(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(child_freep) struct child *c = start("exec sleep 1000");
    int64_t begin = clock_ms();

    REQUIRE(c != NULL);
    stop_request(SIGTERM);
    CHECK_EQ_INT(child_wait(c, -1, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    CHECK(child_running(c));
    CHECK_EQ_INT(run("exec sleep 1000", -1, NULL, NULL, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    CHECK_EQ_INT(err.code, SIGTERM);
    CHECK_CONTAINS(error_text(&err), "running 'sh': ended by SIGTERM");
    CHECK_OK(child_stop(c, 10000, &err), &err); /* works all the same */
    CHECK(clock_ms() - begin < 10000);
}

int main(void)
{
    /* A directory in PATH that we may not enter changes the reason. */
    setenv("PATH", "/usr/bin:/bin", 1);
    if (stop_init(NULL) < 0)
        return 1;
    RUN(test_output);
    RUN(test_failures);
    RUN(test_big_input);
    RUN(test_too_much_output);
    RUN(test_much_stderr);
    RUN(test_timeout);
    RUN(test_daemon_holds_output);
    RUN(test_surroundings);
    RUN(test_environment);
    RUN(test_pass_fd);
    RUN(test_closed_descriptors);
    RUN(test_start_and_stop);
    RUN(test_ends_by_itself);
    RUN(test_stop_answers);
    RUN(test_free_kills);
    RUN(test_start_with_input);
    RUN(test_die_with_us);
    RUN(test_threads);
    RUN(test_stopped);
    return check_result();
}
