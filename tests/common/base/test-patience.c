/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-patience.c - calls that take too long are noticed, others are not */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/patience.h"
#include "check.h"

static void test_slots(void)
{
    const char *what = "";
    int outer, inner;

    CHECK_EQ_INT(patience_longest(&what), 0);
    CHECK(what == NULL);
    outer = patience_begin("outer");
    usleep(30000);
    inner = patience_begin("inner");
    CHECK(patience_longest(&what) >= 30);
    CHECK_STR(what, "outer");
    errno = EBADF;
    patience_end(outer);
    CHECK_EQ_INT(errno, EBADF);
    (void)patience_longest(&what);
    CHECK(what == NULL || strcmp(what, "inner") == 0);
    patience_end(inner);
    CHECK_EQ_INT(patience_longest(&what), 0);
    {
        PATIENCE_SCOPE("scope");
        usleep(5000);
        CHECK(patience_longest(&what) > 0);
    }
    CHECK_EQ_INT(patience_longest(&what), 0);
}

/* More at a time than are looked after: no harm. */
static void test_many(void)
{
    int slots[500];

    for (size_t i = 0; i < array_size(slots); i++)
        slots[i] = patience_begin("one of many");
    for (size_t i = 0; i < array_size(slots); i++)
        patience_end(slots[i]);
    CHECK(patience_begin("again") == 0);
    patience_end(0);
}

static void leave(void *opaque, const char *what, int ms)
{
    _exit(opaque == (void *)what && ms > 300 ? 7 : 8);
}

/* The thread ends the process around one that hangs. */
static void check_watch(bool renewed)
{
    static const char what[] = "hanging";
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        struct patience_watch *w = NULL;

        if (patience_watch(300, leave, (void *)what, &w, NULL) < 0 ||
            (renewed && patience_watch_renew(w, NULL) < 0))
            _exit(1);
        for (int i = 0; i < 10; i++) { /* long, but never too long */
            PATIENCE_SCOPE("short");
            usleep(50000);
        }
        (void)patience_begin(what);
        pause();
        _exit(2);
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), 7);
}

static void test_watch(void)
{
    check_watch(false);
}

static void test_renewed(void)
{
    check_watch(true);
}

/* Who was stopped and goes on has not waited all the time. */
static void test_asleep(void)
{
    static const char what[] = "writing";
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        struct patience_watch *w = NULL;
        int slot = patience_begin(what);

        if (patience_watch(1000, leave, (void *)what, &w, NULL) < 0)
            _exit(1);
        kill(getpid(), SIGSTOP);
        usleep(500000);
        patience_end(slot);
        patience_watch_stop(w);
        _exit(3);
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, WUNTRACED) == pid);
    CHECK(WIFSTOPPED(status));
    usleep(3000000);
    kill(pid, SIGCONT);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), 3);
}

static void test_stop(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct patience_watch *w = NULL;

    CHECK_OK(patience_watch(100000, leave, NULL, &w, &err), &err);
    patience_watch_stop(w);
    patience_watch_stop(NULL);
}

int main(void)
{
    RUN(test_slots);
    RUN(test_many);
    RUN(test_watch);
    RUN(test_renewed);
    RUN(test_asleep);
    RUN(test_stop);
    return check_result();
}
