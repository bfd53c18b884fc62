/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* files.c - see files.h */
#include "set/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/text.h"
#include "base/vec.h"

#define READ_SIZE (128 * KIB)

void file_names_done(struct file_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct file_names)FILE_NAMES_INIT;
}

static int compare(const void *a, const void *b)
{
    return name_compare(*(char *const *)a, *(char *const *)b);
}

/* A directory stream of its own, from the start, whatever others read. */
static int open_stream(int dirfd, DIR **ret, struct error *err)
{
    PATIENCE_SCOPE("opening a directory");
    _cleanup_close_ int fd = dir_reopen(dirfd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir)
        return error_errno(err, errno, "cannot list the backup directory");
    (void)take_fd(fd);
    *ret = dir;
    return 0;
}

int files_list(int dirfd, size_t max, struct file_names *ret, struct error *err)
{
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    _cleanup_(closedirp) DIR *dir = NULL;
    size_t cap = 0, seen = 0;

    PATIENCE_SCOPE("reading a directory");
    if (open_stream(dirfd, &dir, err) < 0)
        return -1;
    for (;;) {
        struct dirent *entry = NULL;

        errno = 0;
        entry = readdir(dir);
        if (!entry && errno != 0)
            return error_errno(err, errno, "cannot list the backup directory");
        if (!entry)
            break;
        if (++seen > max)
            return error_set(err, ERR_DAMAGED,
                             "the backup directory holds more than %zu names",
                             max);
        if (!name_is_safe(entry->d_name))
            continue;
        if (names.count == cap) {
            void *grown =
                vec_grown(names.names, &cap, cap + 1, sizeof(names.names[0]));

            if (!grown)
                return error_memory(err);
            names.names = grown;
        }
        names.names[names.count] = strdup(entry->d_name);
        if (!names.names[names.count])
            return error_memory(err);
        names.count++;
    }
    if (names.count > 0)
        qsort(names.names, names.count, sizeof(names.names[0]), compare);
    *ret = names;
    names = (struct file_names)FILE_NAMES_INIT;
    return 0;
}

int files_open_checkpoints(int dirfd, int *ret_fd, struct error *err)
{
    int fd = file_open_below(dirfd, "checkpoints", O_RDONLY | O_DIRECTORY);

    if (fd < 0 && errno != ENOENT)
        return error_errno(err, errno,
                           "cannot open the directory 'checkpoints'");
    *ret_fd = fd;
    return 0;
}

/* Split "checkpoints/x" into the directory, opened, and "x".  For any other
 * name `*ret_dir` is -1 and the caller's directory is meant.
 */
static int enter(int dirfd, const char *name, int *ret_dir,
                 const char **ret_leaf, struct error *err)
{
    const char *slash = NULL;
    _cleanup_close_ int fd = -1;

    if (!name_is_safe_below(name))
        return error_set(err, ERR_DAMAGED,
                         "'%s' is not a name of a file in a backup set", name);
    slash = strchr(name, '/');
    if (slash) {
        if (files_open_checkpoints(dirfd, &fd, err) < 0)
            return -1;
        if (fd < 0)
            return error_errno(err, ENOENT, "cannot open '%s'", name);
    }
    *ret_dir = take_fd(fd);
    *ret_leaf = slash ? slash + 1 : name;
    return 0;
}

int files_open(int dirfd, const char *name, int *ret_fd, uint64_t *ret_size,
               struct error *err)
{
    PATIENCE_SCOPE("opening a file");
    _cleanup_close_ int dir = -1;
    _cleanup_close_ int fd = -1;
    const char *leaf = NULL;
    struct stat st = {0};

    if (enter(dirfd, name, &dir, &leaf, err) < 0)
        return -1;
    fd = file_open_below(dir < 0 ? dirfd : dir, leaf,
                         O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO))
        return error_set(err, ERR_DAMAGED, "'%s' is not a regular file", name);
    if (fd < 0)
        return error_errno(err, errno, "cannot open '%s'", name);
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "cannot look at '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_DAMAGED, "'%s' is not a regular file", name);
    *ret_fd = take_fd(fd);
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

int files_read(int dirfd, const char *name, size_t max, char **ret_text,
               size_t *ret_len, struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *text = NULL;
    uint64_t size = 0;
    ssize_t got = 0;

    if (files_open(dirfd, name, &fd, &size, err) < 0)
        return -1;
    if (size > max)
        return error_set(err, ERR_DAMAGED,
                         "'%s' has %llu bytes, more than the %zu allowed", name,
                         (unsigned long long)size, max);
    text = malloc(size + 1);
    if (!text)
        return error_memory(err);
    got = file_read_full(fd, text, size);
    if (got < 0)
        return error_errno(err, errno, "cannot read '%s'", name);
    text[got] = '\0';
    *ret_text = take(text);
    *ret_len = (size_t)got;
    return 0;
}

static void free_state(XXH3_state_t **state)
{
    XXH3_freeState(*state);
}

int files_hash(int dirfd, const char *name, uint64_t *ret_size,
               char ret_hash[HASH_TEXT_SIZE], struct error *err)
{
    _cleanup_(free_state) XXH3_state_t *state = XXH3_createState();
    _cleanup_free_ unsigned char *buffer = malloc(READ_SIZE);
    _cleanup_close_ int fd = -1;
    XXH128_canonical_t canonical = {{0}};
    uint64_t size = 0, total = 0;

    if (!state || !buffer)
        return error_memory(err);
    if (files_open(dirfd, name, &fd, &size, err) < 0)
        return -1;
    XXH3_128bits_reset(state);
    for (;;) {
        ssize_t got = file_read_full(fd, buffer, READ_SIZE);

        if (got < 0)
            return error_errno(err, errno, "cannot read '%s'", name);
        if (got == 0)
            break;
        XXH3_128bits_update(state, buffer, (size_t)got);
        total += (uint64_t)got;
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    text_hex(canonical.digest, sizeof(canonical.digest), ret_hash);
    *ret_size = total;
    return 0;
}

/* `enter`, where a missing directory means that the file is missing. */
static int enter_for_change(int dirfd, const char *name, int *ret_dir,
                            const char **ret_leaf, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;

    if (enter(dirfd, name, ret_dir, ret_leaf, &why) == 0)
        return 1;
    if (why.kind == ERR_SYSTEM && why.code == ENOENT)
        return 0;
    error_move(err, &why);
    return -1;
}

int files_exists(int dirfd, const char *name, struct error *err)
{
    _cleanup_close_ int dir = -1;
    const char *leaf = NULL;
    struct stat st = {0};
    int found = enter_for_change(dirfd, name, &dir, &leaf, err);

    if (found <= 0)
        return found;
    PATIENCE_SCOPE("looking at a file");
    if (fstatat(dir < 0 ? dirfd : dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    if (errno == ENOENT)
        return 0;
    return error_errno(err, errno, "cannot look at '%s'", name);
}

int files_remove(int dirfd, const char *name, struct error *err)
{
    _cleanup_close_ int dir = -1;
    const char *leaf = NULL;
    int found = enter_for_change(dirfd, name, &dir, &leaf, err);

    if (found <= 0)
        return found;
    if (unlinkat(dir < 0 ? dirfd : dir, leaf, 0) == 0)
        return 1;
    if (errno == ENOENT)
        return 0;
    return error_errno(err, errno, "cannot remove '%s'", name);
}
