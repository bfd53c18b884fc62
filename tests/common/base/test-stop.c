/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-stop.c - base/stop, with real signals
 *
 * The flag is never taken back, so each test is a process of its own.
 */
#include "base/stop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/workers.h"
#include "check.h"

static int in_process(void (*test)(void))
{
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        check_this_failed = false;
        test();
        fflush(stdout);
        _exit(check_this_failed);
    }
    waitpid(pid, &status, 0);
    return status;
}

static int poll_in(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0);
}

static void check_signal(int signo, const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(stop_init(&err), &err);
    CHECK_EQ_INT(stop_requested(), 0);
    CHECK_OK(stop_check(&err), &err);
    CHECK_EQ_INT(poll_in(stop_fd()), 0);
    CHECK_EQ_INT(stop_wait(-1, 0), STOP_TIMEOUT);
    raise(signo);
    CHECK_EQ_INT(stop_requested(), signo);
    CHECK_EQ_INT(poll_in(stop_fd()), 1);
    CHECK_EQ_INT(poll_in(stop_fd()), 1); /* it stays so */
    raise(signo == SIGINT ? SIGTERM : SIGINT);
    CHECK_EQ_INT(stop_requested(), signo); /* the first one counts */
    CHECK_EQ_INT(stop_check(&err), -1);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    CHECK_EQ_INT(err.code, signo);
    CHECK_STR(error_text(&err), text);
    CHECK_EQ_INT(stop_wait(-1, -1), STOP_NOW);
}

static void int_child(void)
{
    check_signal(SIGINT, "ended by SIGINT");
}

static void term_child(void)
{
    check_signal(SIGTERM, "ended by SIGTERM");
}

static void hup_child(void)
{
    check_signal(SIGHUP, "ended by SIGHUP");
}

static void quit_child(void)
{
    check_signal(SIGQUIT, "ended by SIGQUIT");
}

/* covers: B3:FIDCRVM */
static void test_signals(void)
{
    CHECK_EQ_INT(in_process(int_child), 0);
    CHECK_EQ_INT(in_process(term_child), 0);
    CHECK_EQ_INT(in_process(hup_child), 0);
    CHECK_EQ_INT(in_process(quit_child), 0);
}

static void nohup_child(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    signal(SIGHUP, SIG_IGN);
    CHECK_OK(stop_init(&err), &err);
    raise(SIGHUP);
    raise(SIGPIPE);
    CHECK_EQ_INT(stop_requested(), 0);
}

/* covers: B4:FIDCRVM */
static void test_nohup_and_pipe(void)
{
    CHECK_EQ_INT(in_process(nohup_child), 0);
}

static void wait_child(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int fds[2];

    CHECK_OK(stop_init(&err), &err);
    REQUIRE(pipe(fds) == 0);
    CHECK_EQ_INT(stop_wait(fds[0], 20), STOP_TIMEOUT);
    CHECK_EQ_INT(write(fds[1], "x", 1), 1);
    CHECK_EQ_INT(stop_wait(fds[0], -1), STOP_READY);
    close(fds[1]);
    CHECK_EQ_INT(stop_wait(fds[0], -1), STOP_READY);
    stop_request(SIGTERM);
    CHECK_EQ_INT(stop_wait(fds[0], -1), STOP_NOW); /* it wins */
}

static void test_wait(void)
{
    CHECK_EQ_INT(in_process(wait_child), 0);
}

static void *wait_forever(void *opaque)
{
    *(int *)opaque = (int)stop_wait(-1, -1);
    return NULL;
}

/* A signal to the process wakes every thread that waits, although they block
 * signals.
 */
static void threads_child(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    pthread_t threads[4];
    int outcomes[4] = {-1, -1, -1, -1};

    CHECK_OK(stop_init(&err), &err);
    for (int i = 0; i < 4; i++)
        REQUIRE(thread_start(&threads[i], "w", wait_forever, &outcomes[i],
                             &err) == 0);
    kill(getpid(), SIGTERM);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ_INT(outcomes[i], STOP_NOW);
    }
}

static void test_threads(void)
{
    CHECK_EQ_INT(in_process(threads_child), 0);
}

/* A signal that was blocked by whoever started us works all the same. */
static void blocked_child(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    CHECK_OK(stop_init(&err), &err);
    raise(SIGTERM);
    CHECK_EQ_INT(stop_requested(), SIGTERM);
}

static void test_blocked(void)
{
    CHECK_EQ_INT(in_process(blocked_child), 0);
}

int main(void)
{
    /* Whoever started the tests may ignore it (nohup). */
    signal(SIGHUP, SIG_DFL);
    RUN(test_signals);
    RUN(test_nohup_and_pipe);
    RUN(test_wait);
    RUN(test_threads);
    RUN(test_blocked);
    return check_result();
}
