/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* archive.c - see archive.h */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "level.h"
#include "set/forget.h"
#include "set/marks.h"
#include "sink/zip.h"

/* Would messages get into the archive? */
static bool is_stderr(void)
{
    struct stat out = {0}, other = {0};
    bool null;

    if (fstat(STDOUT_FILENO, &out) < 0 || fstat(STDERR_FILENO, &other) < 0)
        return false;
    null = S_ISCHR(out.st_mode) && out.st_rdev == makedev(1, 3);
    return !null && out.st_dev == other.st_dev && out.st_ino == other.st_ino;
}

static int open_stdout(struct run *run, struct error *err)
{
    if (zip_sink_new(STDOUT_FILENO, &run->archive, err) < 0)
        return -1;
    if (!run->options->common.quiet && is_stderr())
        return error_set(err, ERR_USAGE,
                         "stdout and stderr go to the same place: messages "
                         "would damage the archive; redirect one of them, or "
                         "use --quiet");
    return 0;
}

int archive_open(struct run *run, struct error *err)
{
    if (!point_is_dry(run) && open_stdout(run, err) < 0)
        return -1;
    return chain_open_archived(run->dirfd, &run->chain, err);
}

/* The chain that the directory belongs to has its checkpoints in libvirt, and
 * only a full of that chain removes them.
 */
static int check_replaced(const struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->chain->point_count; i++) {
        const struct chain_point *p = &run->chain->points[i];

        if (p->level == LEVEL_FULL && !level_in_chain(p->name, run->chain_name))
            return error_set(err, ERR_EXISTS,
                             "'%s' belongs to another chain (point '%s'), "
                             "which this full would not replace; choose "
                             "another directory",
                             point_place(run), p->name);
    }
    return 0;
}

int archive_restart(struct run *run, struct error *err)
{
    if (run->level == LEVEL_FULL && check_replaced(run, err) < 0)
        return -1;
    run->old_chain = take(run->chain);
    return chain_open_empty(run->dirfd, &run->chain, err);
}

int archive_replace(struct run *run, struct error *err)
{
    if (!run->old_chain || run->level != LEVEL_FULL || point_is_dry(run))
        return 0;
    return chain_forget_all(run->dirfd, run->old_chain, err);
}

/* Checkpoints of lost points are in nobody's way, unless for their names; they
 * go, so that QEMU need not keep their bitmaps.
 */
static void delete_checkpoints(struct run *run,
                               const struct forgotten_list *lost)
{
    for (size_t i = 0; i < lost->count; i++) {
        const struct forgotten *f = &lost->items[i];
        char description[CHECKPOINT_DESCRIPTION_ROOM];
        _cleanup_error_ struct error why = ERROR_INIT;

        checkpoint_describe(f->point, run->chain->uuid, description);
        if (checkpoint_delete_own(run->domain, f->checkpoint, description,
                                  &why) < 0)
            log_info("its checkpoint '%s' stays until the next full: %s",
                     f->checkpoint, error_text(&why));
    }
}

int archive_forget(struct run *run, struct error *err)
{
    const char *since = run->options->since;
    _cleanup_forgotten_ struct forgotten_list lost = FORGOTTEN_INIT;
    _cleanup_forgotten_ struct forgotten_list gone = FORGOTTEN_INIT;

    if (!since)
        return 0;
    if (chain_forget_list(run->chain, since, &lost, err) < 0)
        return -1;
    for (size_t i = (size_t)chain_find(run->chain, since) + 1;
         i < run->chain->point_count; i++)
        log_info("point '%s' was lost, as --since says",
                 run->chain->points[i].name);
    delete_checkpoints(run, &lost);
    if (chain_forget_after(run->dirfd, run->chain, since, &gone, err) < 0)
        return -1;
    chain_free(take(run->chain));
    return chain_open_archived(run->dirfd, &run->chain, err);
}

static int move_in(struct run *run, const char *name, struct error *err)
{
    if (zip_sink_add_file(run->archive, run->dirfd, name, err) < 0)
        return error_prefix(err, "archive '%s'", name);
    if (unlinkat(run->dirfd, name, 0) < 0)
        return error_errno(err, errno, "remove '%s'", name);
    return 0;
}

int archive_index(struct run *run, const struct run_disk *d, struct error *err)
{
    return move_in(run, d->index_file, err);
}

static bool is_checksum(const char *name)
{
    size_t length = strlen(name);

    return length > 7 && strcmp(name + length - 7, ".chksum") == 0;
}

/* Small files, in the order of the manifest.  What only a directory of data has
 * a use for does not stay, and nothing of a copy does.
 */
static int add_files(struct run *run, const struct manifest *m,
                     struct error *err)
{
    for (size_t i = 0; i < m->file_count; i++) {
        const char *name = m->files[i].name;
        int r = is_checksum(name) || run->level == LEVEL_COPY
                    ? move_in(run, name, err)
                    : zip_sink_add_file(run->archive, run->dirfd, name, err);

        if (r < 0)
            return -1;
    }
    return 0;
}

static int add_cpt(struct run *run, const struct manifest *m, struct error *err)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *text = NULL;

    if (!run->checkpoint)
        return 0;
    name = text_dup_printf("%s.cpt", domain_name(run->domain));
    if (!name)
        return error_memory(err);
    if (cpt_text_with(run->chain, m, &text, err) < 0)
        return -1;
    return zip_sink_add_bytes(run->archive, name, text, strlen(text), err);
}

static int add_manifest(struct run *run, const struct manifest *m,
                        struct error *err)
{
    _cleanup_free_ char *text = NULL;
    struct name_text name;
    size_t length = 0;

    if (manifest_encode(m, &text, &length, err) < 0 ||
        name_manifest(m->name, &name, err) < 0)
        return -1;
    return zip_sink_add_bytes(run->archive, name.text, text, length, err);
}

int archive_close(struct run *run, const struct manifest *m, struct error *err)
{
    if (add_files(run, m, err) < 0 || add_cpt(run, m, err) < 0)
        return -1;
    log_info("the archive is complete but for this log and the manifest");
    if (zip_sink_add_file(run->archive, run->dirfd, run->log_name, err) < 0 ||
        add_manifest(run, m, err) < 0)
        return -1;
    return zip_sink_close(run->archive, err);
}
