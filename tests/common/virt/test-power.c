/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-power.c - starting a guest for a backup and stopping it again, against a
 * real libvirtd
 *
 * The guest "off" is off at the begin and at the end of each test.
 */
#include "virt/domain.h"

#include "base/stop.h"
#include "in-lab.h"
#include "virt/checkpoint.h"
#include "virt/job.h"

static struct session *session;
static struct domain *off;

static void check_state(const char *want)
{
    CHECK_STR(sh_out("virsh -q domstate off"), want);
}

static void power_off(void)
{
    CHECK_EQ_INT(sh("virsh -q destroy off >/dev/null"), 0);
}

static void test_untouched(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_start_paused(off, &err), &err);
    check_state("paused\n");
    CHECK_EQ_INT(domain_is_paused(off, &err), 1);
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 1);
    check_state("shut off\n");
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 0);
    CHECK_STR(error_text(&err), "no error");
}

/* libvirt says the same of a guest that was started paused, of one that was
 * resumed and suspended since, and of one that somebody started in the same way
 * for himself.
 */
static void test_touched(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_start_paused(off, &err), &err);
    CHECK_EQ_INT(sh("virsh -q resume off >/dev/null"), 0);
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 0);
    check_state("running\n");
    CHECK_EQ_INT(sh("virsh -q suspend off >/dev/null"), 0);
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 0);
    /* As another process would ask. */
    CHECK_OK(domain_open_uuid(session, domain_uuid(off), &d, &err), &err);
    REQUIRE(d);
    CHECK_EQ_INT(domain_stop_if_untouched(d, &err), 0);
    check_state("paused\n");
    power_off();
    CHECK_EQ_INT(sh("virsh -q start --paused off >/dev/null"), 0);
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 0);
    check_state("paused\n");
    power_off();
}

static void test_runs_already(void)
{
    _cleanup_(domain_closep) struct domain *vm = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "vm", &vm, &err), &err);
    REQUIRE(vm);
    CHECK(domain_start_paused(vm, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    CHECK_CONTAINS(error_text(&err),
                   "Cannot make a paused start of domain 'vm': ");
    CHECK_CONTAINS(error_text(&err), "already running");
    error_clear(&err);
    CHECK_EQ_INT(domain_stop_if_untouched(vm, &err), 0);
    CHECK_EQ_INT(domain_is_active(vm, &err), 1);
}

/* A start would use up the saved state, a stop after that throw it away. */
static void test_saved(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(sh("virsh -q start off >/dev/null && "
                    "virsh -q managedsave off >/dev/null"),
                 0);
    CHECK(domain_start_paused(off, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_BUSY);
    CHECK_CONTAINS(error_text(&err), "it has a saved state");
    error_clear(&err);
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 0);
    check_state("shut off\n");
    CHECK_CONTAINS(sh_out("virsh -q dominfo off"), "Managed save:   yes");
    CHECK_EQ_INT(sh("virsh -q managedsave-remove off >/dev/null"), 0);
}

/* libvirtd dies, and so do we: a guardian that has only the UUID comes to know
 * from QEMU.
 */
static void test_daemon_dies(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    pid_t pid = 0;

    CHECK_OK(domain_open_uuid(session, domain_uuid(off), &d, &err), &err);
    REQUIRE(d);
    CHECK_OK(domain_start_paused(off, &err), &err);
    pid = daemon_pid();
    REQUIRE(pid > 1 && kill(pid, SIGKILL) == 0);
    while (kill(pid, 0) == 0)
        usleep(1000);
    CHECK_EQ_INT(domain_stop_if_untouched(d, &err), 1);
    CHECK_STR(error_text(&err), "no error");
    check_state("shut off\n");
}

/* A checkpoint made while it was up is there, bitmap and all, the next time. */
static void test_checkpoint_stays(void)
{
    static const struct job_disk disk = {.target = "vda"};
    struct job_request request = {
        .socket_path = in_run("sock"),
        .scratch_dir = getenv("LAB_RUN"),
        .prefix = "p",
        .disks = &disk,
        .disk_count = 1,
        .checkpoint = "v.0",
    };
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_start_paused(off, &err), &err);
    CHECK_OK(job_begin(off, &request, &err), &err);
    CHECK_EQ_INT(job_end(off, request.socket_path, 10000, &err), 1);
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 1);
    CHECK_CONTAINS(sh_out("qemu-img info $LAB/disks/off.qcow2"), "name: v.0");
    CHECK(!strstr(sh_out("qemu-img info $LAB/disks/off.qcow2"), "in-use"));
    CHECK_OK(domain_start_paused(off, &err), &err);
    CHECK_EQ_INT(checkpoint_validate(off, "v.0", NULL, &err), 1);
    CHECK_EQ_INT(checkpoint_delete(off, "v.0", false, &err), 1);
    CHECK_EQ_INT(domain_stop_if_untouched(off, &err), 1);
}

/* The domain itself goes. */
static void test_transient(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(sh("cd $LAB_RUN && virsh -q dumpxml vm | "
                    "sed -e '/<uuid>/d' -e 's/<name>vm</<name>gone</' "
                    "-e '/<disk /,/<.disk>/d' >gone.xml && "
                    "virsh -q create --paused gone.xml >/dev/null"),
                 0);
    unlink(in_run("gone.xml"));
    CHECK_OK(domain_open(session, "gone", &d, &err), &err);
    REQUIRE(d);
    CHECK_EQ_INT(domain_stop_if_untouched(d, &err), 1);
    CHECK_EQ_INT(domain_stop_if_untouched(d, &err), 0);
    CHECK_STR(error_text(&err), "no error");
}

/* When QEMU was last started: libvirt's log of it begins with that. */
static char *last_start(void)
{
    return strdup(sh_out("head -n 1 $XDG_CACHE_HOME/libvirt/qemu/log/off.log"));
}

/* Has it been started again, and is it off? */
static bool came_and_went(const char *before)
{
    _cleanup_free_ char *now = last_start();

    return now && strcmp(now, before) != 0 &&
           strcmp(sh_out("virsh -q domstate off"), "shut off\n") == 0;
}

/* A start that is given up comes true later, and is undone, although we are to
 * stop by then.  From here on a stop is requested: the last test.
 */
static void test_late(void)
{
    _cleanup_(session_closep) struct session *hasty = NULL;
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *before = last_start();
    double start = seconds();
    pid_t pid = 0;

    REQUIRE(before);
    CHECK_OK(stop_init(&err), &err);
    CHECK_OK(session_open(NULL, 2000, &hasty, &err), &err);
    REQUIRE(hasty);
    CHECK_OK(domain_open(hasty, "off", &d, &err), &err);
    REQUIRE(d);
    pid = daemon_freeze();
    CHECK(domain_start_paused(d, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    error_clear(&err);
    stop_request(SIGINT);
    kill(pid, SIGCONT);
    while (!came_and_went(before) && seconds() - start < 60)
        usleep(10000);
    CHECK(came_and_went(before));

    CHECK(domain_start_paused(off, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    check_state("shut off\n");
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0 ||
        domain_open(session, "off", &off, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    RUN(test_untouched);
    RUN(test_touched);
    RUN(test_runs_already);
    RUN(test_saved);
    RUN(test_daemon_dies);
    RUN(test_checkpoint_stays);
    RUN(test_transient);
    RUN(test_late);
    domain_close(off);
    session_close(session);
    return check_result();
}
