/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-guardian-wire.c - a guardian to which anything may be said */
#include "host/guardian.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "check.h"
#include "host/guardian_wire.h"
#include "scratch.h"

static int undo(const struct guardian_facts *facts, struct error *err)
{
    const char *log = facts_get(facts, "log");
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

    if (fd < 0)
        return error_set(err, ERR_INPUT, "the fact 'log' is lost");
    dprintf(fd, "undone\n");
    close(fd);
    return 0;
}

/* This program as a guardian, on a socket of ours. */
static pid_t start_raw(int *ret_fd)
{
    int fds[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        exit(1);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDIN_FILENO);
        execl("/proc/self/exe", "test", GUARDIAN_OPTION, NULL);
        _exit(99);
    }
    close(fds[1]);
    *ret_fd = fds[0];
    return pid;
}

static char say(int fd, const void *packet, size_t length)
{
    char answer = '?';

    if (send(fd, packet, length, MSG_NOSIGNAL) != (ssize_t)length ||
        recv(fd, &answer, 1, 0) != 1)
        return '!';
    return answer;
}

/* Random packets never make it fall over, and it still understands. */
static void say_garbage(int fd, unsigned seed)
{
    static unsigned char packet[WIRE_MAX + 100];

    for (int i = 0; i < 2000; i++) {
        size_t length = 1 + (size_t)rand_r(&seed) % 40;

        if (i % 50 == 0)
            length = 1 + (size_t)rand_r(&seed) % sizeof(packet);
        for (size_t k = 0; k < length; k++)
            packet[k] = (unsigned char)(rand_r(&seed) >> 8);
        if (i % 2)
            packet[0] = i % 4 == 1 ? WIRE_SET : WIRE_UNSET;
        if (length == 1 && packet[0] == WIRE_BYE)
            continue;
        CHECK(strchr("YN", say(fd, packet, length)));
    }
}

static void test_garbage(void)
{
    unsigned seed = (unsigned)time(NULL);
    char packet[256];
    char answer = '?';
    int length;
    int status = -1;
    int fd = -1;
    pid_t pid = start_raw(&fd);

    printf("# seed %u\n", seed);
    unlink(scratch_path("log"));
    CHECK(recv(fd, &answer, 1, 0) == 1 && answer == WIRE_YES);
    CHECK_EQ_INT(say(fd, "S", 1), WIRE_NO);
    CHECK_EQ_INT(say(fd, "Sa", 2), WIRE_NO);
    CHECK_EQ_INT(say(fd, "Sa\0b", 4), WIRE_NO);
    CHECK_EQ_INT(say(fd, "S\0b\0", 4), WIRE_NO);
    CHECK_EQ_INT(say(fd, "Sa\0b\0c", 6), WIRE_NO);
    CHECK_EQ_INT(say(fd, "Ua\0b\0", 5), WIRE_NO);
    CHECK_EQ_INT(say(fd, "Bye", 3), WIRE_NO);
    length =
        snprintf(packet, sizeof(packet), "Slog%c%s", 0, scratch_path("log"));
    CHECK_EQ_INT(say(fd, packet, (size_t)length + 1), WIRE_YES);
    say_garbage(fd, seed);
    close(fd);
    waitpid(pid, &status, 0);
    CHECK_EQ_INT(status, 0);
    CHECK_STR(file_text(scratch_path("log")), "undone\n");
}

static void test_typed_by_somebody(void)
{
    const char *const argv[] = {"/proc/self/exe", GUARDIAN_OPTION, NULL};
    struct spawn_request req = {.argv = argv};
    _cleanup_error_ struct error err = ERROR_INIT;

    /* stdin is /dev/null, then a pipe */
    CHECK(spawn_run(&req, 20000, NULL, NULL, &err) < 0);
    CHECK_EQ_INT(err.code, 64);
    CHECK_CONTAINS(error_text(&err), "internal use");
    req.input = "Slog";
    req.input_len = 4;
    CHECK(spawn_run(&req, 20000, NULL, NULL, &err) < 0);
    CHECK_EQ_INT(err.code, 64);
}

int main(int argc, char **argv)
{
    if (guardian_is_wanted(argc, argv))
        return guardian_main(undo);
    scratch_begin();
    alarm(100);
    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    RUN(test_garbage);
    RUN(test_typed_by_somebody);
    return check_result();
}
