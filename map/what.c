/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* what.c - see what.h */
#include "what.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "set/chain.h"
#include "set/sequence.h"
#include "set/source.h"
#include "set/until.h"

void what_done(struct what *w)
{
    words_done(&w->disks);
    words_done(&w->parameters);
    free(w->point);
    w->point = NULL;
}

static int open_chain(const char *path, struct chain **ret, struct error *err)
{
    _cleanup_close_ int dirfd = dir_open(path, err);

    if (dirfd < 0)
        return -1;
    if (chain_open(dirfd, ret, err) < 0)
        return error_prefix(err, "'%s'", path);
    return 0;
}

/* A disk that the point does not hold is shown as it was last. */
static void add_disk(struct what *w, const struct chain *chain,
                     const struct selection *s,
                     const struct selection_disk *disk)
{
    if (disk->point != s->point)
        log_warning("%s: not in point '%s'; its state at point '%s' is shown",
                    disk->disk, chain->points[s->point].name,
                    chain->points[disk->point].name);
    words_add(&w->disks, "%s", disk->disk);
}

static bool is_there(const struct words *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], word) == 0)
            return true;
    return false;
}

/* The disk `only`, or all (NULL). */
static int select_disks(struct what *w, const struct chain *chain,
                        const char *until, const char *only, struct error *err)
{
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    int r = only ? chain_select_disk(chain, until, only, &s, err)
                 : chain_select(chain, until, &s, err);

    if (r < 0)
        return -1;
    if (only && is_there(&w->disks, only))
        return error_set(err, ERR_INPUT, "disk '%s' is named twice", only);
    for (size_t i = 0; i < s.disk_count; i++)
        add_disk(w, chain, &s, &s.disks[i]);
    if (!w->point)
        w->point = strdup(chain->points[s.point].name);
    return w->point ? 0 : error_memory(err);
}

static int choose(const struct map_options *o, struct what *w,
                  const struct chain *chain, struct error *err)
{
    const char *until = NULL;

    if (chain->point_count == 0 && chain->note_count == 0)
        return error_set(err, ERR_INPUT, "it holds no backup");
    if (o->until ? until_find(chain, o->until, &until, err) < 0
                 : chain_check_newest(chain, err) < 0)
        return -1;
    if (o->disks.count == 0)
        return select_disks(w, chain, until, NULL, err);
    for (size_t i = 0; i < o->disks.count; i++)
        if (select_disks(w, chain, until, o->disks.items[i], err) < 0)
            return -1;
    return 0;
}

static int open_input(const struct map_options *o, struct what *w,
                      struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;

    if (open_chain(o->input, &chain, err) < 0)
        return -1;
    if (choose(o, w, chain, err) < 0)
        return error_prefix(err, "'%s'", o->input);
    if (w->disks.count == 0)
        return error_set(err, ERR_INPUT, "point '%s' in '%s' has no disks",
                         w->point, o->input);
    words_add(&w->parameters, "dir=%s", o->input);
    words_add(&w->parameters, "point=%s", w->point);
    return 0;
}

static int open_files(const struct map_options *o, struct what *w,
                      struct error *err)
{
    _cleanup_(sequence_freep) struct sequence *sequence = NULL;

    if (sequence_open((const char *const *)o->files.items, o->files.count,
                      &sequence, err) < 0)
        return -1;
    words_add(&w->disks, "%s", sequence_disk(sequence));
    for (size_t i = 0; i < o->files.count; i++)
        words_add(&w->parameters, "file=%s", o->files.items[i]);
    return 0;
}

int what_open(const struct map_options *o, struct what *ret, struct error *err)
{
    _cleanup_what_ struct what w = WHAT_INIT;
    int r = o->input ? open_input(o, &w, err) : open_files(o, &w, err);

    if (r < 0)
        return -1;
    if (o->export && w.disks.count > 1)
        return error_set(err, ERR_INPUT,
                         "there are %zu disks, and -e is for one only; choose "
                         "it with --disk",
                         w.disks.count);
    if (words_end(&w.disks, err) < 0 || words_end(&w.parameters, err) < 0)
        return -1;
    *ret = w;
    w = (struct what)WHAT_INIT;
    return 0;
}

/* Read the tables, as the plugin does. */
static int try_sources(const struct map_options *o, const struct what *w,
                       struct error *err)
{
    _cleanup_(sequence_freep) struct sequence *sequence = NULL;
    _cleanup_(chain_freep) struct chain *chain = NULL;

    if (!o->input) {
        _cleanup_(source_done) struct source source = {0};

        if (sequence_open((const char *const *)o->files.items, o->files.count,
                          &sequence, err) < 0)
            return -1;
        return sequence_source(sequence, &source, err);
    }
    if (open_chain(o->input, &chain, err) < 0)
        return -1;
    for (size_t i = 0; i < w->disks.count; i++) {
        _cleanup_selection_ struct selection s = SELECTION_INIT;
        _cleanup_(source_done) struct source source = {0};
        const char *disk = w->disks.items[i];

        if (chain_select_disk(chain, w->point, disk, &s, err) < 0 ||
            source_open(chain, &s.disks[0], &source, err) < 0)
            return error_prefix(err, "disk %s", disk);
    }
    return 0;
}

int what_explain(const struct map_options *o, const struct what *w,
                 struct error *err)
{
    _cleanup_error_ struct error own = ERROR_INIT;

    if (err->kind == ERR_CHILD && try_sources(o, w, &own) < 0 &&
        (own.kind == ERR_DAMAGED || own.kind == ERR_INPUT))
        error_move(err, &own);
    return -1;
}
