/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* result_file.c - see result_file.h */
#include "cli/result_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

/* What is there already is replaced, so it must be something of ours. */
static int check_place(const struct result_file *file, struct error *err)
{
    struct stat st;

    if (!name_is_leaf(file->name))
        return error_set(err, ERR_INPUT, "'%s' is no name for a file",
                         file->path);
    if (faccessat(file->dirfd, ".", W_OK, 0) < 0)
        return error_errno(err, errno, "write '%s'", file->path);
    if (fstatat(file->dirfd, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT
                   ? 0
                   : error_errno(err, errno, "look at '%s'", file->path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT,
                         "'%s' is not a regular file and is not replaced",
                         file->path);
    return 0;
}

char *result_file_directory(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int result_file_open(const char *path, struct result_file *ret,
                     struct error *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_(result_file_close) struct result_file file = RESULT_FILE_INIT;
    _cleanup_free_ char *directory = NULL;

    file.path = path;
    file.name = slash ? slash + 1 : path;
    if (strcmp(path, "-") != 0) {
        directory = result_file_directory(path);
        if (!directory)
            return error_memory(err);
        file.dirfd = dir_open(directory, err);
        if (file.dirfd < 0)
            return error_prefix(err, "'%s'", path);
        if (check_place(&file, err) < 0)
            return -1;
    }
    *ret = file;
    file = (struct result_file)RESULT_FILE_INIT;
    return 0;
}

int result_file_put(const struct result_file *file, const char *text,
                    size_t length, mode_t mode, struct error *err)
{
    if (file->dirfd < 0)
        return file_write_full(STDOUT_FILENO, text, length) < 0
                   ? error_errno(err, errno, "write to stdout")
                   : 0;
    if (file_replace(file->dirfd, file->name, text, length, mode, err) < 0)
        return error_prefix(err, "write '%s'", file->path);
    return 0;
}

void result_file_close(struct result_file *file)
{
    closep(&file->dirfd);
    *file = (struct result_file)RESULT_FILE_INIT;
}
