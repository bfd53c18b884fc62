/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set.c - see set.h */
#include "set.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "set/files.h"
#include "set/marks.h"
#include "set/until.h"

static int choose(struct backup_set *s, const char *until, struct error *err)
{
    s->point_count = s->chain->point_count;
    if (!until)
        return 0;
    if (until_find(s->chain, until, &s->until, err) < 0)
        return error_prefix(err, "'%s'", s->path);
    s->point_count = (size_t)chain_find(s->chain, s->until) + 1;
    return 0;
}

int backup_set_open(const char *path, const char *until, struct backup_set *ret,
                    struct error *err)
{
    struct backup_set s = {.path = path, .dirfd = dir_open(path, err)};

    if (s.dirfd < 0)
        return -1;
    if (chain_open(s.dirfd, &s.chain, err) < 0) {
        error_prefix(err, "'%s'", path);
        backup_set_close(&s);
        return -1;
    }
    if (s.chain->point_count == 0 && s.chain->note_count == 0) {
        backup_set_close(&s);
        return error_set(err, ERR_INPUT, "'%s' holds no backup", path);
    }
    if (choose(&s, until, err) < 0) {
        backup_set_close(&s);
        return -1;
    }
    *ret = s;
    return 0;
}

/* The user decides, but may have erred. */
static void check_order(const struct chain *chain)
{
    for (size_t i = 1; i < chain->point_count; i++) {
        const struct chain_file *f = &chain->points[i].files[0];
        const struct chain_file *before = &chain->points[i - 1].files[0];

        if (f->level == LEVEL_INC && !before->raw &&
            strcmp(f->meta.parent_checkpoint, before->meta.checkpoint_name) !=
                0)
            log_warning("'%s' was made to go upon the checkpoint '%s', not "
                        "upon '%s' ('%s')",
                        f->file, f->meta.parent_checkpoint,
                        before->meta.checkpoint_name, before->file);
    }
}

int backup_set_open_sequence(const char *path, const char *files,
                             struct backup_set *ret, struct error *err)
{
    struct backup_set s = {.path = path, .dirfd = dir_open(path, err)};

    if (s.dirfd < 0)
        return -1;
    if (chain_open_sequence(s.dirfd, files, &s.chain, err) < 0) {
        backup_set_close(&s);
        return error_prefix(err, "'%s'", path);
    }
    s.point_count = s.chain->point_count;
    s.sequence = true;
    check_order(s.chain);
    *ret = s;
    return 0;
}

void backup_set_close(struct backup_set *s)
{
    chain_free(s->chain);
    s->chain = NULL;
    closep(&s->dirfd);
}

int backup_set_note(const struct backup_set *s, const struct chain_note *note,
                    struct error *err)
{
    switch (note->kind) {
    case CHAIN_UNCOMMITTED:
        if (chain_count_notes(s->chain, CHAIN_INTENT) > 0)
            return 0; /* the remains of a run, which is said elsewhere */
        return error_set(err, ERR_DAMAGED,
                         "'%s/%s' belongs to no point of this backup; move "
                         "it away if it does not belong here",
                         s->path, note->name);
    case CHAIN_FOREIGN:
        return error_set(err, ERR_DAMAGED,
                         "'%s/%s' is no file of this suite, but is named "
                         "like one; move it away if it does not belong "
                         "here",
                         s->path, note->name);
    case CHAIN_DAMAGE:
        return error_set(err, ERR_DAMAGED, "'%s/%s': %s", s->path, note->name,
                         note->text ? note->text : "damaged");
    case CHAIN_PARTIAL:
    case CHAIN_INTENT:
    default:
        return 0;
    }
}

static int check_list(const struct backup_set *s, const char *name,
                      struct error *err)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    size_t length;

    if (files_read(s->dirfd, name, CPT_MAX_SIZE, &text, &length, err) < 0 ||
        cpt_decode(text, length, &cpt, err) < 0)
        return error_prefix(err, "'%s/%s'", s->path, name);
    for (size_t i = 0; i < cpt.count; i++)
        if (chain_find(s->chain, cpt.names[i]) < 0)
            return error_set(err, ERR_DAMAGED,
                             "'%s/%s' names the checkpoint '%s', of which "
                             "there is no data: its file is missing, or a run "
                             "failed, and what changed until then is in no "
                             "increment",
                             s->path, name, cpt.names[i]);
    return 0;
}

int backup_set_check_list(const struct backup_set *s, struct error *err)
{
    const struct chain *chain = s->chain;
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;

    if (s->sequence || chain->point_count == 0 ||
        chain->points[chain->point_count - 1].ours)
        return 0;
    if (files_list(s->dirfd, FILES_MAX_NAMES, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        size_t n = strlen(names.names[i]);

        if (n > 4 && strcmp(names.names[i] + n - 4, ".cpt") == 0 &&
            check_list(s, names.names[i], err) < 0)
            return -1;
    }
    return 0;
}

/* What is no obstacle for a point that was chosen: 0, and said. */
static int tolerate(const struct backup_set *s, struct error *err)
{
    if (!s->until || err->kind != ERR_DAMAGED)
        return -1;
    log_warning("%s (point '%s' does not need it)", error_text(err), s->until);
    error_clear(err);
    return 0;
}

int backup_set_check_strangers(const struct backup_set *s, struct error *err)
{
    if (chain_count_notes(s->chain, CHAIN_INTENT) > 0)
        log_warning("'%s' holds the remains of a run that did not finish, or "
                    "one is under way; they are no part of any point",
                    s->path);
    for (size_t i = 0; i < s->chain->note_count; i++) {
        const struct chain_note *note = &s->chain->notes[i];

        if (note->kind == CHAIN_PARTIAL)
            log_warning("'%s' is an unfinished file; it is no part of any "
                        "point",
                        note->name);
        if (backup_set_note(s, note, err) < 0 && tolerate(s, err) < 0)
            return -1;
    }
    return backup_set_check_list(s, err) < 0 ? tolerate(s, err) : 0;
}
