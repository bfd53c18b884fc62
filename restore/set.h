/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set.h - the backup as the user named it: opened, and looked at
 *
 * What all three actions begin with.
 */
#ifndef RESTORE_SET_H
#define RESTORE_SET_H

#include <stdbool.h>

#include "base/error.h"
#include "set/chain.h"

struct backup_set {
    const char *path; /* as the user wrote it; borrowed */
    int dirfd;
    struct chain *chain;
    const char *until;  /* name of the point that was chosen, borrowed from the
                           chain; NULL: none, so the newest */
    size_t point_count; /* points of the chain up to there */
    bool sequence;      /* what else is in the directory does not matter */
};

#define BACKUP_SET_INIT                                                        \
    {                                                                          \
        NULL, -1, NULL, NULL, 0, false                                         \
    }

/* Open the directory, read what points there are, and find the one that
 * `until` means (until.h; NULL: the newest).  ERR_INPUT: no such directory,
 * nothing of a backup in it, or no such point.
 */
must_check int backup_set_open(const char *path, const char *until,
                               struct backup_set *ret, struct error *err);

/* Open the directory, and take exactly the data files `files` (leaf names with
 * commas in between) in this order, whatever the directory says otherwise.
 * Says (log) where a file was not made to go upon the one before.
 */
must_check int backup_set_open_sequence(const char *path, const char *files,
                                        struct backup_set *ret,
                                        struct error *err);
void backup_set_close(struct backup_set *s);

/* Does this note say something that must not be overlooked?  0: no; -1: `err`
 * says what, ERR_DAMAGED.
 */
must_check int backup_set_note(const struct backup_set *s,
                               const struct chain_note *note,
                               struct error *err);

/* Does upstream's list of checkpoints name one of which there is no data?  Then
 * there was, or should be, a newer point than all that are seen.  ERR_DAMAGED.
 * Manifests need no such list.
 */
must_check int backup_set_check_list(const struct backup_set *s,
                                     struct error *err);

/* Refuse a set that hints at a point that cannot be seen, or with data files
 * that belong to none: somebody has to decide what they are before a restore
 * may look complete.  ERR_DAMAGED.  A point that was chosen is complete without
 * them: then they are warnings.
 */
must_check int backup_set_check_strangers(const struct backup_set *s,
                                          struct error *err);

#endif
