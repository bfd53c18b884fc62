/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-job-any.c - jobs by whomever: job_end_any and domain_block_job against a
 * real libvirtd; and what old ones want
 *
 * The guest "vm" has no job of any kind at the begin and the end of each test.
 */
#include "virt/job.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "in-lab.h"

static struct session *session;
static struct domain *vm;

static const struct job_disk both[] = {{.target = "vda"}, {.target = "vdb"}};

static void begin(void)
{
    struct job_request request = {
        .socket_path = in_run("sock"),
        .scratch_dir = getenv("LAB_RUN"),
        .prefix = "p",
        .disks = both,
        .disk_count = array_size(both),
    };
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(job_begin(vm, &request, &err), &err);
}

static void check_no_job(void)
{
    struct job_stats stats = {.active = true};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(job_stats(vm, &stats, &err), &err);
    CHECK(!stats.active);
    CHECK_STR(sh_out("ls -A $LAB_RUN"), "");
}

static void test_capability(void)
{
    static const char plain[] = "<domain><name>incremental-backup</name>"
                                "</domain>";
    static const char able[] =
        "<domain><qemu:capabilities><qemu:add capability='incremental-backup'/>"
        "</qemu:capabilities></domain>";

    CHECK(job_lacks_capability(7005000, plain));
    CHECK(!job_lacks_capability(7005000, able));
    CHECK(!job_lacks_capability(7006000, plain));
    CHECK(!job_lacks_capability(11010000, plain));
}

static void test_none(void)
{
    _cleanup_(domain_closep) struct domain *off = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(job_end_any(vm, 10000, &err), 0);
    CHECK_OK(domain_open(session, "off", &off, &err), &err);
    REQUIRE(off);
    CHECK_EQ_INT(job_end_any(off, 10000, &err), 0);
    CHECK_STR(error_text(&err), "no error");
}

static void test_unix(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    begin();
    CHECK_EQ_INT(job_end_any(vm, 10000, &err), 1);
    check_no_job();
    CHECK_EQ_INT(job_end_any(vm, 10000, &err), 0);
}

/* Others let QEMU listen on a port. */
static void test_tcp(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *socket = NULL;

    CHECK_EQ_INT(
        sh("cd $LAB_RUN && for port in $(shuf -i 20000-30000 -n 20); do "
           "echo \"<domainbackup mode='pull'><server transport='tcp' "
           "name='127.0.0.1' port='$port'/></domainbackup>\" >b.xml; "
           "virsh -q backup-begin vm b.xml >/dev/null 2>&1 && break; "
           "done; rm b.xml"),
        0);
    CHECK_EQ_INT(job_find(vm, &socket, &err), 1);
    /* Nobody's: where libvirt itself has put the scratch file. */
    CHECK_CONTAINS(socket, "/disks/vm-a.qcow2");
    CHECK_EQ_INT(job_end(vm, in_run("sock"), 10000, &err), 0);
    CHECK_EQ_INT(job_find(vm, NULL, &err), 1);
    CHECK_EQ_INT(job_end_any(vm, 10000, &err), 1);
    check_no_job();
}

static void test_daemon_dies(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    pid_t pid = daemon_pid();

    begin();
    REQUIRE(pid > 1 && kill(pid, SIGKILL) == 0);
    CHECK_EQ_INT(job_end_any(vm, 20000, &err), 1);
    CHECK_STR(error_text(&err), "no error");
    check_no_job();
}

/* A dump into a pipe that nobody reads yet. */
/* covers: C3:FIDC */
static void test_other_kind(void)
{
    _cleanup_close_ int fd = -1;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct job_stats stats = {0};
    char buffer[65536];
    double start = seconds();

    CHECK_EQ_INT(mkfifo(in_run("pipe"), 0600), 0);
    fd = open(in_run("pipe"), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    REQUIRE(fd >= 0);
    CHECK(fcntl(fd, F_SETPIPE_SZ, 4096) > 0);
    CHECK_EQ_INT(sh("virsh -q dump --live vm $LAB_RUN/pipe >/dev/null &"), 0);
    while (!stats.active && seconds() - start < 30)
        CHECK_OK(job_stats(vm, &stats, &err), &err);
    CHECK(job_end_any(vm, 10000, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_BUSY);
    CHECK_STR(error_text(&err),
              "Cannot end the backup job of domain 'vm': its job is no backup "
              "but another operation (dump), which is left alone");
    error_clear(&err);
    CHECK_OK(job_stats(vm, &stats, &err), &err);
    CHECK(stats.active);
    while (stats.active && seconds() - start < 60) {
        while (read(fd, buffer, sizeof(buffer)) > 0)
            ;
        CHECK_OK(job_stats(vm, &stats, &err), &err);
    }
    unlink(in_run("pipe"));
    check_no_job();
}

/* What runs on a disk of "vm": "" is nothing. */
static const char *block_job(const char *target)
{
    static char text[64];
    _cleanup_free_ char *what = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    int found = domain_block_job(vm, target, &what, &err);

    CHECK_OK(found, &err);
    CHECK_EQ_INT(found, what != NULL);
    CHECK_EQ_INT(domain_block_job(vm, target, NULL, &err), found);
    snprintf(text, sizeof(text), "%s", what ? what : "");
    return text;
}

static void test_block_backup(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_STR(block_job("vda"), "");
    begin();
    CHECK_STR(block_job("vda"), "backup");
    CHECK_STR(block_job("vdb"), "backup");
    CHECK_EQ_INT(job_end_any(vm, 10000, &err), 1);
    CHECK_STR(block_job("vda"), "");
}

/* covers: C6:FID */
static void test_block_copy(void)
{
    CHECK_EQ_INT(sh("virsh -q blockcopy vm vda $LAB/disks/copy.qcow2 "
                    "--transient-job >/dev/null"),
                 0);
    CHECK_STR(block_job("vda"), "copy");
    CHECK_STR(block_job("vdb"), "");
    CHECK_EQ_INT(sh("virsh -q blockjob vm vda --abort"), 0);
    CHECK_STR(block_job("vda"), "");
}

/* covers: C6:FID */
static void test_block_commit(void)
{
    CHECK_EQ_INT(sh("virsh -q snapshot-create-as vm --disk-only --no-metadata "
                    "--diskspec vdb,snapshot=no >/dev/null && "
                    "virsh -q blockcommit vm vda --active >/dev/null"),
                 0);
    CHECK_STR(block_job("vda"), "commit");
    CHECK_EQ_INT(sh("virsh -q blockjob vm vda --abort"), 0);
    CHECK_STR(block_job("vda"), "");
}

static void test_block_refused(void)
{
    _cleanup_(domain_closep) struct domain *off = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char *what = NULL;

    CHECK_FAILS(domain_block_job(vm, "vdz", &what, &err), &err,
                "disk vdz: Cannot look for the block jobs of domain 'vm': ");
    CHECK(what == NULL);
    CHECK_OK(domain_open(session, "off", &off, &err), &err);
    REQUIRE(off);
    CHECK_EQ_INT(domain_block_job(off, "vda", &what, &err), 0);
    CHECK(what == NULL);
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0 ||
        domain_open(session, "vm", &vm, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    RUN(test_capability);
    RUN(test_none);
    RUN(test_unix);
    RUN(test_tcp);
    RUN(test_daemon_dies);
    RUN(test_other_kind);
    RUN(test_block_backup);
    RUN(test_block_copy);
    RUN(test_block_commit);
    RUN(test_block_refused);
    domain_close(vm);
    session_close(session);
    return check_result();
}
