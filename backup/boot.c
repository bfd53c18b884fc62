/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot.c - see boot.h */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "virt/boot.h"

#define COPY_SIZE (256 * 1024)

/* Base names hold anything; names of a set do not. */
static void make_safe(char *name)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (name[0] == '.' || name[0] == '-')
        name[0] = '_';
    for (; *name; name++)
        if (!strchr(safe, *name))
            *name = '_';
}

/* Could it be taken for another kind of file, or is it there already? */
static bool is_taken(const struct run *run, size_t count, const char *name)
{
    struct name parsed;
    size_t length = strlen(name);

    if (name_parse(name, &parsed) || !name_is_safe(name) ||
        strcmp(name, "checkpoints") == 0 ||
        strncmp(name, "vmconfig.", 9) == 0 || strstr(name, ".data") ||
        (length > 4 && strcmp(name + length - 4, ".cpt") == 0))
        return true;
    for (size_t i = 0; i < count; i++)
        if (strcmp(run->boot[i].name, name) == 0)
            return true;
    return faccessat(run->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int choose_name(const struct run *run, size_t count, const char *role,
                       const char *path, char **ret, struct error *err)
{
    const char *slash = strrchr(path, '/');
    const char *suffix = run->level == LEVEL_COPY ? "" : run->point;
    _cleanup_free_ char *base = strdup(slash ? slash + 1 : path);
    char *name;

    if (!base)
        return error_memory(err);
    /* Room for the rest. */
    if (strlen(base) > NAME_SAFE_MAX - NAME_POINT_MAX - 16)
        base[NAME_SAFE_MAX - NAME_POINT_MAX - 16] = '\0';
    make_safe(base);
    name = text_dup_printf("%s%s%s", base, *suffix ? "." : "", suffix);
    if (name && is_taken(run, count, name)) {
        free(name);
        for (char *c = base; *c; c++)
            *c = *c == '.' ? '_' : *c;
        name = text_dup_printf("%s-%.40s%s%s", role, base, *suffix ? "." : "",
                               suffix);
    }
    if (!name)
        return error_memory(err);
    if (is_taken(run, count, name)) {
        error_set(err, ERR_EXISTS, "'%s' in the target directory is in the way",
                  name);
        free(name);
        return -1;
    }
    *ret = name;
    return 0;
}

static int add(struct run *run, const struct boot_file *file, struct error *err)
{
    struct boot_copy *copy = &run->boot[run->boot_count];

    if (file_role_parse(file->role, &copy->role) == 0)
        return error_set(err, ERR_INPUT, "'%s' is no role of a boot file",
                         file->role);
    if (choose_name(run, run->boot_count, file->role, file->path, &copy->name,
                    err) < 0)
        return -1;
    run->boot_count++; /* from here on boot_done frees it */
    copy->path = strdup(file->path);
    return copy->path ? 0 : error_memory(err);
}

int boot_name(struct run *run, struct intent *in, struct error *err)
{
    _cleanup_(boot_files_free) struct boot_file_list files = {0};

    if (boot_files_parse(run->xml, &files, err) < 0)
        return -1;
    if (files.note)
        log_warning("%s", files.note);
    run->boot = calloc(files.count + 1, sizeof(*run->boot));
    if (!run->boot)
        return error_memory(err);
    for (size_t i = 0; i < files.count; i++)
        if (add(run, &files.items[i], err) < 0 ||
            intent_add_file(in, run->boot[i].name, err) < 0)
            return -1;
    return 0;
}

static int copy_bytes(int from, const char *path, struct new_file *to,
                      struct error *err)
{
    _cleanup_free_ char *buffer = malloc(COPY_SIZE);

    if (!buffer)
        return error_memory(err);
    for (;;) {
        ssize_t n = file_read_full(from, buffer, COPY_SIZE);

        if (n < 0)
            return error_errno(err, errno, "read '%s'", path);
        if (n == 0)
            return 0;
        if (file_write_full(to->fd, buffer, (size_t)n) < 0)
            return error_errno(err, errno, "write the copy of '%s'", path);
        if (stop_check(err) < 0)
            return -1;
    }
}

static int copy_here(const struct boot_copy *c, struct new_file *out,
                     struct error *err)
{
    _cleanup_close_ int fd =
        open(c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, errno, "open '%s'", c->path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT, "'%s' is no regular file", c->path);
    return copy_bytes(fd, c->path, out, err);
}

static int copy_file(const struct run *run, const struct boot_copy *c,
                     struct error *err)
{
    _cleanup_(file_discard) struct new_file out = NEW_FILE_INIT;
    int r;

    if (file_create(run->dirfd, c->name, 0600, &out, err) < 0)
        return -1;
    r = run->remote ? remote_fetch(run->remote, c->path, out.fd, err)
                    : copy_here(c, &out, err);
    if (r < 0)
        return -1;
    return file_publish(&out, FILE_NOREPLACE, err);
}

static int obtain(const struct run *run, const struct boot_copy *c,
                  struct error *err)
{
    if (run->unseen)
        return error_set(err, ERR_INPUT,
                         "files of the hypervisor cannot be had over this "
                         "connection; -U qemu+ssh://... can");
    return copy_file(run, c, err);
}

int boot_write(struct run *run, struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < run->boot_count; i++) {
        const struct boot_copy *c = &run->boot[i];
        _cleanup_error_ struct error why = ERROR_INIT;

        if (obtain(run, c, &why) < 0) {
            if (why.kind == ERR_STOPPED) {
                error_move(err, &why);
                return -1;
            }
            log_warning("the %s '%s' is not in the backup: %s",
                        file_role_text(c->role), c->path, error_text(&why));
            continue;
        }
        if (manifest_add_boot_file(m, run->dirfd, c->name, c->role, err) < 0)
            return -1;
    }
    return 0;
}

void boot_done(struct run *run)
{
    for (size_t i = 0; i < run->boot_count; i++) {
        free(run->boot[i].path);
        free(run->boot[i].name);
    }
    free(run->boot);
    run->boot = NULL;
    run->boot_count = 0;
}
