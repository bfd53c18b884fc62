/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* staging.c - see staging.h */
#include "staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/text.h"

#define PREFIX ".virtnbdrestore."
#define DIGITS 16

#define JOURNAL ".publish"
#define JOURNAL_MAX ((size_t)(16 * MIB))

int staging_name(int targetfd, const char *target, struct staging *ret,
                 struct error *err)
{
    char random[DIGITS + 1];
    struct staging s = STAGING_INIT;

    if (text_random(random, DIGITS, err) < 0)
        return -1;
    s.targetfd = targetfd;
    s.name = text_dup_printf(PREFIX "%s", random);
    s.path = text_dup_printf("%s/" PREFIX "%s", target, random);
    if (!s.name || !s.path) {
        free(s.name);
        free(s.path);
        return error_memory(err);
    }
    *ret = s;
    return 0;
}

int staging_make(struct staging *s, struct error *err)
{
    if (mkdirat(s->targetfd, s->name, 0700) < 0)
        return error_errno(err, errno, "make the directory '%s'", s->path);
    s->dirfd = openat(s->targetfd, s->name,
                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->dirfd < 0)
        return error_errno(err, errno, "open the directory '%s'", s->path);
    return 0;
}

char *staging_path(const struct staging *s, const char *name)
{
    return text_dup_printf("%s/%s", s->path, name);
}

/* Between two directories, without replacing. */
static int move_up(struct staging *s, const char *name, struct error *err)
{
    if (renameat2(s->dirfd, name, s->targetfd, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EINVAL || errno == ENOSYS) {
        /* A file system without it: a second link cannot replace either. */
        if (linkat(s->dirfd, name, s->targetfd, name, 0) == 0) {
            unlinkat(s->dirfd, name, 0);
            return 0;
        }
    }
    if (errno == EEXIST)
        return error_set(err, ERR_EXISTS,
                         "'%s' is in the target directory already; it is not "
                         "replaced",
                         name);
    return error_errno(err, errno, "give '%s' its name", name);
}

static void take_back(struct staging *s)
{
    while (s->count > 0)
        unlinkat(s->targetfd, s->published[--s->count], 0);
}

/* Write down which files are about to get names in the target directory, so
 * that the guardian can take them back if we are killed half way.
 */
static int write_journal(struct staging *s, char *const *names, size_t count,
                         struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out)
        return error_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct stat st;

        if (fstatat(s->dirfd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
            fclose(out);
            return error_errno(err, errno, "examine '%s'", names[i]);
        }
        fprintf(out, "%llu %s\n", (unsigned long long)st.st_ino, names[i]);
    }
    if (text_stream_end(out, &text) < 0)
        return error_memory(err);
    return file_replace(s->dirfd, JOURNAL, text, length, 0600, err);
}

/* Undo what the journal of a killed process says: its files, known by their
 * inodes, and no others of those names.
 */
static void undo_journal(int dirfd, int targetfd)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    char *state = NULL;
    size_t length;

    if (file_read_all(dirfd, JOURNAL, JOURNAL_MAX, &text, &length, &ignored) <
        0)
        return;
    for (char *line = strtok_r(text, "\n", &state); line;
         line = strtok_r(NULL, "\n", &state)) {
        char *name = strchr(line, ' ');
        struct stat st;
        uint64_t inode;

        if (!name)
            continue;
        *name++ = '\0';
        if (text_u64(line, &inode) == 0 && name_is_leaf(name) &&
            fstatat(targetfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_ino == inode)
            unlinkat(targetfd, name, 0);
    }
}

int staging_publish(struct staging *s, char *const *names, size_t count,
                    struct error *err)
{
    if (write_journal(s, names, count, err) < 0)
        return -1;
    s->published = calloc(count + 1, sizeof(*s->published));
    if (!s->published)
        return error_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (move_up(s, names[i], err) < 0) {
            take_back(s);
            return -1;
        }
        s->published[s->count++] = names[i];
    }
    if (file_sync_dir(s->targetfd, err) < 0) {
        take_back(s);
        return -1;
    }
    /* From here on they stay. */
    unlinkat(s->dirfd, JOURNAL, 0);
    return 0;
}

/* Remove all files in the directory; takes the descriptor. */
static void empty_directory(int own_fd)
{
    _cleanup_(closedirp) DIR *dir = fdopendir(own_fd);
    struct dirent *e;

    PATIENCE_SCOPE("removing files");
    if (!dir) {
        close(own_fd);
        return;
    }
    while ((e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(dir), e->d_name, 0);
}

int staging_remove(struct staging *s)
{
    int left = 0;

    if (s->dirfd >= 0) {
        empty_directory(take_fd(s->dirfd));
        left = unlinkat(s->targetfd, s->name, AT_REMOVEDIR) < 0;
    }
    free(s->name);
    free(s->path);
    free(s->published);
    *s = (struct staging)STAGING_INIT;
    return left;
}

int staging_remove_path(const char *path, struct error *err)
{
    const char *base = strrchr(path, '/');
    _cleanup_close_ int targetfd = -1;
    int fd;

    if (!base || strncmp(base + 1, PREFIX, strlen(PREFIX)) != 0 ||
        strlen(base + 1) != strlen(PREFIX) + DIGITS)
        return error_set(err, ERR_INPUT, "'%s' is no staging directory", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT
                   ? 0
                   : error_errno(err, errno, "open the directory '%s'", path);
    targetfd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (targetfd >= 0)
        undo_journal(fd, targetfd);
    empty_directory(fd);
    if (rmdir(path) < 0)
        return error_errno(err, errno, "remove the directory '%s'", path);
    return 0;
}
