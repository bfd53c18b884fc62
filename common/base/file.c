/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* file.c - see file.h; knows libc only */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/patience.h"
#include "base/text.h"

#define TEMP_DIGITS 16
#define TEMP_MARK ".new-"

/* What a name may keep of its length in a temporary one. */
#define TEMP_NAME_MAX ((int)(NAME_MAX - sizeof(TEMP_MARK) - TEMP_DIGITS))

void closep(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        int slot = patience_begin("closing a file");

        close(*fd);
        patience_end(slot);
        errno = saved;
        *fd = -1;
    }
}

/* After EAGAIN: wait until `fd` allows `events`. */
static void wait_for(int fd, short events)
{
    struct pollfd p = {fd, events, 0};

    poll(&p, 1, -1);
}

ssize_t file_read_full(int fd, void *buffer, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = read(fd, (char *)buffer + done, length - done);

        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            wait_for(fd, POLLIN);
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)done;
}

ssize_t file_pread_full(int fd, void *buffer, size_t length, uint64_t offset)
{
    size_t done = 0;

    PATIENCE_SCOPE("reading");
    if (offset > INT64_MAX || length > INT64_MAX - offset) {
        errno = EOVERFLOW;
        return -1;
    }
    while (done < length) {
        ssize_t n = pread(fd, (char *)buffer + done, length - done,
                          (off_t)(offset + done));

        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)done;
}

int file_write_full(int fd, const void *buffer, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = write(fd, (const char *)buffer + done, length - done);

        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0) {
            errno = EIO;
            return -1;
        } else if (errno == EAGAIN) {
            wait_for(fd, POLLOUT);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int file_pwrite_full(int fd, const void *buffer, size_t length, uint64_t offset)
{
    size_t done = 0;

    if (offset > INT64_MAX || length > INT64_MAX - offset) {
        errno = EFBIG;
        return -1;
    }
    while (done < length) {
        ssize_t n = pwrite(fd, (const char *)buffer + done, length - done,
                           (off_t)(offset + done));

        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0) {
            errno = EIO;
            return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int file_open_below(int dirfd, const char *name, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd;

    PATIENCE_SCOPE("opening a file");
    fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
    /* EPERM: what containers say of calls that they do not know. */
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
        return fd;
    if (!name_is_leaf(name)) {
        errno = EXDEV;
        return -1;
    }
    return openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC);
}

/* Open `name` for reading if it is a regular file. */
static int open_regular(int dirfd, const char *name, size_t max,
                        struct error *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    /* O_NONBLOCK: a pipe of that name must not hold us. */
    if (dirfd == AT_FDCWD) /* of the user, not of a backup: any path */
        fd = openat(dirfd, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    else
        fd = file_open_below(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP)
        return error_set_code(err, ERR_INPUT, ELOOP,
                              "reading '%s': it is a symbolic link", name);
    if (fd < 0)
        return error_errno(err, errno, "opening '%s'", name);
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "examining '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT, "reading '%s': not a regular file",
                         name);
    if (st.st_size > 0 && (uint64_t)st.st_size > max)
        return error_set(err, ERR_INPUT,
                         "reading '%s': it is larger than %zu bytes", name,
                         max);
    return take_fd(fd);
}

int file_read_all(int dirfd, const char *name, size_t max, char **ret_text,
                  size_t *ret_length, struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    size_t room = 0;

    PATIENCE_SCOPE("reading");
    fd = open_regular(dirfd, name, max, err);
    if (fd < 0)
        return -1;
    if (max > SIZE_MAX / 4)
        max = SIZE_MAX / 4;
    /* Not sized by fstat: the file may grow, and /proc says 0. */
    while (length == room) {
        char *more;
        ssize_t n;

        if (length > max)
            return error_set(err, ERR_INPUT,
                             "reading '%s': it is larger than %zu bytes", name,
                             max);
        room = room ? 2 * room : 4096;
        room = MIN_OF(room, max + 1); /* one more shows that it is too much */
        more = realloc(text, room + 1);
        if (!more)
            return error_memory(err);
        text = more;
        n = file_read_full(fd, text + length, room - length);
        if (n < 0)
            return error_errno(err, errno, "reading '%s'", name);
        length += (size_t)n;
    }
    if (length > max)
        return error_set(err, ERR_INPUT,
                         "reading '%s': it is larger than %zu bytes", name,
                         max);
    text[length] = '\0';
    *ret_text = take(text);
    *ret_length = length;
    return 0;
}

static bool is_shared;
static gid_t shared_with;

void file_share_with(gid_t group)
{
    shared_with = group;
    is_shared = true;
}

int file_share(int fd, const char *name, struct error *err)
{
    struct stat st;

    if (!is_shared)
        return 0;
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "examining '%s'", name);
    if (st.st_uid != geteuid())
        return 0;
    if (fchown(fd, (uid_t)-1, shared_with) < 0 ||
        fchmod(fd, S_ISDIR(st.st_mode) ? 0750 : 0640) < 0)
        return error_errno(err, errno, "giving '%s' to group %u", name,
                           (unsigned)shared_with);
    return 0;
}

static char *temp_name(const char *name, struct error *err)
{
    const char *data = strstr(name, ".data");
    size_t keep = data ? (size_t)(data - name) : strlen(name);
    char random[TEMP_DIGITS + 1];
    char *temp = NULL;

    if (text_random(random, TEMP_DIGITS, err) < 0)
        return NULL;
    temp =
        text_dup_printf("%.*s" TEMP_MARK "%s",
                        (int)MIN_OF(keep, (size_t)TEMP_NAME_MAX), name, random);
    if (!temp)
        error_memory(err);
    return temp;
}

int file_create(int dirfd, const char *name, mode_t mode, struct new_file *ret,
                struct error *err)
{
    _cleanup_free_ char *copy = NULL;
    _cleanup_free_ char *temp = NULL;
    int fd;

    PATIENCE_SCOPE("creating a file");
    copy = strdup(name);
    if (!copy)
        return error_memory(err);
    temp = temp_name(name, err);
    if (!temp)
        return -1;
    fd = openat(dirfd, temp,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return error_errno(err, errno, "creating '%s'", name);
    *ret = (struct new_file){fd, dirfd, take(copy), take(temp)};
    if (file_share(fd, name, err) < 0) {
        file_discard(ret);
        return -1;
    }
    return 0;
}

/* Does this error of fsync say that there is nothing to sync with? */
static bool not_offered(int errnum)
{
    return errnum == EINVAL || errnum == ENOTSUP || errnum == ENOSYS;
}

int file_sync(int fd, const char *name, struct error *err)
{
    int r;

    PATIENCE_SCOPE("syncing");
    do
        r = fsync(fd);
    while (r < 0 && errno == EINTR);
    if (r < 0 && !not_offered(errno))
        return error_errno(err, errno, "syncing '%s'", name);
    return 0;
}

int file_sync_dir(int dirfd, struct error *err)
{
    _cleanup_close_ int own = -1;

    if (dirfd == AT_FDCWD) {
        own = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (own < 0)
            return error_errno(err, errno, "opening the current directory");
        dirfd = own;
    }
    if (file_sync(dirfd, "", err) < 0)
        return error_errno(err, err ? err->code : EIO, "syncing the directory");
    return 0;
}

/* Whether the new name lasts is unknown: rather none than one that nobody was
 * told of.
 */
static void take_name_back(const struct new_file *nf)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;

    if (unlinkat(nf->dirfd, nf->name, 0) == 0 &&
        file_sync_dir(nf->dirfd, &ignored) < 0)
        return; /* the failure before is the one to tell */
}

int file_publish(struct new_file *nf, enum file_publish_how how,
                 struct error *err)
{
    int fd;

    PATIENCE_SCOPE("giving a file its name");
    if (file_sync(nf->fd, nf->name, err) < 0)
        return -1;
    fd = take_fd(nf->fd);
    /* Network file systems report late write errors here. */
    if (close(fd) < 0 && errno != EINTR)
        return error_errno(err, errno, "closing '%s'", nf->name);
    if (how == FILE_NOREPLACE) {
        if (file_rename_noreplace(nf->dirfd, nf->temp, nf->name, err) < 0)
            return -1;
    } else if (renameat(nf->dirfd, nf->temp, nf->dirfd, nf->name) < 0) {
        return error_errno(err, errno, "renaming '%s' to '%s'", nf->temp,
                           nf->name);
    }
    free(take(nf->temp));
    if (file_sync_dir(nf->dirfd, err) < 0) {
        if (how == FILE_NOREPLACE)
            take_name_back(nf);
        return error_prefix(err, "publishing '%s'", nf->name);
    }
    file_discard(nf);
    return 0;
}

void file_discard(struct new_file *nf)
{
    int saved = errno;

    PATIENCE_SCOPE("removing a file");
    if (nf->fd >= 0)
        close(nf->fd);
    if (nf->temp)
        unlinkat(nf->dirfd, nf->temp, 0);
    free(nf->temp);
    free(nf->name);
    *nf = (struct new_file)NEW_FILE_INIT;
    errno = saved;
}

bool file_name_is_temporary(const char *name)
{
    size_t length = strlen(name);
    const char *mark;

    if (length < strlen(TEMP_MARK) + TEMP_DIGITS)
        return false;
    mark = name + length - TEMP_DIGITS - strlen(TEMP_MARK);
    return strncmp(mark, TEMP_MARK, strlen(TEMP_MARK)) == 0 &&
           strspn(mark + strlen(TEMP_MARK), "0123456789abcdef") == TEMP_DIGITS;
}

int file_replace(int dirfd, const char *name, const char *text, size_t length,
                 mode_t mode, struct error *err)
{
    _cleanup_(file_discard) struct new_file nf = NEW_FILE_INIT;

    PATIENCE_SCOPE("writing");
    if (file_create(dirfd, name, mode, &nf, err) < 0)
        return -1;
    if (file_write_full(nf.fd, text, length) < 0)
        return error_errno(err, errno, "writing '%s'", name);
    return file_publish(&nf, FILE_REPLACE, err);
}

/* The name is free, and nobody else writes here while we hold the lock. */
static int rename_unlinked(int dirfd, const char *from, const char *to)
{
    struct stat st;

    if (fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    if (errno != ENOENT)
        return -1;
    return renameat(dirfd, from, dirfd, to);
}

static int rename_linked(int dirfd, const char *from, const char *to)
{
    if (linkat(dirfd, from, dirfd, to, 0) < 0) {
        if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS ||
            errno == EMLINK || errno == EINVAL)
            return rename_unlinked(dirfd, from, to);
        return -1;
    }
    return unlinkat(dirfd, from, 0);
}

int file_rename_noreplace(int dirfd, const char *from, const char *to,
                          struct error *err)
{
    PATIENCE_SCOPE("giving a file its name");
    int r = renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE);

    if (r < 0 && (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP))
        r = rename_linked(dirfd, from, to);
    if (r < 0 && errno == EEXIST)
        return error_set_code(err, ERR_EXISTS, EEXIST,
                              "renaming '%s' to '%s': that exists already",
                              from, to);
    if (r < 0)
        return error_errno(err, errno, "renaming '%s' to '%s'", from, to);
    return 0;
}

/* Sync the directory that `path` is in. */
static int sync_parent(const char *path, struct error *err)
{
    _cleanup_free_ char *parent = strdup(path);
    _cleanup_close_ int fd = -1;
    char *slash;

    if (!parent)
        return error_memory(err);
    slash = strrchr(parent, '/');
    if (slash == parent)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) /* allowed to write there, but not to read: no way to sync */
        return errno == EACCES
                   ? 0
                   : error_errno(err, errno, "opening '%s'", parent);
    return file_sync(fd, slash ? parent : ".", err);
}

/* The umask may have taken bits; not every file system has them. */
static void complete_mode(const char *path, mode_t mode)
{
    _cleanup_close_ int fd =
        open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & mode) != mode)
        (void)!fchmod(fd, (st.st_mode & 07777) | mode);
}

static int make_one(const char *path, mode_t mode, struct error *err)
{
    struct stat st;
    int reason;

    if (mkdir(path, mode) == 0) {
        complete_mode(path, mode);
        return sync_parent(path, err);
    }
    reason = errno;
    /* EROFS and the like win over EEXIST on some systems: look. */
    if (stat(path, &st) < 0)
        return error_errno(err, reason, "making directory '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return error_set_code(err, ERR_INPUT, ENOTDIR,
                              "making directory '%s': a file that is no "
                              "directory has that name",
                              path);
    return 0;
}

int dir_make(const char *path, mode_t mode, struct error *err)
{
    _cleanup_free_ char *copy = strdup(path);
    size_t length;

    PATIENCE_SCOPE("making a directory");
    if (!copy)
        return error_memory(err);
    if (!*copy)
        return error_set(err, ERR_INPUT, "making a directory without a name");
    length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    for (char *s = copy + 1; *s; s++) {
        if (*s != '/' || s[-1] == '/')
            continue;
        *s = '\0';
        if (make_one(copy, mode, err) < 0)
            return -1;
        *s = '/';
    }
    return make_one(copy, mode, err);
}

int dir_open(const char *path, struct error *err)
{
    PATIENCE_SCOPE("opening a directory");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    error_errno(err, errno, "opening directory '%s'", path);
    if (err && (err->code == ENOENT || err->code == ENOTDIR))
        err->kind = ERR_INPUT;
    return -1;
}

int dir_reopen(int dirfd)
{
    PATIENCE_SCOPE("opening a directory");

    return openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool name_is_leaf(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > NAME_MAX || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return false;
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;

        if (c == '/' || c < 0x20 || c == 0x7f)
            return false;
    }
    return true;
}
