/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* in-lab.h - what the test programs that run in a lab share
 *
 * They run as the lab's user, with virsh and nbdinfo in PATH, LAB and LAB_RUN
 * (a private directory) in the environment; see with-lab.bash.
 */
#ifndef TESTS_IN_LAB_H
#define TESTS_IN_LAB_H

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "check.h"
#include "virt/domain.h"
#include "virt/session.h"

/* Run a shell command; its exit status. */
printf_format(1, 2) static inline int sh(const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    int status = 0;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    fflush(stdout);
    status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* The same with its stdout, in a static buffer. */
printf_format(1, 2) static inline const char *sh_out(const char *fmt, ...)
{
    static char out[65536];
    char line[4096];
    va_list ap;
    size_t n = 0;
    FILE *f = NULL;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    f = popen(line, "r");
    if (f) {
        n = fread(out, 1, sizeof(out) - 1, f);
        pclose(f);
    }
    out[n] = '\0';
    return out;
}

/* The URI of a session that was given none, as errors name it: its secret is
 * hidden where they are logged.
 */
static inline const char *default_uri(void)
{
    const char *uri = getenv("LIBVIRT_DEFAULT_URI");

    return uri ? uri : "";
}

/* "<LAB_RUN>/<name>", in one of four static buffers. */
static inline const char *in_run(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", getenv("LAB_RUN"), name);
    return path;
}

static inline double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The process id of the lab's libvirtd, or 0. */
static inline pid_t daemon_pid(void)
{
    return (pid_t)atoi(sh_out("cat $LAB/r/libvirt/libvirtd.pid"));
}

/* Stop the lab's libvirtd, as a hanging one; and let it go on. */
static inline pid_t daemon_freeze(void)
{
    pid_t pid = daemon_pid();

    CHECK(pid > 1 && kill(pid, SIGSTOP) == 0);
    return pid;
}

/* Write into a disk of a running guest. */
static inline int guest_write(const char *domain, const char *disk,
                              unsigned pattern, const char *offset,
                              const char *length)
{
    return sh("virsh -q qemu-monitor-command %s --hmp 'qemu-io -d "
              "/machine/peripheral/ua-%s/virtio-backend \"write -P %u %s "
              "%s\"' >/dev/null",
              domain, disk, pattern, offset, length);
}

#endif
