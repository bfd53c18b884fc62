/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* valgrind.c - preloaded into what runs under valgrind (scripts/valgrind.sh)
 *
 * Valgrind 3.19 (Debian 12) does not know the system calls of pidfds, nor
 * openat2, and /proc/self/exe is valgrind's own program when it is executed. So
 * a process outside opens pidfds (valgrind-pidfd.py, whose socket
 * VALGRIND_PIDFD names), openat does for openat2, and a program that starts
 * itself again does it with valgrind.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int reach(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("VALGRIND_PIDFD");
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path ? path : "");
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The answer: an errno, and the descriptor if it is 0. */
static int receive(int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    int code = EIO;
    int got = -1;
    struct iovec data = {&code, sizeof(code)};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};

    if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) == sizeof(code) && code == 0 &&
        CMSG_FIRSTHDR(&m))
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
    errno = code;
    return got;
}

int pidfd_open(pid_t pid, unsigned flags)
{
    int fd = reach();
    int got = -1;

    (void)flags;
    if (fd < 0)
        return -1;
    if (send(fd, &pid, sizeof(pid), MSG_NOSIGNAL) == sizeof(pid))
        got = receive(fd);
    close(fd);
    return got;
}

int pidfd_send_signal(int fd, int signal, siginfo_t *info, unsigned flags)
{
    char name[64];
    char line[128];
    FILE *f = NULL;
    int pid = -1;

    (void)info;
    (void)flags;
    snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
    f = fopen(name, "re");
    while (f && fgets(line, sizeof(line), f))
        (void)!sscanf(line, "Pid: %d", &pid);
    if (f)
        fclose(f);
    if (pid <= 0) {
        errno = ESRCH;
        return -1;
    }
    return kill(pid, signal);
}

int posix_spawn(pid_t *restrict pid, const char *restrict path,
                const posix_spawn_file_actions_t *restrict files,
                const posix_spawnattr_t *restrict attributes,
                char *const argv[restrict], char *const env[restrict])
{
    static char valgrind[] = "valgrind";
    char self[4096] = "";
    char *words[64] = {valgrind, self};

    if (strcmp(path, "/proc/self/exe") != 0)
        return posix_spawnp(pid, path, files, attributes, argv, env);
    if (readlink(path, self, sizeof(self) - 1) < 0)
        return errno;
    for (size_t i = 1; argv[i] && i < 62; i++)
        words[i + 1] = argv[i];
    return posix_spawnp(pid, valgrind, files, attributes, words, env);
}

long syscall(long number, ...)
{
    static long (*real)(long, ...) = NULL;
    long a[6];
    va_list ap;

    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_openat2) {
        const struct open_how *how = (const struct open_how *)a[2];

        return openat((int)a[0], (const char *)a[1], (int)how->flags,
                      (mode_t)how->mode);
    }
    if (!real)
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
