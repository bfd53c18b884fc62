/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-session.c - tests of virt/session against a real libvirtd
 *
 * Run as "test-session exit", it leaves while a call hangs (the parent looks).
 */
#include "virt/session.h"

#include <fcntl.h>

#include "base/stop.h"
#include "in-lab.h"

/* Of calls that hang here: long enough for all others on a busy machine. */
#define DEADLINE_MS 2000

/* By then a call that keeps its deadline is over on any machine. */
#define AT_LAST 30

static void test_default_uri(void)
{
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(session_open(NULL, 10000, &s, &err), &err);
    REQUIRE(s);
    CHECK_STR(session_uri(s), default_uri());
    CHECK(!session_is_remote(s));
}

/* The library says nothing by itself, whatever fails. */
static void test_silence(void)
{
    _cleanup_close_ int before = dup(2);
    _cleanup_close_ int file =
        open(in_run("stderr"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(before >= 0 && file >= 0);
    fflush(stderr);
    dup2(file, 2);
    CHECK(session_open("qemu+unix:///session?socket=/nowhere/sock", 10000, &s,
                       &err) < 0);
    fflush(stderr);
    dup2(before, 2);
    CHECK_EQ_INT(lseek(file, 0, SEEK_END), 0);
    unlink(in_run("stderr"));
}

static void test_dead_uri(void)
{
    static const char *const uris[][2] = {
        {"qemu+unix:///session?socket=/nowhere/sock", "'/nowhere/sock'"},
        {"nosuchdriver:///x", "'nosuchdriver:///x'"},
        {"qemu+unix://", "'qemu+unix://'"},
    };

    for (size_t i = 0; i < array_size(uris); i++) {
        struct session *s = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK(session_open(uris[i][0], 10000, &s, &err) < 0);
        CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
        CHECK(err.code != 0);
        CHECK_CONTAINS(error_text(&err), "Cannot connect to libvirt at");
        CHECK_CONTAINS(error_text(&err), uris[i][1]);
        CHECK(strchr(error_text(&err), '\n') == NULL);
        CHECK(s == NULL);
    }
}

static void test_remote(void)
{
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(session_open("test:///default", 10000, &s, &err), &err);
    REQUIRE(s);
    CHECK(!session_is_remote(s));
}

static void test_starts_programs(void)
{
    static const char *const none[] = {
        "qemu:///system", "qemu+unix:///system?socket=/a",
        "qemu+tls://a/system", "qemu+tcp://a/system"};
    static const char *const some[] = {
        "qemu+ssh://a/system", "qemu+libssh2:///system",
        "qemu+ext:///system?command=x", "qemu:///embed?root=/a", "alias"};

    for (size_t i = 0; i < array_size(none); i++)
        CHECK(!session_starts_programs(none[i]));
    for (size_t i = 0; i < array_size(some); i++)
        CHECK(session_starts_programs(some[i]));
    CHECK(session_starts_programs("qemu:///session") == (geteuid() != 0));
    CHECK(setenv("LIBVIRT_AUTOSTART", "0", 1) == 0);
    CHECK(!session_starts_programs("qemu:///session"));
    CHECK(session_starts_programs("qemu+ssh://a/session"));
    CHECK(unsetenv("LIBVIRT_AUTOSTART") == 0);
}

/* covers: C4:FID */
static void test_reconnect(void)
{
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    pid_t pid = 0;

    CHECK_OK(session_open(NULL, 10000, &s, &err), &err);
    REQUIRE(s);
    CHECK_OK(domain_open(s, "vm", &d, &err), &err);
    REQUIRE(d);
    pid = daemon_pid();
    REQUIRE(pid > 1 && kill(pid, SIGKILL) == 0);
    while (kill(pid, 0) == 0)
        usleep(1000);
    /* The first call may still find the old connection open. */
    if (domain_is_active(d, &err) < 0)
        error_clear(&err);
    CHECK_EQ_INT(domain_is_active(d, &err), 1);
    CHECK(daemon_pid() != pid);
}

/* covers: C5:FIDC */
static void test_deadline(void)
{
    struct session *s = NULL;
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    double start = 0;
    pid_t pid = 0;

    CHECK_OK(session_open(NULL, DEADLINE_MS, &s, &err), &err);
    REQUIRE(s);
    CHECK_OK(domain_open(s, "vm", &d, &err), &err);
    REQUIRE(d);
    pid = daemon_freeze();
    start = seconds();
    CHECK(domain_is_active(d, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    CHECK_CONTAINS(error_text(&err), "of domain 'vm'");
    CHECK_CONTAINS(error_text(&err), "2.0 s");
    CHECK(seconds() - start < AT_LAST);
    error_clear(&err);
    CHECK(domain_is_active(d, &err) < 0);
    error_clear(&err);
    kill(pid, SIGCONT);
    /* The same session is of use again. */
    CHECK_EQ_INT(domain_is_active(d, &err), 1);
    session_close(s);
}

/* covers: C5:FIDC */
static void test_close_hangs(void)
{
    struct session *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    double start = 0;
    pid_t pid = 0;

    CHECK_OK(session_open(NULL, 1000, &s, &err), &err);
    REQUIRE(s);
    pid = daemon_freeze();
    start = seconds();
    session_close(s);
    CHECK(seconds() - start < AT_LAST);
    kill(pid, SIGCONT);
}

/* The other half of test_exit. */
static int leave_with_a_hanging_call(void)
{
    struct session *s = NULL;
    struct domain *d = NULL;
    struct error err = ERROR_INIT;

    if (session_open(NULL, DEADLINE_MS, &s, &err) < 0 ||
        domain_open(s, "vm", &d, &err) < 0)
        return 1;
    daemon_freeze();
    if (domain_is_active(d, &err) >= 0 || err.kind != ERR_TIMEOUT)
        return 2;
    error_clear(&err);
    domain_close(d);
    session_close(s);
    return 42;
}

static void test_exit(void)
{
    double start = seconds();
    int status = sh("test-virt-session exit");
    pid_t pid = daemon_pid();

    CHECK_EQ_INT(status, 42);
    CHECK(seconds() - start < AT_LAST);
    kill(pid, SIGCONT);
}

static void *stop_soon(void *arg maybe_unused)
{
    usleep(200 * 1000);
    stop_request(SIGTERM);
    return NULL;
}

/* From here on a stop is requested: the last test. */
static void test_stop(void)
{
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct session *other = NULL;
    double start = 0;
    pthread_t id;
    pid_t pid = 0;

    CHECK_OK(stop_init(&err), &err);
    CHECK_OK(session_open(NULL, 2 * AT_LAST * 1000, &s, &err), &err);
    REQUIRE(s);
    CHECK_OK(domain_open(s, "vm", &d, &err), &err);
    REQUIRE(d);
    pid = daemon_freeze();
    start = seconds();
    REQUIRE(pthread_create(&id, NULL, stop_soon, NULL) == 0);
    CHECK(domain_is_active(d, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    CHECK_EQ_INT(err.code, SIGTERM);
    CHECK(seconds() - start < AT_LAST);
    pthread_join(id, NULL);
    error_clear(&err);
    kill(pid, SIGCONT);

    CHECK(domain_suspend(d, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    CHECK(session_open(NULL, 1000, &other, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    CHECK_EQ_INT(domain_resume(d, &err), 0); /* not refused: undoes */

    session_ignore_stop(s);
    CHECK_EQ_INT(domain_is_active(d, &err), 1);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "exit") == 0)
        return leave_with_a_hanging_call();
    RUN(test_default_uri);
    RUN(test_silence);
    RUN(test_dead_uri);
    RUN(test_remote);
    RUN(test_starts_programs);
    RUN(test_reconnect);
    RUN(test_deadline);
    RUN(test_close_hangs);
    RUN(test_exit);
    RUN(test_stop);
    return check_result();
}
