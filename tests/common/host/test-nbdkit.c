/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-nbdkit.c - the real nbdkit: well, refusing, killed, and not there */
#include "host/nbdkit.h"

#include <poll.h>
#include <signal.h>

#include "base/spawn.h"
#include "base/stop.h"
#include "check.h"
#include "scratch.h"

/* nbdkit's own plugin "data" as a file. */
static const char *plugin(void)
{
    static char path[512];
    FILE *f = NULL;

    if (path[0])
        return path;
    f = popen("nbdkit --dump-config | sed -n 's/^plugindir=//p'", "r");
    if (!f || !fgets(path, sizeof(path), f)) {
        printf("Bail out! nbdkit does not tell where its plugins are\n");
        exit(1);
    }
    pclose(f);
    path[strcspn(path, "\n")] = '\0';
    strncat(path, "/nbdkit-data-plugin.so", sizeof(path) - strlen(path) - 1);
    return path;
}

static int start(struct nbdkit_request *request, struct nbdkit **ret,
                 struct error *err)
{
    const char *path = scratch_path("socket");
    struct listen_address address;
    int fd = -1;
    int r;

    unlink(path);
    request->plugin = plugin();
    if (listen_unix(path, &address, err) < 0 ||
        listen_on(&address, &fd, err) < 0)
        return -1;
    r = nbdkit_start(request, &address, &fd, 60000, ret, err);
    CHECK_EQ_INT(fd, -1);
    return r;
}

static int io(const char *command)
{
    char uri[512];
    const char *const argv[] = {"qemu-io", "-f", "raw", "-c",
                                command,   uri,  NULL};
    struct spawn_request req = {.argv = argv};
    _cleanup_error_ struct error err = ERROR_INIT;

    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s",
             scratch_path("socket"));
    if (spawn_run(&req, 60000, NULL, NULL, &err) == 0)
        return 0;
    printf("# %s\n", error_text(&err));
    return -1;
}

static void test_serve(void)
{
    _cleanup_(nbdkit_freep) struct nbdkit *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *const parameters[] = {"data=0x11*65536", NULL};
    struct nbdkit_request request = {.parameters = parameters};
    struct pollfd p = {-1, POLLIN, 0};

    CHECK_OK(start(&request, &s, &err), &err);
    REQUIRE(s);
    CHECK_EQ_INT(io("read -P 0x11 0 64K"), 0);
    CHECK_EQ_INT(io("write -P 0x12 0 64K"), 0);
    CHECK_EQ_INT(io("read -P 0x12 0 64K"), 0);
    p.fd = nbdkit_fd(s);
    CHECK_EQ_INT(poll(&p, 1, 0), 0);
    kill(nbdkit_pid(s), SIGKILL);
    CHECK_EQ_INT(poll(&p, 1, 60000), 1);
    CHECK_FAILS(nbdkit_why_ended(s, &err), &err, "SIGKILL");
}

static void test_options(void)
{
    _cleanup_(nbdkit_freep) struct nbdkit *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *const parameters[] = {"data=0x11*65536", NULL};
    const char *const filters[] = {"cow", "blocksize", NULL};
    struct nbdkit_request request = {
        .parameters = parameters, .read_only = true, .threads = 3};

    CHECK_OK(start(&request, &s, &err), &err);
    CHECK_EQ_INT(io("write -P 0x12 0 64K"), -1);
    nbdkit_free(take(s));
    request.filters = filters;
    request.read_only = false;
    CHECK_OK(start(&request, &s, &err), &err);
    CHECK_EQ_INT(io("write -P 0x12 0 64K"), 0);
    CHECK_EQ_INT(io("read -P 0x12 0 64K"), 0);
}

static void test_refused(void)
{
    _cleanup_(nbdkit_freep) struct nbdkit *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *const parameters[] = {"data=(", "--version", NULL};
    struct nbdkit_request request = {.parameters = parameters};

    CHECK_EQ_INT(start(&request, &s, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_CHILD);
    CHECK(s == NULL);
}

/* What it complains of goes where it was told to. */
static void test_stderr(void)
{
    _cleanup_(nbdkit_freep) struct nbdkit *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int fd = -1;
    const char *path = scratch_path("stderr");
    const char *const parameters[] = {"data=((", NULL};
    struct nbdkit_request request = {.parameters = parameters};

    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    request.stderr_fd = fd;
    CHECK_FAILS(start(&request, &s, &err), &err, "status 1");
    CHECK_CONTAINS(file_text(path), "nbdkit: ");
}

static void test_missing(void)
{
    _cleanup_(nbdkit_freep) struct nbdkit *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbdkit_request request = {0};
    char *old = strdup(getenv("PATH"));

    plugin();
    setenv("PATH", "/nowhere", 1);
    CHECK_FAILS(start(&request, &s, &err), &err, "install the package nbdkit");
    setenv("PATH", old, 1);
    free(old);
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    scratch_begin();
    CHECK_OK(stop_init(&err), &err);
    RUN(test_serve);
    RUN(test_options);
    RUN(test_refused);
    RUN(test_stderr);
    RUN(test_missing);
    return check_result();
}
