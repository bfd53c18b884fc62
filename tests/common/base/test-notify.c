/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-notify.c - base/notify against real datagram sockets, of both kinds of
 * names, and what base/progress says through it
 */
#include "base/notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/macro.h"
#include "base/progress.h"
#include "check.h"
#include "scratch.h"

static char received[4096];

/* A socket of this name ('@' in front: an abstract one), and the variable. */
static int listen_as(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    if (fd < 0 || bind(fd, (struct sockaddr *)&address,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                   length + (name[0] != '@'))) < 0)
        return -1;
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

/* The next datagram; "" if there is none. */
static const char *next(int fd)
{
    ssize_t n = recv(fd, received, sizeof(received) - 1, 0);

    received[n > 0 ? n : 0] = '\0';
    return received;
}

static void test_abstract(void)
{
    char name[64];
    int fd;

    snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
    fd = listen_as(name);
    REQUIRE(fd >= 0);
    CHECK(notify_wanted());
    notify_ready();
    CHECK_STR(next(fd), "READY=1");
    notify_status("vda 42%");
    CHECK_STR(next(fd), "STATUS=vda 42%");
    notify_status("one\nREADY=1");
    CHECK_STR(next(fd), "STATUS=one");
    close(fd);
    /* Nobody listens any more: no error, no signal. */
    notify_ready();
}

static void test_path(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    char name[128];
    char text[2 * NOTIFY_STATUS_MAX];
    int fd;

    REQUIRE(scratch_make(&s) == 0);
    snprintf(name, sizeof(name), "%s/notify", s.path);
    fd = listen_as(name);
    REQUIRE(fd >= 0);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    notify_status(text);
    CHECK_EQ_U64(strlen(next(fd)), strlen("STATUS=") + NOTIFY_STATUS_MAX);
    close(fd);
}

static void test_nobody(void)
{
    static const char *const names[] = {"", "relative", "/", "@",
                                        "/no/such/directory/socket"};
    char longest[300];

    unsetenv("NOTIFY_SOCKET");
    CHECK(!notify_wanted());
    notify_ready();
    for (size_t i = 0; i < array_size(names); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        CHECK(notify_wanted() == (i == 4));
        notify_status("text");
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[0] = '@';
    longest[sizeof(longest) - 1] = '\0';
    setenv("NOTIFY_SOCKET", longest, 1);
    notify_status("text");
}

/* Once a second, all disks, without -n or with it. */
static void test_progress(void)
{
    char name[64];
    struct progress *p;
    struct progress_disk *vda, *vdb;
    uint64_t second = 1000;
    int fd;

    snprintf(name, sizeof(name), "@test-notify-p-%d", (int)getpid());
    fd = listen_as(name);
    REQUIRE(fd >= 0);
    p = progress_new(false, stderr);
    REQUIRE(p);
    progress_tick_at(p, 100 * second);
    CHECK_STR(next(fd), "");
    vda = progress_add(p, "vda", 1000);
    vdb = progress_add(p, "vdb", 1000);
    progress_read(vda, 420);
    progress_tick_at(p, 101 * second);
    CHECK_STR(next(fd), "STATUS=vda 42%, vdb 0%");
    progress_read(vdb, 70);
    progress_tick_at(p, 101 * second + 200);
    CHECK_STR(next(fd), "");
    progress_done(vda);
    progress_tick_at(p, 102 * second);
    CHECK_STR(next(fd), "STATUS=vda 100%, vdb 7%");
    progress_free(p);
    close(fd);
}

int main(void)
{
    RUN(test_abstract);
    RUN(test_path);
    RUN(test_nobody);
    RUN(test_progress);
    return check_result();
}
