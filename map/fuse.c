/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuse.c - see fuse.h */
#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/words.h"

#define FS_NAME "virtnbdmap"
#define START_TIMEOUT_MS 60000
#define POLL_MS 5
#define RELEASE_TRIES 200
#define RELEASE_TRY_MS 10
#define UMOUNT_TIMEOUT_MS 30000

/* Undo, in place, how the kernel writes blanks and the like: "\040". */
static void unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p; p++) {
        unsigned value = 0;

        if (p[0] == '\\' && sscanf(p + 1, "%3o", &value) == 1) {
            *to++ = (char)value;
            p += 3;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

/* One line of mountinfo: is it ours, at `path`?  "36 35 98:0 /root MOUNT-POINT
 * options [...] - TYPE SOURCE options"
 */
static bool line_is_ours(char *line, const char *path)
{
    char *rest = strstr(line, " - ");
    char *word = NULL;

    if (!rest || strncmp(rest, " - fuse", 7) != 0 ||
        !strstr(rest, " " FS_NAME " "))
        return false;
    for (int i = 0; i < 5; i++)
        word = strsep(&line, " ");
    if (!word)
        return false;
    unescape(word);
    return strcmp(word, path) == 0;
}

/* Is our file system mounted at `path`, without asking it?  It may be dead. */
static bool is_mounted(const char *path)
{
    _cleanup_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    bool found = false;

    while (f && !found && getline(&line, &room, f) > 0)
        found = line_is_ours(line, path);
    return found;
}

/* Without root, its own program has to do it. */
static void unmount(const char *path)
{
    const char *const argv[] = {"fusermount3", "-u", "-z", "-q",
                                "--",          path, NULL};
    const struct spawn_request req = {.argv = argv};
    _cleanup_(child_freep) struct child *child = NULL;
    struct pollfd p = {-1, POLLIN, 0};

    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno != EPERM)
        return;
    if (spawn_start(&req, &child, NULL) < 0)
        return;
    p.fd = child_fd(child);
    while (poll(&p, 1, UMOUNT_TIMEOUT_MS) < 0 && errno == EINTR)
        continue;
}

/* Remove the file that we made, which is empty.  Outcome 1: something is still
 * mounted over it.
 */
static int remove_file(const char *path, struct error *err)
{
    struct stat st;

    if (lstat(path, &st) < 0 && errno == ENOENT)
        return 0;
    /* Mounted and dead, or alive. */
    if (is_mounted(path))
        return 1;
    if (lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > 0))
        return error_set(err, ERR_EXISTS, "'%s' is not the file we made", path);
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    if (errno == EBUSY)
        return 1;
    return error_errno(err, errno, "remove '%s'", path);
}

int fuse_release(const char *dir, const char *name, struct error *err)
{
    _cleanup_free_ char *real = realpath(dir, NULL);
    _cleanup_free_ char *path = NULL;

    if (!real)
        return errno == ENOENT
                   ? 0
                   : error_errno(err, errno, "find the path of '%s'", dir);
    path = text_dup_printf("%s/%s", real, name);
    if (!path)
        return error_memory(err);
    /* Where there is no file, nothing can be mounted any more. */
    for (int i = 0; i < RELEASE_TRIES; i++) {
        int r;

        if (is_mounted(path))
            unmount(path);
        r = remove_file(path, err);
        if (r <= 0)
            return r;
        poll(NULL, 0, RELEASE_TRY_MS);
    }
    return error_set(err, ERR_BUSY, "'%s' cannot be unmounted", path);
}

static int make_file(const char *path, struct error *err)
{
    int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERR_EXISTS, "'%s' exists already", path);
    if (fd < 0)
        return error_errno(err, errno, "make the file '%s'", path);
    close(fd);
    return 0;
}

/* Until the file is another one than that which we made. */
static int wait_for_mount(struct child *child, const char *dir,
                          const char *path, struct error *err)
{
    struct stat outer;
    struct stat st;

    if (stat(dir, &outer) < 0)
        return error_errno(err, errno, "look at '%s'", dir);
    for (int ms = 0; ms < START_TIMEOUT_MS; ms += POLL_MS) {
        switch (stop_wait(child_fd(child), POLL_MS)) {
        case STOP_NOW:
            return stop_check(err);
        case STOP_READY:
            if (child_wait(child, -1, err) < 0)
                return -1;
            return error_set(err, ERR_CHILD, "'nbdfuse' ended at once");
        case STOP_TIMEOUT:
            break;
        }
        if (lstat(path, &st) == 0 && st.st_dev != outer.st_dev)
            return 0;
    }
    return error_set(err, ERR_TIMEOUT, "nbdfuse does not mount within %d s",
                     START_TIMEOUT_MS / 1000);
}

static int run(const char *path, const char *uri, bool read_only, int stderr_fd,
               struct child **ret, struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    struct spawn_request req = {.stderr_fd = stderr_fd, .die_with_us = true};

    words_add(&argv, "nbdfuse");
    if (read_only)
        words_add(&argv, "--readonly");
    words_add(&argv, "-o");
    words_add(&argv, "fsname=" FS_NAME);
    words_add(&argv, "%s", path);
    words_add(&argv, "%s", uri);
    if (words_end(&argv, err) < 0)
        return -1;
    req.argv = words_list(&argv);
    if (spawn_start(&req, ret, err) == 0)
        return 0;
    if (err->kind == ERR_SYSTEM && err->code == ENOENT)
        error_append(err, "; install the packages that have nbdfuse (Debian: "
                          "libnbd-bin) and fuse3");
    return -1;
}

int fuse_start(const char *dir, const char *name, const char *uri,
               bool read_only, int stderr_fd, struct child **ret,
               struct error *err)
{
    _cleanup_(child_freep) struct child *child = NULL;
    _cleanup_free_ char *path = text_dup_printf("%s/%s", dir, name);

    if (!path)
        return error_memory(err);
    if (make_file(path, err) < 0)
        return -1;
    if (run(path, uri, read_only, stderr_fd, &child, err) < 0 ||
        wait_for_mount(child, dir, path, err) < 0) {
        _cleanup_error_ struct error ignored = ERROR_INIT;
        int r;

        child_free(take(child));
        r = fuse_release(dir, name, &ignored);
        (void)r;
        return -1;
    }
    *ret = take(child);
    return 0;
}
