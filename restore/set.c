/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set.c - see set.h */
#include "set.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "until.h"

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

void backup_set_close(struct backup_set *s)
{
    chain_free(s->chain);
    s->chain = NULL;
    closep(&s->dirfd);
}

/* What a note says that must not be overlooked; 0: it says nothing of the kind.
 */
static int check_note(const struct backup_set *s, const struct chain_note *note,
                      bool unfinished, struct error *err)
{
    switch (note->kind) {
    case CHAIN_UNCOMMITTED:
        if (unfinished)
            return 0;
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
        log_warning("'%s' is an unfinished file; it is no part of any point",
                    note->name);
        return 0;
    case CHAIN_INTENT:
    default:
        return 0;
    }
}

int backup_set_check_strangers(const struct backup_set *s, struct error *err)
{
    bool unfinished = chain_count_notes(s->chain, CHAIN_INTENT) > 0;

    if (unfinished)
        log_warning("'%s' holds the remains of a run that did not finish, or "
                    "one is under way; they are no part of any point",
                    s->path);
    for (size_t i = 0; i < s->chain->note_count; i++) {
        if (check_note(s, &s->chain->notes[i], unfinished, err) == 0)
            continue;
        if (!s->until)
            return -1;
        log_warning("%s (point '%s' does not need it)", error_text(err),
                    s->until);
        error_clear(err);
    }
    return 0;
}
