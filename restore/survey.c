/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey.c - see survey.h */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/stop.h"
#include "base/vec.h"
#include "set/index.h"

/* What is wrong with each file, point by point as in the chain. */
struct look {
    const struct backup_set *set;
    const char *disk;
    char ***found; /* [point][file]: NULL, or a sentence; owned */
};

static void faults_done(struct faults *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->items[i]);
    vec_free(f);
}

/* Take over the sentence in `why`, unless it is there already.  What is no
 * fault of the set is an error.
 */
static int add_fault(struct faults *f, struct error *why, struct error *err)
{
    const char *text = error_text(why);
    char *copy = NULL;

    if (why->kind == ERR_MEMORY || why->kind == ERR_STOPPED ||
        why->code == EACCES) {
        error_move(err, why);
        return -1;
    }
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i], text) == 0)
            return 0;
    copy = strdup(text);
    if (!copy || vec_push(f, copy) < 0) {
        free(copy);
        return error_memory(err);
    }
    return 0;
}

void survey_done(struct survey *s)
{
    for (size_t i = 0; i < s->count; i++)
        faults_done(&s->points[i].faults);
    free(s->points);
    faults_done(&s->faults);
    *s = (struct survey){0};
}

static void look_done(struct look *l)
{
    for (size_t i = 0; l->found && i < l->set->chain->point_count; i++) {
        const struct chain_point *p = &l->set->chain->points[i];

        for (size_t k = 0; l->found[i] && k < p->file_count; k++)
            free(l->found[i][k]);
        free(l->found[i]);
    }
    free(l->found);
}

static int look_at_file(const struct chain *chain, const struct chain_file *f,
                        struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_close_ int fd = -1;

    if (f->damage)
        return error_set(err, ERR_DAMAGED, "%s", f->damage);
    if (chain_file_open(chain, f, &fd, err) < 0)
        return -1;
    return chain_file_index(chain, f, &idx, err);
}

static int look_at_files(struct look *l, size_t point, struct error *err)
{
    const struct chain *chain = l->set->chain;
    const struct chain_point *p = &chain->points[point];

    l->found[point] = calloc(p->file_count + 1, sizeof(**l->found));
    if (!l->found[point])
        return error_memory(err);
    for (size_t k = 0; k < p->file_count; k++) {
        _cleanup_error_ struct error why = ERROR_INIT;

        if (stop_check(err) < 0)
            return -1;
        if ((l->disk && strcmp(l->disk, p->files[k].disk) != 0) ||
            look_at_file(chain, &p->files[k], &why) == 0)
            continue;
        if (why.kind == ERR_MEMORY || why.code == EACCES) {
            error_move(err, &why);
            return -1;
        }
        l->found[point][k] = strdup(error_text(&why));
        if (!l->found[point][k])
            return error_memory(err);
    }
    return 0;
}

/* What was found in this file, or NULL. */
static const char *found_in(const struct look *l, const struct chain_file *f)
{
    /* Files are found in points that were looked at. */
    for (size_t i = 0; i < l->set->point_count && l->found[i]; i++) {
        const struct chain_point *p = &l->set->chain->points[i];

        if (f >= p->files && f < p->files + p->file_count)
            return l->found[i][f - p->files];
    }
    return NULL;
}

static int judge_disks(const struct look *l, const struct selection *selection,
                       struct faults *faults, struct error *err)
{
    for (size_t i = 0; i < selection->disk_count; i++)
        for (size_t k = 0; k < selection->disks[i].file_count; k++) {
            const struct chain_file *f = selection->disks[i].files[k];
            const char *found = found_in(l, f);
            _cleanup_error_ struct error why = ERROR_INIT;

            if (!found)
                continue;
            error_set(&why, ERR_DAMAGED, "%s", found);
            if (add_fault(faults, &why, err) < 0)
                return -1;
        }
    return 0;
}

static int judge_point(const struct look *l, struct survey_point *sp,
                       struct error *err)
{
    const struct chain *chain = l->set->chain;
    const struct chain_point *p = sp->point;
    _cleanup_selection_ struct selection selection = SELECTION_INIT;
    _cleanup_error_ struct error why = ERROR_INIT;
    int r;

    for (size_t k = 0; k < p->file_count; k++)
        if (!l->disk || strcmp(l->disk, p->files[k].disk) == 0)
            sp->size += p->files[k].file_size;
    r = l->disk ? chain_select_disk(chain, p->name, l->disk, &selection, &why)
                : chain_select(chain, p->name, &selection, &why);
    if (r < 0)
        return add_fault(&sp->faults, &why, err);
    if (judge_disks(l, &selection, &sp->faults, err) < 0)
        return -1;
    if (p->ours &&
        manifest_check_files(l->set->dirfd, &p->manifest, false, &why) < 0)
        return add_fault(&sp->faults, &why, err);
    return 0;
}

static int judge_directory(const struct backup_set *set, struct faults *faults,
                           struct error *err)
{
    _cleanup_error_ struct error list = ERROR_INIT;

    for (size_t i = 0; i < set->chain->note_count; i++) {
        _cleanup_error_ struct error why = ERROR_INIT;

        if (backup_set_note(set, &set->chain->notes[i], &why) < 0 &&
            add_fault(faults, &why, err) < 0)
            return -1;
    }
    if (backup_set_check_list(set, &list) < 0)
        return add_fault(faults, &list, err);
    return 0;
}

int survey_make(const struct backup_set *set, const char *disk,
                struct survey *ret, struct error *err)
{
    _cleanup_(survey_done) struct survey s = {0};
    _cleanup_(look_done) struct look look = {.set = set, .disk = disk};

    look.found = calloc(set->chain->point_count + 1, sizeof(*look.found));
    s.points = calloc(set->point_count + 1, sizeof(*s.points));
    if (!look.found || !s.points)
        return error_memory(err);
    for (size_t i = 0; i < set->point_count; i++) {
        struct survey_point *sp = &s.points[s.count++];

        sp->point = &set->chain->points[i];
        if (look_at_files(&look, i, err) < 0 || judge_point(&look, sp, err) < 0)
            return -1;
    }
    if (judge_directory(set, &s.faults, err) < 0)
        return -1;
    *ret = s;
    s = (struct survey){0};
    return 0;
}
