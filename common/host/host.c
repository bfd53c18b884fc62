/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.c - see host.h */
#include "host/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/text.h"
#include "host/remote.h"

static bool is_runtime_name(const char *path)
{
    size_t prefix = strlen(HOST_RUNTIME_PREFIX);

    return strncmp(path, HOST_RUNTIME_PREFIX, prefix) == 0 &&
           strspn(path + prefix, "0123456789abcdef") == HOST_RUNTIME_DIGITS &&
           path[prefix + HOST_RUNTIME_DIGITS] == '\0';
}

static int check_name(const char *path, struct error *err)
{
    if (is_runtime_name(path))
        return 0;
    return error_set(err, ERR_INPUT,
                     "'%s' is not the name of a private directory of ours",
                     path);
}

int host_runtime_name(char **ret_path, struct error *err)
{
    char digits[HOST_RUNTIME_DIGITS + 1];
    _cleanup_free_ char *path = NULL;

    if (text_random(digits, HOST_RUNTIME_DIGITS, err) < 0)
        return -1;
    path = text_dup_printf(HOST_RUNTIME_PREFIX "%s", digits);
    if (!path)
        return error_memory(err);
    *ret_path = take(path);
    return 0;
}

/* Set owner and mode.  Nobody else can have touched it, since it was made by
 * us in a sticky directory with mode 0700.
 */
static int admit(const char *path, uid_t uid, gid_t gid, struct error *err)
{
    bool other = uid != (uid_t)-1 && uid != geteuid();
    bool root = geteuid() == 0;

    /* The umask may have taken bits that we need. */
    if (chmod(path, other && !root ? 01733 : 0700) < 0)
        return error_errno(err, errno, "set the mode of '%s'", path);
    if (other && root && lchown(path, uid, gid) < 0)
        return error_errno(err, errno, "give '%s' to user %u", path,
                           (unsigned)uid);
    return 0;
}

int host_runtime_make(const char *path, uid_t uid, gid_t gid, struct error *err)
{
    if (check_name(path, err) < 0)
        return -1;
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST
                   ? error_set(err, ERR_EXISTS,
                               "make the private directory '%s': it exists",
                               path)
                   : error_errno(err, errno, "make the private directory '%s'",
                                 path);
    if (admit(path, uid, gid, err) < 0) {
        rmdir(path);
        return -1;
    }
    return 0;
}

int host_runtime_dir(uid_t uid, gid_t gid, char **ret_path, struct error *err)
{
    _cleanup_free_ char *path = NULL;

    if (host_runtime_name(&path, err) < 0 ||
        host_runtime_make(path, uid, gid, err) < 0)
        return -1;
    *ret_path = take(path);
    return 0;
}

/* Remove what is in it: `fd` becomes the DIR's. */
static int empty_dir(int own_fd, const char *path, struct error *err)
{
    _cleanup_(closedirp) DIR *dir = fdopendir(own_fd);
    struct dirent *e;

    PATIENCE_SCOPE("removing files");
    if (!dir) {
        close(own_fd);
        return error_memory(err);
    }
    while ((errno = 0, e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), e->d_name, 0) < 0 && errno != ENOENT)
            return error_errno(err, errno, "remove '%s/%s'", path, e->d_name);
    }
    return errno ? error_errno(err, errno, "read '%s'", path) : 0;
}

/* The agent there can remove what it was told of. */
static int remove_there(struct remote *on, const char *path, struct error *err)
{
    static const char key[] = "removed";

    if (remote_tell(on, key, REMOTE_DIR, path, NULL, NULL, err) < 0)
        return -1;
    return remote_undo(on, key, err);
}

int host_remove_dir(struct remote *on, const char *path, struct error *err)
{
    int fd;

    if (check_name(path, err) < 0)
        return -1;
    if (on)
        return remove_there(on, path, err);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT
                   ? 0
                   : error_errno(err, errno, "open '%s' to remove it", path);
    if (empty_dir(fd, path, err) < 0)
        return -1;
    if (rmdir(path) < 0 && errno != ENOENT)
        return error_errno(err, errno, "remove '%s'", path);
    return 0;
}

int host_sync_file(struct remote *on, const char *path, struct error *err)
{
    const char *argv[] = {"sync", "--", path, NULL};
    _cleanup_close_ int fd = -1;

    if (on)
        return remote_run(on, argv, -1, NULL, err);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "open '%s' to make it durable", path);
    return file_sync(fd, path, err);
}
