/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.c - see device.h */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/words.h"

#define PREFIX "/dev/nbd"
#define START_TIMEOUT_MS 60000
#define POLL_MS 5
#define DETACH_TIMEOUT_MS 30000
#define END_GRACE_MS 10000

/* What qemu-nbd says with --verbose once the kernel has the device. */
#define CONNECTED "is now connected to"

static bool is_name(const char *device)
{
    const char *number = device + strlen(PREFIX);

    return strncmp(device, PREFIX, strlen(PREFIX)) == 0 && number[0] &&
           strspn(number, "0123456789") == strlen(number);
}

/* The thread that serves the device, as the kernel says; 0: nobody, or the
 * kernel does not say.
 */
static pid_t serving(const char *device)
{
    _cleanup_free_ char *path =
        text_dup_printf("/sys/class/block/%s/pid", device + strlen("/dev/"));
    _cleanup_(fclosep) FILE *f = path ? fopen(path, "re") : NULL;
    int pid = 0;

    return f && fscanf(f, "%d", &pid) == 1 && pid > 0 ? pid : 0;
}

int device_check(const char *device, struct error *err)
{
    struct stat st;
    pid_t pid;

    if (!is_name(device))
        return error_set(err, ERR_INPUT,
                         "'%s' is no NBD device; they are called " PREFIX
                         "0, " PREFIX "1 and so on",
                         device);
    if (stat(device, &st) < 0 && errno == ENOENT)
        return error_set(err, ERR_INPUT,
                         "there is no device '%s'; load the kernel's module "
                         "with: modprobe nbd max_part=8",
                         device);
    if (stat(device, &st) < 0)
        return error_errno(err, errno, "look at '%s'", device);
    if (!S_ISBLK(st.st_mode))
        return error_set(err, ERR_INPUT, "'%s' is no block device", device);
    pid = serving(device);
    if (pid > 0)
        return error_set(err, ERR_BUSY,
                         "'%s' is in use (process %d); choose another device",
                         device, (int)pid);
    return 0;
}

static int run(const char *device, const char *uri, const char *socket,
               bool read_only, struct follow *follow, struct child **ret,
               struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    struct spawn_request req = {.stderr_fd = follow_fd(follow),
                                .die_with_us = true};

    words_add(&argv, "qemu-nbd");
    words_add(&argv, "--verbose"); /* else it goes to the background */
    words_add(&argv, "--connect=%s", device);
    words_add(&argv, "--socket=%s", socket);
    words_add(&argv, "--format=raw");
    words_add(&argv, "%s", read_only ? "--read-only" : "--discard=unmap");
    words_add(&argv, "%s", uri);
    if (words_end(&argv, err) < 0)
        return -1;
    req.argv = words_list(&argv);
    if (spawn_start(&req, ret, err) == 0)
        return 0;
    if (err->kind == ERR_SYSTEM && err->code == ENOENT)
        error_append(err, "; install the package that has qemu-nbd (Debian: "
                          "qemu-utils)");
    return -1;
}

static int wait_for_device(struct child *child, const char *device,
                           struct follow *follow, struct error *err)
{
    for (int ms = 0; ms < START_TIMEOUT_MS; ms += POLL_MS) {
        _cleanup_free_ char *line = NULL;

        switch (stop_wait(child_fd(child), POLL_MS)) {
        case STOP_NOW:
            return stop_check(err);
        case STOP_READY:
            if (child_wait(child, -1, err) < 0)
                return -1;
            return error_set(err, ERR_CHILD, "'qemu-nbd' ended at once");
        case STOP_TIMEOUT:
            break;
        }
        line = follow_last(follow);
        if (serving(device) > 0 || (line && strstr(line, CONNECTED)))
            return 0;
    }
    return error_set(err, ERR_TIMEOUT, "'%s' is not there within %d s", device,
                     START_TIMEOUT_MS / 1000);
}

int device_start(const char *device, const char *uri, const char *socket,
                 bool read_only, struct follow *follow, struct child **ret,
                 struct error *err)
{
    _cleanup_(child_freep) struct child *child = NULL;

    if (run(device, uri, socket, read_only, follow, &child, err) < 0 ||
        wait_for_device(child, device, follow, err) < 0) {
        follow_explain(follow, err);
        return error_prefix(err, "attach '%s'", device);
    }
    *ret = take(child);
    return 0;
}

/* Wait for its end, whatever the user wants meanwhile. */
static void wait_end(const struct child *child, int timeout_ms)
{
    struct pollfd p = {child_fd(child), POLLIN, 0};

    while (poll(&p, 1, timeout_ms) < 0 && errno == EINTR)
        continue;
}

static int detach(const char *device, struct error *err)
{
    const char *const argv[] = {"qemu-nbd", "--disconnect", device, NULL};
    const struct spawn_request req = {.argv = argv};
    _cleanup_(child_freep) struct child *child = NULL;

    if (spawn_start(&req, &child, err) < 0)
        return -1;
    wait_end(child, DETACH_TIMEOUT_MS);
    return child_stop(child, 0, err);
}

/* So that what the kernel has of it is not lost; what cannot be written nobody
 * has been promised.
 */
static void sync_device(const char *device)
{
    int fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return;
    if (fsync(fd) < 0)
        log_debug("fsync of '%s': %s", device, strerrordesc_np(errno));
    close(fd);
}

int device_stop(const char *device, struct child *child, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;

    if (!child_running(child))
        return 0;
    sync_device(device);
    /* It ends when the device is gone; if not, the device goes with it. */
    if (detach(device, &why) == 0)
        wait_end(child, END_GRACE_MS);
    else
        log_debug("%s", error_text(&why));
    return child_stop(child, END_GRACE_MS, err);
}

int device_release(const char *device, pid_t pid, struct error *err)
{
    pid_t now;
    char path[64];
    bool ours;

    if (!is_name(device))
        return 0;
    now = serving(device);
    /* The kernel knows the thread, we know the process. */
    snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)pid, (int)now);
    ours = pid > 0 && access(path, F_OK) == 0;
    if (now > 0 && !ours && kill(now, 0) == 0)
        return 0; /* somebody else has it by now */
    return detach(device, err);
}
