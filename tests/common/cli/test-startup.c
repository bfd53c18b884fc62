/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-startup.c - cli/startup */
#include "cli/startup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "check.h"

/* `words` ends with NULL. */
static void check_line(const char *const *words, const char *expected)
{
    _cleanup_free_ char *line = NULL;
    int argc = 0;

    while (words[argc])
        argc++;
    line = startup_command_line(argc, (char *const *)words);
    CHECK_STR(line, expected);
}

static void test_command_line(void)
{
    static const char *const plain[] = {"tool", "-d",      "my vm",
                                        "-o",   "/b/it's", NULL};
    static const char *const none[] = {NULL};

    check_line(plain, "tool -d 'my vm' -o '/b/it'\\''s'");
    check_line(none, "");
}

/* A canary in each place where a secret may stand. */
/* covers: S2:FIDCRVM */
static void test_secrets(void)
{
    static const char *const separate[] = {"t",      "--password", "canary",
                                           "--user", "u",          NULL};
    static const char *const attached[] = {"t", "--password=canary", NULL};
    static const char *const shortened[] = {"t", "--pass", "canary",
                                            "--passw=canary", NULL};
    static const char *const file[] = {"t", "--password-file", "/f", NULL};
    static const char *const last[] = {"t", "--password", NULL};
    static const char *const uri[] = {
        "t", "-U", "qemu+ssh://me:canary@host:22/system?keyfile=canary", NULL};
    static const char *const joined[] = {
        "t",
        "-Uqemu://canary@host",
        "--uri=qemu+tls://[::1]/system?a=canary",
        "-Utest:///default",
        "-o",
        "me@host/a?b",
        NULL};
    static const char *const odd[] = {"t", "x://a@b@c/d@e", "://",
                                      "x://?canary", NULL};

    check_line(separate, "t --password *** --user u");
    check_line(attached, "t '--password=***'");
    check_line(shortened, "t --pass *** '--passw=***'");
    check_line(file, "t --password-file /f");
    check_line(last, "t --password");
    check_line(uri, "t -U 'qemu+ssh://***@host:22/system?***'");
    check_line(joined, "t '-Uqemu://***@host' "
                       "'--uri=qemu+tls://[::1]/system?***' "
                       "-Utest:///default -o 'me@host/a?b'");
    check_line(odd, "t 'x://***@c/d@e' :// 'x://?***'");
}

/* Run `test` in a child and return its wait status. */
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

static void descriptors_child(void)
{
    struct stat st;
    int fd;

    close(STDIN_FILENO);
    close(STDERR_FILENO);
    startup_process();
    CHECK(fstat(STDIN_FILENO, &st) == 0 && S_ISCHR(st.st_mode));
    CHECK(fstat(STDERR_FILENO, &st) == 0 && S_ISCHR(st.st_mode));
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(fd > STDERR_FILENO);
    close(fd);
}

/* covers: B4:FIDCRVM */
static void test_descriptors(void)
{
    int before = dup(0);
    int after;

    close(before);
    CHECK_EQ_INT(in_process(descriptors_child), 0);
    startup_process(); /* all are open: nothing changes, nothing leaks */
    after = dup(0);
    close(after);
    CHECK_EQ_INT(after, before);
}

static int begin_pipe[2];

static void begin_child(void)
{
    static const char *const argv[] = {"tool", "--password=canary", NULL};
    struct cli_common common = {.verbose = true};
    _cleanup_error_ struct error err = ERROR_INIT;

    dup2(begin_pipe[1], STDERR_FILENO);
    CHECK_OK(startup_begin("tool", &common, &err), &err);
    CHECK(startup_progress(&common));
    log_debug("details");
    startup_banner(2, (char *const *)argv);
    raise(SIGTERM);
    CHECK_EQ_INT(stop_requested(), SIGTERM);
    common.quiet = true;
    CHECK_OK(startup_begin("tool", &common, &err), &err);
    CHECK(!startup_progress(&common));
    log_error("unseen");
    CHECK_EQ_U64(log_count_errors(), 1);
}

static void test_begin(void)
{
    char text[4096] = "";
    ssize_t n;

    REQUIRE(pipe(begin_pipe) == 0);
    CHECK_EQ_INT(in_process(begin_child), 0);
    close(begin_pipe[1]);
    n = file_read_full(begin_pipe[0], text, sizeof(text) - 1);
    close(begin_pipe[0]);
    CHECK(n > 0);
    CHECK_CONTAINS(text, "DEBUG tool test-startup - begin_child [main]: "
                         "details\n");
    CHECK_CONTAINS(text,
                   "INFO tool startup - startup_banner [main]: "
                   "Version: " VERSION " Arguments: tool '--password=***'\n");
    CHECK(strstr(text, "canary") == NULL);
    CHECK(strstr(text, "unseen") == NULL);
    CHECK(strchr(text, '\033') == NULL); /* a pipe is no terminal */
}

int main(void)
{
    RUN(test_command_line);
    RUN(test_secrets);
    RUN(test_descriptors);
    RUN(test_begin);
    return check_result();
}
