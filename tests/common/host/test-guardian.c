/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-guardian.c - real processes that are killed in real ways
 *
 * A victim is a process that starts a guardian (this program again) and tells
 * it facts.  Its stderr is a pipe, which ends when victim and guardian are
 * gone.  Undoing appends a line with the facts to the file that the fact "log"
 * names, so it can be counted.
 */
#include "host/guardian.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "check.h"
#include "scratch.h"

static int undo(const struct guardian_facts *facts, struct error *err)
{
    const char *log = facts_get(facts, "log");
    const char *a = facts_get(facts, "a");
    const char *b = facts_get(facts, "b");
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

    if (fd >= 0) {
        dprintf(fd, "undone a=%s b=%s\n", a ? a : "-", b ? b : "-");
        close(fd);
    }
    if (facts_get(facts, "hang"))
        for (;;)
            pause();
    if (facts_get(facts, "fail"))
        return error_set(err, ERR_INPUT, "it is stuck");
    return 0;
}

struct victim {
    pid_t pid;
    int report_fd;   /* what it reports */
    int err_fd;      /* its stderr and the guardian's */
    char said[4096]; /* on stderr */
    int status;      /* as of waitpid */
};

/* In a victim: start a guardian that knows where to log. */
static struct guardian *guard(const char *seconds)
{
    const char *const extra[] = {seconds, NULL};
    struct guardian *g = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    if (guardian_start(seconds ? extra : NULL, &g, &err) < 0 ||
        guardian_tell(g, "log", scratch_path("log"), &err) < 0) {
        dprintf(2, "no guardian: %s\n", error_text(&err));
        _exit(99);
    }
    return g;
}

static void tell(struct guardian *g, const char *key, const char *value)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (guardian_tell(g, key, value, &err) < 0) {
        dprintf(2, "not told: %s\n", error_text(&err));
        _exit(99);
    }
}

static void report(int fd, const struct guardian *g)
{
    pid_t pid = guardian_pid(g);

    if (write(fd, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
        _exit(99);
}

/* Whoever started the tests may ignore signals (a shell's job in the
 * background ignores SIGINT and SIGQUIT).
 */
static void default_signals(void)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM};

    for (size_t i = 0; i < array_size(signals); i++)
        signal(signals[i], SIG_DFL);
}

/* Start a victim, leader of a process group; it runs `body`. */
static void victim_start(struct victim *v, void (*body)(int report_fd))
{
    int reports[2];
    int errors[2];

    unlink(scratch_path("log"));
    if (pipe2(reports, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0)
        exit(1);
    fflush(stdout);
    v->pid = fork();
    if (v->pid == 0) {
        default_signals();
        setpgid(0, 0);
        dup2(errors[1], STDERR_FILENO);
        body(reports[1]);
        _exit(98);
    }
    setpgid(v->pid, v->pid);
    close(reports[1]);
    close(errors[1]);
    v->report_fd = reports[0];
    v->err_fd = errors[0];
}

/* Wait for its report: the guardian's process number, or 0: it died. */
static pid_t victim_report(struct victim *v)
{
    pid_t pid = 0;

    if (file_read_full(v->report_fd, &pid, sizeof(pid)) != sizeof(pid))
        return 0;
    return pid;
}

/* Wait until it and its guardian are gone. */
static void victim_end(struct victim *v)
{
    ssize_t n = file_read_full(v->err_fd, v->said, sizeof(v->said) - 1);

    v->said[n > 0 ? n : 0] = '\0';
    waitpid(v->pid, &v->status, 0);
    close(v->err_fd);
    close(v->report_fd);
}

static void body_no_facts(int report_fd)
{
    struct guardian *g = guard(NULL);

    tell(g, "log", NULL);
    report(report_fd, g);
    pause();
}

static void test_nothing_to_undo(void)
{
    struct victim v;

    victim_start(&v, body_no_facts);
    CHECK(victim_report(&v) > 0);
    kill(v.pid, SIGKILL);
    victim_end(&v);
    CHECK_STR(v.said, "");
    CHECK(!is_there(scratch_path("log")));
}

static void body_facts(int report_fd)
{
    struct guardian *g = guard(NULL);

    tell(g, "a", "1");
    tell(g, "b", "old");
    tell(g, "b", "new\nline; $(x) \"'");
    tell(g, "c", "3");
    tell(g, "c", NULL);
    tell(g, "a", NULL);
    report(report_fd, g);
    pause();
}

/* covers: B1:FIDRM B8:FIDRM */
static void test_killed(void)
{
    struct victim v;

    victim_start(&v, body_facts);
    CHECK(victim_report(&v) > 0);
    kill(v.pid, SIGKILL);
    victim_end(&v);
    CHECK_STR(file_text(scratch_path("log")),
              "undone a=- b=new\nline; $(x) \"'\n");
    CHECK_CONTAINS(v.said, "cleaned up");
}

/* Ctrl-C, Ctrl-\, hanging up and even SIGKILL to the whole process group. */
static void test_group_killed(void)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGKILL};

    for (size_t i = 0; i < array_size(signals); i++) {
        struct victim v;

        victim_start(&v, body_facts);
        CHECK(victim_report(&v) > 0);
        kill(-v.pid, signals[i]);
        victim_end(&v);
        CHECK_CONTAINS(file_text(scratch_path("log")), "undone");
        CHECK(WIFSIGNALED(v.status));
    }
}

static void body_exit(int report_fd)
{
    struct guardian *g = guard(NULL);

    tell(g, "a", "1");
    _exit(0);
}

static void body_abort(int report_fd)
{
    struct guardian *g = guard(NULL);

    tell(g, "a", "1");
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void test_crash(void)
{
    struct victim v;

    victim_start(&v, body_exit);
    victim_end(&v);
    CHECK_STR(file_text(scratch_path("log")), "undone a=1 b=-\n");
    victim_start(&v, body_abort);
    victim_end(&v);
    CHECK_STR(file_text(scratch_path("log")), "undone a=1 b=-\n");
    CHECK(WIFSIGNALED(v.status));
}

static void body_bye(int report_fd)
{
    struct guardian *g = guard(NULL);
    pid_t pid = guardian_pid(g);

    tell(g, "a", "1");
    guardian_bye(g);
    _exit(kill(pid, 0) < 0 && errno == ESRCH ? 0 : 97);
}

static void test_bye(void)
{
    struct victim v;

    victim_start(&v, body_bye);
    victim_end(&v);
    CHECK_STR(v.said, "");
    CHECK_EQ_INT(v.status, 0); /* and it was gone when bye returned */
    CHECK(!is_there(scratch_path("log")));
    guardian_bye(NULL);
}

/* Handed over, it waits until we end and no longer. */
static void body_hand_over(int report_fd)
{
    struct guardian *g = guard(NULL);

    tell(g, "a", "1");
    report(report_fd, g);
    guardian_hand_over(g);
    guardian_hand_over(NULL);
    pause();
}

static void test_hand_over(void)
{
    struct victim v;
    pid_t pid;

    victim_start(&v, body_hand_over);
    pid = victim_report(&v);
    CHECK(pid > 0);
    CHECK_EQ_INT(kill(pid, 0), 0);
    CHECK(!is_there(scratch_path("log")));
    kill(v.pid, SIGTERM);
    victim_end(&v);
    CHECK_STR(file_text(scratch_path("log")), "undone a=1 b=-\n");
}

/* As under a launcher that ignores SIGCHLD: nothing can be waited for. */
static void body_no_sigchld(int report_fd)
{
    signal(SIGCHLD, SIG_IGN);
    body_bye(report_fd);
}

static void test_bye_without_sigchld(void)
{
    struct victim v;

    victim_start(&v, body_no_sigchld);
    victim_end(&v);
    CHECK_EQ_INT(v.status, 0);
    CHECK(!is_there(scratch_path("log")));
}

/* The guardian is killed: we notice, and say goodbye all the same. */
static void body_orphan(int report_fd)
{
    struct guardian *g = guard(NULL);
    struct error err = ERROR_INIT;

    kill(guardian_pid(g), SIGKILL);
    if (guardian_tell(g, "a", "1", &err) == 0 || err.kind != ERR_CHILD)
        _exit(1);
    error_clear(&err);
    if (guardian_tell(g, "a", NULL, &err) == 0 || err.kind != ERR_CHILD)
        _exit(2);
    dprintf(STDERR_FILENO, "%s\n", error_text(&err));
    error_clear(&err);
    guardian_bye(g);
    _exit(0);
}

static void test_guardian_killed(void)
{
    struct victim v;

    victim_start(&v, body_orphan);
    victim_end(&v);
    CHECK_EQ_INT(v.status, 0);
    CHECK_CONTAINS(v.said, "the guardian process has ended");
    CHECK(!is_there(scratch_path("log")));
}

/* It hears no signal but SIGKILL. */
static void body_signals(int report_fd)
{
    static const int signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                  SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP};
    struct guardian *g = guard(NULL);

    for (size_t i = 0; i < array_size(signals); i++) {
        kill(guardian_pid(g), signals[i]);
        tell(g, "a", "1");
    }
    guardian_bye(g);
    _exit(0);
}

static void test_signals_ignored(void)
{
    struct victim v;

    victim_start(&v, body_signals);
    victim_end(&v);
    CHECK_EQ_INT(v.status, 0);
    CHECK_STR(v.said, "");
}

/* Limits: what is refused leaves the facts as they were. */
static void body_limits(int report_fd)
{
    static char big[GUARDIAN_VALUE_MAX + 1];
    struct guardian *g = guard(NULL);
    char key[GUARDIAN_KEY_MAX + 1];

    memset(big, 'x', sizeof(big) - 1);
    memset(key, 'k', sizeof(key));
    key[sizeof(key) - 1] = '\0';
    if (guardian_tell(g, "a", big, NULL) == 0 ||
        guardian_tell(g, key, "1", NULL) == 0 ||
        guardian_tell(g, "", "1", NULL) == 0)
        _exit(1);
    big[GUARDIAN_VALUE_MAX - 1] = '\0';
    tell(g, "a", big);
    tell(g, "a", "1");
    for (int i = 0; i < GUARDIAN_FACTS_MAX - 2; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        tell(g, key, "");
    }
    if (guardian_tell(g, "b", "1", NULL) == 0)
        _exit(2);
    tell(g, "key7", NULL);
    tell(g, "b", "2");
    _exit(0);
}

static void test_limits(void)
{
    struct victim v;

    victim_start(&v, body_limits);
    victim_end(&v);
    CHECK_EQ_INT(v.status, 0);
    CHECK_STR(file_text(scratch_path("log")), "undone a=1 b=2\n");
}

static void body_hang(int report_fd)
{
    struct guardian *g = guard("1");

    tell(g, "hang", "");
    _exit(0);
}

static void body_fail(int report_fd)
{
    struct guardian *g = guard(NULL);

    tell(g, "fail", "");
    _exit(0);
}

static void test_undo_fails(void)
{
    struct victim v;

    victim_start(&v, body_fail);
    victim_end(&v);
    CHECK_CONTAINS(v.said, "cleaning up failed: it is stuck");
    victim_start(&v, body_hang);
    victim_end(&v);
    CHECK_CONTAINS(v.said, "takes too long");
}

/* It has 0, 1 and 2, and of what we have only stderr. */
static void body_descriptors(int report_fd)
{
    int held = open(scratch_path("lock"), O_RDWR | O_CREAT, 0600);
    struct guardian *g;

    dup2(held, 17);
    dup2(held, STDOUT_FILENO);
    g = guard(NULL);
    report(report_fd, g);
    pause();
}

static void check_descriptors(pid_t pid)
{
    char name[64];
    char target[256] = "";
    _cleanup_(closedirp) DIR *dir = NULL;
    struct dirent *e;
    int count = 0;

    snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
    dir = opendir(name);
    REQUIRE(dir);
    while ((e = readdir(dir)))
        count += e->d_name[0] != '.';
    CHECK_EQ_INT(count, 3);
    snprintf(name, sizeof(name), "/proc/%d/fd/1", (int)pid);
    CHECK(readlink(name, target, sizeof(target) - 1) > 0);
    CHECK_STR(target, "/dev/null");
    memset(target, 0, sizeof(target));
    snprintf(name, sizeof(name), "/proc/%d/cwd", (int)pid);
    CHECK(readlink(name, target, sizeof(target) - 1) > 0);
    CHECK_STR(target, "/");
}

static void test_descriptors(void)
{
    struct victim v;
    pid_t pid;

    victim_start(&v, body_descriptors);
    pid = victim_report(&v);
    CHECK(pid > 0);
    check_descriptors(pid);
    CHECK_EQ_INT(getsid(pid), pid);
    kill(v.pid, SIGKILL);
    victim_end(&v);
}

/* Killed at any moment: what was acknowledged is known, and undone once. */

static _Atomic unsigned *acknowledged; /* shared with the victims */

static void body_counter(int report_fd)
{
    struct guardian *g = guard(NULL);
    char text[16];

    for (unsigned i = 1;; i++) {
        snprintf(text, sizeof(text), "%u", i);
        tell(g, "a", text);
        *acknowledged = i;
    }
}

/* covers: B1:FIDRM */
static void test_killed_anywhere(void)
{
    unsigned seed = (unsigned)time(NULL);

    printf("# seed %u\n", seed);
    for (int round = 0; round < 25; round++) {
        unsigned target = 1 + (unsigned)rand_r(&seed) % 500;
        unsigned known = 0;
        char newline = 0;
        char more = 0;
        struct victim v;

        *acknowledged = 0;
        victim_start(&v, body_counter);
        while (*acknowledged < target && kill(v.pid, 0) == 0)
            sched_yield();
        kill(round % 2 ? -v.pid : v.pid, SIGKILL);
        victim_end(&v);
        /* Once: nothing follows the line. */
        CHECK_EQ_INT(sscanf(file_text(scratch_path("log")),
                            "undone a=%u b=-%c%c", &known, &newline, &more),
                     2);
        CHECK(known == *acknowledged || known == *acknowledged + 1);
    }
}

int main(int argc, char **argv)
{
    if (guardian_is_wanted(argc, argv))
        return argc > 2 ? guardian_serve(undo, (unsigned)atoi(argv[2]))
                        : guardian_main(undo);
    scratch_begin();
    alarm(100);
    acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(test_nothing_to_undo);
    RUN(test_killed);
    RUN(test_group_killed);
    RUN(test_crash);
    RUN(test_bye);
    RUN(test_hand_over);
    RUN(test_bye_without_sigchld);
    RUN(test_guardian_killed);
    RUN(test_signals_ignored);
    RUN(test_limits);
    RUN(test_undo_fails);
    RUN(test_descriptors);
    RUN(test_killed_anywhere);
    return check_result();
}
