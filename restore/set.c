/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set.c - see set.h */
#include "set.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

int backup_set_open(const char *path, struct backup_set *ret, struct error *err)
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
    *ret = s;
    return 0;
}

void backup_set_close(struct backup_set *s)
{
    chain_free(s->chain);
    s->chain = NULL;
    closep(&s->dirfd);
}

int backup_set_check_strangers(const struct backup_set *s, struct error *err)
{
    bool unfinished = chain_count_notes(s->chain, CHAIN_INTENT) > 0;

    if (unfinished)
        log_warning("'%s' holds the remains of a run that did not finish, or "
                    "one is under way; they are no part of any point",
                    s->path);
    for (size_t i = 0; i < s->chain->note_count; i++) {
        const struct chain_note *note = &s->chain->notes[i];

        switch (note->kind) {
        case CHAIN_UNCOMMITTED:
            if (unfinished)
                break;
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
            return error_set(err, ERR_DAMAGED, "'%s/%s': %s", s->path,
                             note->name, note->text ? note->text : "damaged");
        case CHAIN_PARTIAL:
            log_warning("'%s' is an unfinished file; it is no part of any "
                        "point",
                        note->name);
            break;
        case CHAIN_INTENT:
        default:
            break;
        }
    }
    return 0;
}
