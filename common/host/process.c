/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process.c - see process.h */
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#define END_TIMEOUT_MS 10000
#define START_FIELD 22 /* of /proc/PID/stat, from 1 */

/* When it started, in ticks since the machine did.  False: no such process. */
static bool start_time(pid_t pid, uint64_t *ret)
{
    char path[64];
    char text[1024];
    _cleanup_close_ int fd = -1;
    char *rest = NULL;
    char *word = NULL;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : file_read_full(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    /* "PID (NAME) STATE ...": the name may hold anything. */
    rest = strrchr(text, ')');
    if (!rest || rest[1] != ' ')
        return false;
    rest += 2;
    for (int i = 3; i <= START_FIELD; i++)
        word = strsep(&rest, " ");
    return word && text_u64(word, ret) == 0;
}

int process_identity(pid_t pid, char **ret, struct error *err)
{
    uint64_t start = 0;

    if (!start_time(pid, &start))
        return error_errno(err, ESRCH, "look at process %d", (int)pid);
    *ret = text_dup_printf("%d:%" PRIu64, (int)pid, start);
    return *ret ? 0 : error_memory(err);
}

static int parse(const char *identity, pid_t *ret_pid, uint64_t *ret_start,
                 struct error *err)
{
    const char *colon = strchr(identity, ':');
    char digits[24] = "";
    uint64_t pid = 0;

    if (colon && (size_t)(colon - identity) < sizeof(digits))
        memcpy(digits, identity, (size_t)(colon - identity));
    if (!colon || text_u64(digits, &pid) < 0 || pid == 0 || pid > INT32_MAX ||
        text_u64(colon + 1, ret_start) < 0)
        return error_set(err, ERR_INPUT, "'%s' identifies no process",
                         identity);
    *ret_pid = (pid_t)pid;
    return 0;
}

int process_kill(const char *identity, struct error *err)
{
    _cleanup_close_ int fd = -1;
    struct pollfd p = {-1, POLLIN, 0};
    uint64_t start = 0;
    uint64_t now = 0;
    pid_t pid = 0;
    int n;

    if (parse(identity, &pid, &start, err) < 0)
        return -1;
    /* What is behind the descriptor stays the same process. */
    fd = pidfd_open(pid, 0);
    if (fd < 0 || !start_time(pid, &now) || now != start)
        return 0;
    if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return error_errno(err, errno, "kill process %d", (int)pid);
    p.fd = fd;
    do
        n = poll(&p, 1, END_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0
                 : error_set(err, ERR_TIMEOUT, "process %d does not end",
                             (int)pid);
}
