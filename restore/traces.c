/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* traces.c - see traces.h */
#include "traces.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/patience.h"
#include "set/name.h"

/* An increment of a domain that was off bears the name of the checkpoint it
 * builds upon, and so replaces the increment that made it.
 */
static void check_offline(const struct chain_file *f, const struct name *name)
{
    if (name->level == LEVEL_INC && f->level == LEVEL_INC && !f->owner)
        log_warning("'%s' was made while the domain was off, under the name of "
                    "the increment before it: if there was one, it was "
                    "replaced, and what it held is missing from here on",
                    f->file);
}

/* A full where the bitmap was lost: that suite lays it over what was before,
 * and does not write its zeroes.
 */
static void check_fallback(const struct chain_file *f, const struct name *name)
{
    if (name->level == LEVEL_INC && f->level == LEVEL_FULL)
        log_warning("'%s' holds the whole disk in the middle of the chain; the "
                    "suite that made it restores old data where this one has "
                    "zeroes, virtnbdrestore does not",
                    f->file);
}

static bool later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec
                                  : a->tv_nsec > b->tv_nsec;
}

/* That suite goes by the times of files. */
static void check_times(const struct backup_set *set, size_t point,
                        const struct chain_file *f)
{
    PATIENCE_SCOPE("looking at files");
    const struct chain_point *points = set->chain->points;
    const struct chain_file *before = NULL;
    struct stat a, b;

    if (f->parent < 0 || (size_t)f->parent >= point)
        return;
    for (size_t i = 0; i < points[f->parent].file_count; i++)
        if (strcmp(points[f->parent].files[i].disk, f->disk) == 0)
            before = &points[f->parent].files[i];
    if (before && fstatat(set->dirfd, f->file, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
        fstatat(set->dirfd, before->file, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
        later(&b.st_mtim, &a.st_mtim))
        log_warning("'%s' builds upon '%s', but is the older one by the times "
                    "of the files: the suite that made them would restore them "
                    "in the wrong order, virtnbdrestore does not",
                    f->file, before->file);
}

static bool is_partial_of(const char *partial, const struct chain_file *f)
{
    size_t length = strlen(f->disk);

    return strncmp(partial, f->disk, length) == 0 && partial[length] == '.';
}

/* A run that failed had moved the chain on already. */
static void check_partial(const struct chain *chain,
                          const struct chain_point *last)
{
    for (size_t i = 0; i < chain->note_count; i++) {
        const struct chain_note *note = &chain->notes[i];

        for (size_t k = 0; note->kind == CHAIN_PARTIAL && k < last->file_count;
             k++)
            if (is_partial_of(note->name, &last->files[k]))
                log_warning("'%s' is left of a run that failed; if increments "
                            "were made after it, what changed before it failed "
                            "is missing in them",
                            note->name);
    }
}

void traces_log(const struct backup_set *set)
{
    const struct chain *chain = set->chain;
    const struct chain_point *last = NULL;

    for (size_t i = 0; i < chain->point_count; i++) {
        const struct chain_point *p = &chain->points[i];

        for (size_t k = 0; !p->ours && k < p->file_count; k++) {
            const struct chain_file *f = &p->files[k];
            struct name name;

            last = p;
            if (f->raw || !name_parse(f->file, &name))
                continue;
            check_offline(f, &name);
            check_fallback(f, &name);
            check_times(set, i, f);
        }
    }
    if (last)
        check_partial(chain, last);
}
