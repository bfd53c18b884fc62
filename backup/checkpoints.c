/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoints.c - see checkpoints.h */
#include "checkpoints.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "set/sealed.h"

#define DIRECTORY "checkpoints"
#define XML_MAX (16 * MIB)

/* Nobody looks after the scratch space meanwhile. */
#define ASK_MS 5000

int checkpoints_open(struct run *run, struct error *err)
{
    const char *path = run->options->checkpointdir;
    bool made;

    if (path) {
        if (dir_make(path, 0700, err) < 0)
            return -1;
        run->checkpointfd = dir_open(path, err);
        return run->checkpointfd < 0 ? -1 : 0;
    }
    if (run->options->to_stdout && run->level == LEVEL_COPY)
        return 0;
    /* Made for a copy too: tools look for it. */
    made = mkdirat(run->dirfd, DIRECTORY, 0700) == 0;
    if (!made && errno != EEXIST)
        return error_errno(err, errno, "make '%s/%s'", run->directory,
                           DIRECTORY);
    run->checkpointfd = openat(run->dirfd, DIRECTORY,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (run->checkpointfd < 0)
        return error_errno(err, errno, "open '%s/%s'", run->directory,
                           DIRECTORY);
    return made ? file_share(run->checkpointfd, DIRECTORY, err) : 0;
}

static bool is_listed_as(const struct chain_point *point, const char *name,
                         const char *text, size_t length)
{
    _cleanup_free_ char *path = text_dup_printf(DIRECTORY "/%s", name);
    char hash[HASH_TEXT_SIZE];

    hash_text(text, length, hash);
    for (size_t i = 0; path && i < point->manifest.file_count; i++)
        if (strcmp(point->manifest.files[i].name, path) == 0)
            return strcmp(point->manifest.files[i].hash, hash) == 0;
    return true; /* kept elsewhere, or adopted: libvirt judges it */
}

int checkpoints_load(const struct run *run, const struct chain_point *point,
                     char **ret, struct error *err)
{
    _cleanup_free_ char *name = text_dup_printf("%s.xml", point->name);
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;
    size_t length;

    if (!name)
        return error_memory(err);
    if (file_read_all(run->checkpointfd, name, XML_MAX, &text, &length, &why) <
        0) {
        if (why.kind == ERR_INPUT || why.code == ENOENT)
            return 0;
        error_move(err, &why);
        return -1;
    }
    if (!is_listed_as(point, name, text, length))
        return 0;
    *ret = take(text);
    return 1;
}

int checkpoints_is_own(const struct run *run, const struct chain_point *point,
                       const struct checkpoint *c, struct error *err)
{
    char uuid[TEXT_UUID_ROOM], chain[TEXT_UUID_ROOM];
    _cleanup_free_ char *xml = NULL;
    _cleanup_error_ struct error ignored = ERROR_INIT;
    struct checkpoint saved = {0};
    int r;

    if (checkpoint_identity(c->description, uuid, chain))
        return strcmp(uuid, point->manifest.point) == 0;
    if (!point->manifest.adopted)
        return 0;
    r = checkpoints_load(run, point, &xml, err);
    if (r <= 0)
        return r;
    if (checkpoint_parse(xml, &saved, &ignored) < 0)
        return 0;
    r = saved.created == c->created && strcmp(saved.name, c->name) == 0;
    checkpoint_free(&saved);
    return r;
}

int checkpoints_name(const struct run *run, char **ret, struct error *err)
{
    *ret = NULL;
    if (!run->checkpoint || run->options->checkpointdir)
        return 0;
    *ret = text_dup_printf(DIRECTORY "/%s.xml", run->checkpoint);
    return *ret ? 0 : error_memory(err);
}

void checkpoints_ask(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (run->checkpoint && checkpoint_xml(run->domain, run->checkpoint, ASK_MS,
                                          &run->checkpoint_xml, &err) < 0)
        log_debug("%s", error_text(&err));
}

int checkpoints_save(struct run *run, struct manifest *m, struct error *err)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *path = NULL;

    if (!run->checkpoint)
        return 0;
    name = text_dup_printf("%s.xml", run->checkpoint);
    if (!name)
        return error_memory(err);
    if (!run->checkpoint_xml && checkpoint_xml(run->domain, run->checkpoint, 0,
                                               &run->checkpoint_xml, err) < 0)
        return -1;
    if (file_replace(run->checkpointfd, name, run->checkpoint_xml,
                     strlen(run->checkpoint_xml), 0600, err) < 0 ||
        checkpoints_name(run, &path, err) < 0)
        return -1;
    return path ? manifest_add_file(m, run->dirfd, path, err) : 0;
}
