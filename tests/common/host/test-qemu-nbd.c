/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-qemu-nbd.c - the real qemu-nbd, well, refusing, full and killed */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/spawn.h"
#include "base/stop.h"
#include "check.h"
#include "host/host.h"
#include "host/qemu.h"
#include "scratch.h"

static int run(const char *const *argv)
{
    struct spawn_request req = {.argv = argv};
    _cleanup_error_ struct error err = ERROR_INIT;

    if (spawn_run(&req, 60000, NULL, NULL, &err) == 0)
        return 0;
    printf("# %s\n", error_text(&err));
    return -1;
}

/* qemu-io with one command, on an image or on a server. */
static int io(const char *format, const char *target, const char *command)
{
    const char *const argv[] = {"qemu-io", "-f",   format, "-c",
                                command,   target, NULL};

    return run(argv);
}

static const char *uri(const char *socket)
{
    static char text[512];

    snprintf(text, sizeof(text), "nbd+unix:///?socket=%s", socket);
    return text;
}

static void make_image(const char *path)
{
    struct qemu_create c = {.format = "qcow2", .virtual_size = 64 * MIB};
    _cleanup_error_ struct error err = ERROR_INIT;

    unlink(path);
    CHECK_OK(qemu_img_create(path, &c, &err), &err);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Every mode works; what is written is there after the stop. */
static void test_modes(void)
{
    static const struct qemu_nbd_options all[] = {
        {0},
        {.cache = QEMU_CACHE_WRITEBACK, .aio = QEMU_AIO_NATIVE},
        {.cache = QEMU_CACHE_NONE, .aio = QEMU_AIO_NATIVE, .discard = true},
        {.shared = 8, .discard = true, .detect_zeroes = true},
        {.detect_zeroes = true},
    };
    const char *image = scratch_path("image");
    const char *name = scratch_path("socket");

    for (size_t i = 0; i < array_size(all); i++) {
        _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;
        struct stat st = {0};
        double begin;
        double started;

        make_image(image);
        begin = now();
        CHECK_OK(qemu_nbd_start(image, "qcow2", name, &all[i], &server, &err),
                 &err);
        started = now();
        REQUIRE(server);
        CHECK(stat(name, &st) == 0 && S_ISSOCK(st.st_mode));
        CHECK_EQ_U64(st.st_mode & 07777, 0600);
        CHECK(qemu_nbd_aio(server) != QEMU_AIO_AUTO);
        CHECK(io("raw", uri(name), "write -P 7 1M 3M") == 0);
        CHECK(io("raw", uri(name), "read -P 7 1M 3M") == 0);
        begin -= started;
        started = now();
        CHECK_OK(qemu_nbd_stop(take(server), &err), &err);
        printf("# cache %d aio %d: up in %.1f ms, down in %.1f ms\n",
               all[i].cache, all[i].aio, -begin, now() - started);
        CHECK(!is_there(name));
        CHECK_OK(host_sync_file(NULL, image, &err), &err);
        CHECK(io("qcow2", image, "read -P 7 1M 3M") == 0);
        CHECK(io("qcow2", image, "read -P 0 4M 60M") == 0);
    }
}

static void test_read_only_and_bitmap(void)
{
    struct qemu_nbd_options o = {.read_only = true, .bitmap = "b,0"};
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *image = scratch_path("image");
    const char *name = scratch_path("socket");
    const char *const add[] = {"qemu-img", "bitmap", "--add",
                               image,      "b,0",    NULL};

    const char *const read[] = {"qemu-io", "-r",        "-f",      "raw",
                                "-c",      "read 0 3M", uri(name), NULL};

    make_image(image);
    CHECK(run(add) == 0);
    CHECK_OK(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err);
    REQUIRE(server);
    CHECK(io("raw", uri(name), "write -P 7 1M 3M") < 0);
    CHECK(run(read) == 0);
    CHECK_OK(qemu_nbd_stop(take(server), &err), &err);
    o.bitmap = "absent";
    CHECK_FAILS(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err,
                "Bitmap 'absent' is not found");
    CHECK(!is_there(name));
}

/* Reasons are one sentence, and no socket is left. */
static void check_refusal(const char *image, const char *format,
                          const char *part)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    const char *name = scratch_path("other");

    CHECK(qemu_nbd_start(image, format, name, &o, &server, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_CHILD);
    CHECK_CONTAINS(error_text(&err), part);
    CHECK_CONTAINS(error_text(&err), image);
    CHECK(!strchr(error_text(&err), '\n'));
    printf("# %s\n", error_text(&err));
    CHECK(!is_there(name));
}

static void test_refusals(void)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    const char *image = scratch_path("image");

    make_image(image);
    CHECK_OK(qemu_nbd_start(image, "qcow2", scratch_path("socket"), &o, &server,
                            &err),
             &err);
    check_refusal(image, "qcow2", "in use by another process");
    CHECK_OK(qemu_nbd_stop(take(server), &err), &err);
    check_refusal(image, "vmdk", "VMDK");
    check_refusal(image, "nosuch", "nosuch");
    check_refusal(scratch_path("absent"), "qcow2", "No such file");
    put_file(scratch_path("text"), "no image");
    check_refusal(scratch_path("text"), "qcow2", "not in qcow2 format");
}

/* covers: S1:FIDR */
static void test_socket_names(void)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    const char *image = scratch_path("image");
    const char *taken = scratch_path("taken");
    char name[200];

    make_image(image);
    put_file(taken, "mine");
    CHECK(qemu_nbd_start(image, "qcow2", taken, &o, &server, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    error_clear(&err);
    CHECK_STR(file_text(taken), "mine");
    memset(name, 'x', sizeof(name));
    memcpy(name, "/tmp/", 5);
    name[108] = '\0';
    CHECK_FAILS(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err,
                "too long");
    CHECK_FAILS(
        qemu_nbd_start(image, "qcow2", "/nonexistent/s", &o, &server, &err),
        &err, "No such file");
    o.shared = 65;
    CHECK_FAILS(
        qemu_nbd_start(image, "qcow2", scratch_path("s"), &o, &server, &err),
        &err, "clients");
}

/* A client that goes without a word does not make the stop a failure. */
static void test_rude_client(void)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {.shared = 2};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *image = scratch_path("image");
    const char *name = scratch_path("socket");
    char greeting[18];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    make_image(image);
    CHECK_OK(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err);
    REQUIRE(server);
    strcpy(address.sun_path, name);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK_EQ_INT(recv(fd, greeting, sizeof(greeting), MSG_WAITALL), 18);
    close(fd);
    CHECK(io("raw", uri(name), "read 0 1M") == 0);
    CHECK_OK(qemu_nbd_stop(take(server), &err), &err);
}

static void test_killed(void)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    const char *image = scratch_path("image");
    const char *name = scratch_path("socket");

    make_image(image);
    CHECK_OK(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err);
    REQUIRE(server);
    kill(qemu_nbd_pid(server), SIGKILL);
    CHECK_FAILS(qemu_nbd_stop(take(server), &err), &err, "SIGKILL");
    CHECK(!is_there(name));
}

/* One that is only freed is gone, and so is its socket. */
static void test_free(void)
{
    struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    const char *image = scratch_path("image");
    const char *name = scratch_path("socket");
    pid_t pid;

    make_image(image);
    CHECK_OK(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err);
    REQUIRE(server);
    pid = qemu_nbd_pid(server);
    qemu_nbd_free(server);
    CHECK(kill(pid, 0) < 0 && errno == ESRCH);
    CHECK(!is_there(name));
    qemu_nbd_free(NULL);
}

/* It does not outlive us, however we end. */
/* covers: B8:FRM */
static void test_dies_with_us(void)
{
    struct qemu_nbd_options o = {0};
    _cleanup_close_ int watch = -1;
    struct pollfd p = {.events = POLLIN};
    const char *image = scratch_path("image");
    pid_t server_pid = 0;
    int fds[2];
    pid_t pid;

    make_image(image);
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct qemu_nbd *server = NULL;

        if (qemu_nbd_start(image, "qcow2", scratch_path("s"), &o, &server,
                           NULL) < 0)
            _exit(1);
        server_pid = qemu_nbd_pid(server);
        if (write(fds[1], &server_pid, sizeof(server_pid)) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    close(fds[1]);
    CHECK_EQ_INT(read(fds[0], &server_pid, sizeof(server_pid)),
                 sizeof(server_pid));
    close(fds[0]);
    REQUIRE(server_pid > 0);
    watch = pidfd_open(server_pid, 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    p.fd = watch;
    CHECK_EQ_INT(poll(&p, 1, 30000), 1);
    unlink(scratch_path("s"));
}

/* A file system of our own, seen by this process and its children only.
 * false: not allowed.
 */
static bool mount_private(const char *kind, const char *options, char *path)
{
    strcpy(path, scratch_path("mnt"));
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
           (mkdir(path, 0700) == 0 || errno == EEXIST) &&
           mount(kind, path, kind, 0, options) == 0;
}

/* Where O_DIRECT is not to be had, the page cache is taken. */
static void test_no_direct_io(void)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    char mnt[256];
    char image[300];
    const char *name = scratch_path("socket");

    if (!mount_private("ramfs", NULL, mnt)) {
        printf("# skipped: needs root, to mount ramfs\n");
        return;
    }
    snprintf(image, sizeof(image), "%s/image", mnt);
    make_image(image);
    CHECK_OK(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err);
    CHECK(server && qemu_nbd_cache(server) == QEMU_CACHE_WRITEBACK);
    if (server)
        CHECK_OK(qemu_nbd_stop(take(server), &err), &err);
    CHECK(umount(mnt) == 0);
}

/* qemu-nbd exits with 0 although it could not write the image's metadata when
 * it closed it; we do not believe that.
 */
/* covers: E16:FRM */
static void test_complaint(void)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    static char block[65536];
    char mnt[256];
    char image[300];
    char filler[300];
    const char *const add[] = {"qemu-img", "bitmap", "--add",
                               image,      "b0",     NULL};
    const char *name = scratch_path("socket");
    _cleanup_close_ int fd = -1;

    if (!mount_private("tmpfs", "size=2m", mnt)) {
        printf("# skipped: needs root, to mount tmpfs\n");
        return;
    }
    snprintf(image, sizeof(image), "%s/image", mnt);
    snprintf(filler, sizeof(filler), "%s/filler", mnt);
    make_image(image);
    CHECK(run(add) == 0);
    CHECK_OK(qemu_nbd_start(image, "qcow2", name, &o, &server, &err), &err);
    CHECK(io("raw", uri(name), "write -P 1 0 64k") == 0);
    fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        continue;
    closep(&fd);
    if (server)
        CHECK_FAILS(qemu_nbd_stop(take(server), &err), &err,
                    "No space left on device");
    CHECK(umount(mnt) == 0);
}

/* After the user asked for the end nothing is started any more, but what runs
 * is still closed in order.  The last test, since that cannot be taken back.
 */
static void test_stop_requested(void)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *late = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_nbd_options o = {0};
    const char *image = scratch_path("image");
    const char *other = scratch_path("other");

    make_image(image);
    make_image(other);
    CHECK_OK(
        qemu_nbd_start(image, "qcow2", scratch_path("s1"), &o, &server, &err),
        &err);
    REQUIRE(server);
    stop_request(SIGTERM);
    CHECK(qemu_nbd_start(other, "qcow2", scratch_path("s2"), &o, &late, &err) <
          0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    CHECK(!is_there(scratch_path("s2")));
    CHECK_OK(qemu_nbd_stop(take(server), &err), &err);
}

int main(void)
{
    const char *const version[] = {"qemu-nbd", "--version", NULL};
    const char *const io_version[] = {"qemu-io", "--version", NULL};
    _cleanup_error_ struct error err = ERROR_INIT;

    if (run(version) < 0 || run(io_version) < 0)
        check_skip_all("no qemu-nbd or no qemu-io");
    scratch_begin();
    CHECK_OK(stop_init(&err), &err);
    RUN(test_modes);
    RUN(test_read_only_and_bitmap);
    RUN(test_refusals);
    RUN(test_socket_names);
    RUN(test_rude_client);
    RUN(test_killed);
    RUN(test_free);
    RUN(test_dies_with_us);
    RUN(test_no_direct_io);
    RUN(test_complaint);
    RUN(test_stop_requested);
    return check_result();
}
