/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-job.c - tests of virt/job against a real libvirtd
 *
 * The guest "vm" has no job and no checkpoint at the begin and the end of each
 * test.
 */
#include "virt/job.h"

#include "base/stop.h"
#include "in-lab.h"
#include "virt/checkpoint.h"

#define POINT "0b5c1f6e-1111-4222-8333-444455556666"
#define CHAIN "7d0e2a90-aaaa-4bbb-9ccc-ddddeeeeffff"

static struct session *session;
static struct domain *vm;
static char description[CHECKPOINT_DESCRIPTION_ROOM];

static const struct job_disk both[] = {{.target = "vda"}, {.target = "vdb"}};

/* A request for both disks with the checkpoint `name` (NULL: none). */
static struct job_request request_for(const char *name)
{
    return (struct job_request){
        .socket_path = in_run("sock"),
        .scratch_dir = getenv("LAB_RUN"),
        .prefix = POINT,
        .disks = both,
        .disk_count = array_size(both),
        .checkpoint = name,
        .description = description,
    };
}

/* Nothing in the runtime directory. */
static void check_empty(void)
{
    CHECK_STR(sh_out("ls -A $LAB_RUN"), "");
}

static void check_checkpoints(const char *want)
{
    CHECK_STR(sh_out("virsh -q checkpoint-list vm --name | xargs"), want);
}

static void test_xml(void)
{
    struct job_disk disks[] = {
        {.target = "vda", .incremental = "v&.0"},
        {.target = "vdb", .export_name = "b<b", .no_checkpoint = true},
    };
    struct job_request request = request_for("v&.1");
    _cleanup_free_ char *backup = NULL;
    _cleanup_free_ char *checkpoint = NULL;
    _cleanup_free_ char *context = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    request.disks = disks;
    request.parent = "v&.0";
    request.scratch_dir = "/s'\"";
    CHECK_OK(job_backup_xml(&request, &backup, &err), &err);
    CHECK_CONTAINS(backup, "mode=\"pull\"");
    CHECK_CONTAINS(backup, "incremental=\"v&amp;.0\"");
    CHECK_CONTAINS(backup, "exportbitmap=\"backup-vda\"");
    CHECK_CONTAINS(backup, "exportname=\"b&lt;b\"");
    CHECK_CONTAINS(backup, "file=\"/s'&quot;/" POINT ".vda\"");
    CHECK_OK(job_checkpoint_xml(&request, &checkpoint, &err), &err);
    CHECK_CONTAINS(checkpoint, "<name>v&amp;.1</name>");
    CHECK_CONTAINS(checkpoint, "point=" POINT);
    CHECK_CONTAINS(checkpoint, "<disk name=\"vda\" checkpoint=\"bitmap\"/>");
    CHECK(checkpoint && !strstr(checkpoint, "vdb"));
    context = job_bitmap_context(&disks[0]);
    CHECK_STR(context, "qemu:dirty-bitmap:backup-vda");
    request.checkpoint = "a\nb\x01";
    free(take(checkpoint));
    CHECK_FAILS(job_checkpoint_xml(&request, &checkpoint, &err), &err,
                "control characters");
}

static void test_xml_tcp(void)
{
    struct job_request request = request_for(NULL);
    _cleanup_free_ char *backup = NULL;
    _cleanup_free_ char *plain = NULL;
    _cleanup_free_ char *socket = NULL;
    _cleanup_free_ char *mark = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    socket = job_mark(&request);
    CHECK_STR(socket, request.socket_path);
    request.socket_path = NULL;
    request.scratch_dir = "/s";
    request.tcp_host = "h<";
    request.tcp_port = 10809;
    mark = job_mark(&request);
    CHECK_STR(mark, "/s/" POINT);
    CHECK_OK(job_backup_xml(&request, &plain, &err), &err);
    CHECK_CONTAINS(plain,
                   "<server transport=\"tcp\" name=\"h&lt;\" port=\"10809\"/>");
    request.tls = true;
    CHECK_OK(job_backup_xml(&request, &backup, &err), &err);
    CHECK_CONTAINS(backup, "port=\"10809\" tls=\"yes\"/>");
}

/* A job on TCP is known by its scratch files, and its port taken to others. */
static void test_tcp(void)
{
    struct job_request request = request_for("v.0");
    _cleanup_free_ char *mark = NULL;
    _cleanup_free_ char *found = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    request.socket_path = NULL;
    request.tcp_host = "127.0.0.1";
    request.tcp_port = (uint16_t)(20000 + getpid() % 10000);
    mark = job_mark(&request);
    CHECK_OK(job_begin(vm, &request, &err), &err);
    CHECK_EQ_INT(job_find(vm, &found, &err), 1);
    CHECK_STR(found, mark);
    CHECK_EQ_INT(job_end(vm, "/another", 1000, &err), 0);
    CHECK_EQ_INT(job_undo(vm, &request, 10000, &err), 1);
    check_checkpoints("\n");
    check_empty();
    REQUIRE(sh("nbdkit -i 127.0.0.1 -p %u -P $LAB_RUN/pid memory 1M",
               request.tcp_port) == 0);
    CHECK(job_begin(vm, &request, &err) < 0);
    CHECK(job_port_is_taken(&err));
    error_clear(&err);
    CHECK_OK(job_undo(vm, &request, 10000, &err), &err);
    CHECK_EQ_INT(sh("kill $(cat $LAB_RUN/pid) && rm $LAB_RUN/pid"), 0);
    check_checkpoints("\n");
    check_empty();
}

static void test_full(void)
{
    struct job_request request = request_for("v.0");
    _cleanup_(checkpoint_free) struct checkpoint c = {0};
    _cleanup_free_ char *socket = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct job_stats stats = {0};
    char point[TEXT_UUID_ROOM] = "", chain[TEXT_UUID_ROOM] = "";
    double start = 0;

    CHECK_EQ_INT(job_find(vm, &socket, &err), 0);
    CHECK_OK(job_stats(vm, &stats, &err), &err);
    CHECK(!stats.active);
    CHECK_OK(job_begin(vm, &request, &err), &err);
    CHECK_EQ_INT(job_find(vm, &socket, &err), 1);
    CHECK_STR(socket, request.socket_path);
    CHECK_EQ_INT(job_find(vm, NULL, &err), 1);
    CHECK_OK(job_stats(vm, &stats, &err), &err);
    CHECK(stats.active && stats.backup);
    CHECK_STR(stats.operation, "backup");
    CHECK_EQ_U64(stats.scratch_total, 80 * MIB);
    CHECK_CONTAINS(
        sh_out("nbdinfo --list 'nbd+unix:///?socket=%s' 2>&1", socket),
        "export=\"vdb\"");
    CHECK_CONTAINS(
        sh_out("nbdinfo --size 'nbd+unix:///vda?socket=%s' 2>&1", socket),
        "67108864");
    CHECK_STR(sh_out("ls -A $LAB_RUN"), POINT ".vda\n" POINT ".vdb\nsock\n");
    CHECK_EQ_INT(checkpoint_find(vm, "v.0", &c, &err), 1);
    CHECK_EQ_INT(checkpoint_identity(c.description, point, chain), 1);
    CHECK_STR(point, POINT);
    CHECK_STR(chain, CHAIN);

    CHECK_EQ_INT(job_end(vm, "/another/socket", 1000, &err), 0);
    CHECK_EQ_INT(job_find(vm, NULL, &err), 1);
    start = seconds();
    CHECK_EQ_INT(job_end(vm, request.socket_path, 10000, &err), 1);
    printf("# job_end took %.0f ms\n", (seconds() - start) * 1000);
    check_empty();
    CHECK_EQ_INT(job_find(vm, NULL, &err), 0);
    CHECK_EQ_INT(job_end(vm, request.socket_path, 1000, &err), 0);
    CHECK_EQ_INT(checkpoint_delete(vm, "v.0", false, &err), 1);
}

static void test_incremental(void)
{
    struct job_disk disks[] = {{.target = "vda", .incremental = "v.0"},
                               {.target = "vdb"}};
    struct job_request request = request_for("v.0");
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(job_begin(vm, &request, &err), &err);
    CHECK_EQ_INT(job_end(vm, request.socket_path, 10000, &err), 1);
    CHECK_EQ_INT(guest_write("vm", "vda", 2, "3M", "64K"), 0);
    request.checkpoint = "v.1";
    request.disks = disks;
    request.parent = "v.0";
    CHECK_OK(job_begin(vm, &request, &err), &err);
    CHECK_CONTAINS(sh_out("nbdinfo --map=qemu:dirty-bitmap:backup-vda "
                          "'nbd+unix:///vda?socket=%s' 2>&1",
                          request.socket_path),
                   "3145728       65536    1");
    CHECK_EQ_INT(job_end(vm, request.socket_path, 10000, &err), 1);
    check_checkpoints("v.0 v.1\n");
    CHECK_OK(checkpoint_delete_many(vm, (const char *[]){"v.0", "v.1"}, 2, NULL,
                                    &err),
             &err);
    check_empty();
}

/* covers: C6:FID */
static void test_busy(void)
{
    struct job_request request = request_for(NULL);
    struct job_request second = request_for("v.1");
    _cleanup_error_ struct error err = ERROR_INIT;
    double start = 0;

    CHECK_OK(job_begin(vm, &request, &err), &err);
    check_checkpoints("\n");
    second.socket_path = in_run("second");
    second.prefix = "second";
    start = seconds();
    CHECK(job_begin(vm, &second, &err) < 0);
    CHECK(seconds() - start < 5);
    CHECK_EQ_INT(err.kind, ERR_BUSY);
    CHECK_STR(error_text(&err), "Cannot start the backup job of domain 'vm': "
                                "it has an active job already (backup)");
    error_clear(&err);
    /* The failed one takes nothing of the other away. */
    CHECK_EQ_INT(job_undo(vm, &second, 1000, &err), 0);
    CHECK_EQ_INT(job_find(vm, NULL, &err), 1);
    CHECK_EQ_INT(job_undo(vm, &request, 10000, &err), 1);
    check_empty();
}

/* libvirt leaves the checkpoint when an export fails. */
/* covers: C22:IC */
static void test_undo(void)
{
    static const struct job_disk same[] = {
        {.target = "vda", .export_name = "x"},
        {.target = "vdb", .export_name = "x"},
    };
    struct job_request request = request_for("v.0");
    _cleanup_error_ struct error err = ERROR_INIT;

    request.disks = same;
    CHECK(job_begin(vm, &request, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    CHECK_CONTAINS(error_text(&err), "Cannot start the backup job of domain "
                                     "'vm': ");
    error_clear(&err);
    check_checkpoints("v.0\n");
    /* The job itself may be a few ms from its end, or over. */
    request.description = "another's";
    CHECK(job_undo(vm, &request, 10000, &err) >= 0);
    CHECK_EQ_INT(job_undo(vm, &request, 1000, &err), 0);
    check_checkpoints("v.0\n");
    request.description = description;
    CHECK_EQ_INT(job_undo(vm, &request, 1000, &err), 1);
    check_checkpoints("\n");
    CHECK_EQ_INT(job_undo(vm, &request, 1000, &err), 0);
    check_empty();
}

static void test_bad_places(void)
{
    struct job_request request = request_for("v.0");
    _cleanup_error_ struct error err = ERROR_INIT;

    request.socket_path = in_run("nowhere/sock");
    CHECK_FAILS(job_begin(vm, &request, &err), &err, "nowhere/sock");
    CHECK_EQ_INT(job_undo(vm, &request, 1000, &err), 0);
    request = request_for("v.0");
    request.scratch_dir = in_run("nowhere");
    CHECK_FAILS(job_begin(vm, &request, &err), &err, "nowhere/" POINT ".vda");
    CHECK_EQ_INT(job_undo(vm, &request, 1000, &err), 0);
    check_checkpoints("\n");
    check_empty();
}

static void test_off(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    struct job_request request = request_for("v.0");
    struct job_stats stats = {.active = true};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "off", &d, &err), &err);
    REQUIRE(d);
    request.disk_count = 1;
    CHECK(job_begin(d, &request, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_STR(error_text(&err), "Cannot start the backup job of domain 'off': "
                                "it is not running");
    error_clear(&err);
    CHECK_EQ_INT(job_find(d, NULL, &err), 0);
    CHECK_OK(job_stats(d, &stats, &err), &err);
    CHECK(!stats.active);
    CHECK_EQ_INT(job_undo(d, &request, 1000, &err), 0);
}

/* qcow2 of version 2 cannot keep bitmaps; a job without one works. */
static void test_old_image(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    struct job_request request = request_for("v.0");
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "old", &d, &err), &err);
    REQUIRE(d);
    request.disk_count = 1;
    CHECK_FAILS(job_begin(d, &request, &err), &err,
                "Cannot store dirty bitmaps in qcow2 v2 files");
    CHECK_EQ_INT(job_undo(d, &request, 1000, &err), 0);
    request.checkpoint = NULL;
    CHECK_OK(job_begin(d, &request, &err), &err);
    CHECK_EQ_INT(job_end(d, request.socket_path, 10000, &err), 1);
    check_empty();
}

/* libvirtd dies in the middle of the job. */
/* covers: C4:FID */
static void test_daemon_dies(void)
{
    struct job_request request = request_for("v.0");
    _cleanup_error_ struct error err = ERROR_INIT;
    pid_t pid = daemon_pid();

    CHECK_OK(job_begin(vm, &request, &err), &err);
    REQUIRE(pid > 1 && kill(pid, SIGKILL) == 0);
    CHECK_EQ_INT(job_end(vm, request.socket_path, 20000, &err), 1);
    CHECK_STR(error_text(&err), "no error");
    CHECK_EQ_INT(job_find(vm, NULL, &err), 0);
    check_empty();
    CHECK_EQ_INT(checkpoint_delete_own(vm, "v.0", description, &err), 1);
}

/* The guest ends: so does the job, and the socket stays for us to remove. */
/* covers: C1:FID */
static void test_guest_dies(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    struct job_request request = request_for(NULL);
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "old", &d, &err), &err);
    REQUIRE(d);
    request.disk_count = 1;
    CHECK_OK(job_begin(d, &request, &err), &err);
    CHECK_EQ_INT(sh("virsh -q destroy old >/dev/null"), 0);
    CHECK_EQ_INT(job_end(d, request.socket_path, 10000, &err), 0);
    CHECK_STR(sh_out("ls -A $LAB_RUN"), "sock\n");
    unlink(request.socket_path);
    /* The domain is gone altogether. */
    CHECK_EQ_INT(sh("virsh -q undefine old >/dev/null"), 0);
    CHECK_EQ_INT(job_end(d, request.socket_path, 10000, &err), 0);
    request.checkpoint = "v.0";
    CHECK_EQ_INT(job_undo(d, &request, 10000, &err), 0);
}

/* What libvirt kept of the last job that ended; read once. */
static bool a_job_has_ended(void)
{
    return strstr(sh_out("virsh -q domjobinfo vm --completed 2>&1"), "Backup");
}

/* covers: C5:FID C22:IC */
static void test_deadline(void)
{
    struct job_request request = request_for("v.0");
    _cleanup_error_ struct error err = ERROR_INIT;
    double start = 0;
    pid_t pid = 0;

    a_job_has_ended(); /* an earlier one: forget it */
    CHECK(!a_job_has_ended());
    pid = daemon_freeze();
    start = seconds();
    request.timeout_ms = 300;
    CHECK(job_begin(vm, &request, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    error_clear(&err);
    CHECK(job_end(vm, request.socket_path, 300, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    error_clear(&err);
    CHECK(seconds() - start < 5);
    kill(pid, SIGCONT);
    /* The job that was given up starts now, and is undone. */
    while (!a_job_has_ended() && seconds() - start < 60)
        usleep(10000);
    CHECK(seconds() - start < 60);
    while (checkpoint_find(vm, "v.0", NULL, &err) == 1 &&
           seconds() - start < 60)
        usleep(10000);
    CHECK_EQ_INT(job_undo(vm, &request, 10000, &err), 0);
    check_checkpoints("\n");
    check_empty();
}

static pid_t frozen;

static void *stop_then_thaw(void *arg maybe_unused)
{
    usleep(200 * 1000);
    stop_request(SIGINT);
    usleep(300 * 1000);
    kill(frozen, SIGCONT);
    return NULL;
}

/* From here on a stop is requested: the last test. */
static void test_stop(void)
{
    struct job_request request = request_for("v.0");
    _cleanup_error_ struct error err = ERROR_INIT;
    pthread_t id;

    CHECK_OK(stop_init(&err), &err);
    frozen = daemon_freeze();
    REQUIRE(pthread_create(&id, NULL, stop_then_thaw, NULL) == 0);
    /* Once begun, the caller gets to know how it ended. */
    CHECK_OK(job_begin(vm, &request, &err), &err);
    pthread_join(id, NULL);
    CHECK_EQ_INT(stop_requested(), SIGINT);
    CHECK(job_find(vm, NULL, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    CHECK_EQ_INT(job_undo(vm, &request, 10000, &err), 1);
    check_checkpoints("\n");
    check_empty();
    CHECK(job_begin(vm, &request, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    check_empty();
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0 ||
        domain_open(session, "vm", &vm, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    checkpoint_describe(POINT, CHAIN, description);
    RUN(test_xml);
    RUN(test_xml_tcp);
    RUN(test_tcp);
    RUN(test_full);
    RUN(test_incremental);
    RUN(test_busy);
    RUN(test_undo);
    RUN(test_bad_places);
    RUN(test_off);
    RUN(test_old_image);
    RUN(test_daemon_dies);
    RUN(test_guest_dies);
    RUN(test_deadline);
    RUN(test_stop);
    domain_close(vm);
    session_close(session);
    return check_result();
}
