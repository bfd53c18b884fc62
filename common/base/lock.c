/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lock.c - see lock.h; knows libc only */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/text.h"

/* Say who we are, for the other's message; without effect if it fails. */
static void sign(int fd)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    int r = ftruncate(fd, 0);

    if (r == 0)
        r = file_pwrite_full(fd, text, (size_t)length, 0);
    (void)r;
}

/* Does `errnum`, of creating the file, come from the directory?  (If only the
 * lock file itself is not ours, others may be writing here.)
 */
static bool cannot_write(int dirfd, int errnum)
{
    bool no;

    if (errnum == EROFS)
        return true;
    no = (errnum == EACCES || errnum == EPERM) &&
         faccessat(dirfd, ".", W_OK, AT_EACCESS) < 0;
    errno = errnum;
    return no;
}

int lock_take(int dirfd, const char *name, int *ret_fd, struct error *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    int r;

    PATIENCE_SCOPE("locking");
    fd = openat(dirfd, name,
                O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
                    O_CLOEXEC,
                0600);
    if (fd < 0 && cannot_write(dirfd, errno))
        return LOCK_READ_ONLY;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, errno, "opening lock file '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT,
                         "opening lock file '%s': not a regular file", name);
    if (file_share(fd, name, err) < 0)
        return -1;
    do
        r = flock(fd, LOCK_EX | LOCK_NB);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EWOULDBLOCK)
        return LOCK_HELD;
    if (r < 0)
        return error_errno(err, errno, "locking '%s'", name);
    sign(fd);
    *ret_fd = take_fd(fd);
    return LOCK_TAKEN;
}

void lock_release(int *fd)
{
    closep(fd);
}

pid_t lock_holder(int dirfd, const char *name)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    uint64_t pid = 0;

    if (file_read_all(dirfd, name, 64, &text, &length, &ignored) < 0)
        return 0;
    text[strcspn(text, "\n")] = '\0';
    if (text_u64(text, &pid) < 0 || pid > INT32_MAX)
        return 0;
    return (pid_t)pid;
}
