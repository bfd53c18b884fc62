/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-process.c - host/process: the right process is killed, no other */
#include "host/process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"

static pid_t sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (;;)
            pause();
    }
    return pid;
}

static void test_kill(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *identity = NULL;
    pid_t pid = sleeper();
    int status = 0;

    CHECK_OK(process_identity(pid, &identity, &err), &err);
    CHECK_OK(process_kill(identity, &err), &err);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    /* Once more, now that it is gone. */
    CHECK_OK(process_kill(identity, &err), &err);
}

/* The same number, another start: some other process has it by now. */
static void test_another(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *identity = NULL;
    char other[128];
    pid_t pid = sleeper();

    CHECK_OK(process_identity(pid, &identity, &err), &err);
    snprintf(other, sizeof(other), "%s1", identity);
    CHECK_OK(process_kill(other, &err), &err);
    CHECK(waitpid(pid, NULL, WNOHANG) == 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK_FAILS(process_identity(pid, &identity, &err), &err, "process");
}

static void test_nonsense(void)
{
    static const char *const bad[] = {"",
                                      ":",
                                      "1",
                                      "0:5",
                                      "x:5",
                                      "1:",
                                      "1:x",
                                      "-1:5",
                                      "1:5 ",
                                      "4294967296:5",
                                      "1000000000000000000000000000:5"};

    for (size_t i = 0; i < array_size(bad); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK_FAILS(process_kill(bad[i], &err), &err, "identifies no process");
    }
}

int main(void)
{
    RUN(test_kill);
    RUN(test_another);
    RUN(test_nonsense);
    return check_result();
}
