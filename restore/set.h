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
};

#define BACKUP_SET_INIT                                                        \
    {                                                                          \
        NULL, -1, NULL, NULL, 0                                                \
    }

/* Open the directory, read what points there are, and find the one that
 * `until` means (until.h; NULL: the newest).  ERR_INPUT: no such directory,
 * nothing of a backup in it, or no such point.
 */
must_check int backup_set_open(const char *path, const char *until,
                               struct backup_set *ret, struct error *err);
void backup_set_close(struct backup_set *s);

/* Refuse a set with data files that belong to no point: somebody has to decide
 * what they are before a restore may look complete.  ERR_DAMAGED.  A point that
 * was chosen is complete without them: then they are warnings.
 */
must_check int backup_set_check_strangers(const struct backup_set *s,
                                          struct error *err);

#endif
